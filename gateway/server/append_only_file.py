"""Repair of the bundled server's append-only file after a power loss.

The directory holds a base (a snapshot), one or more increments (the commands since then, as clients send them), and a
manifest that names them in their order. Only the last increment is written to, so that a power loss can damage its end
only: a command that is there in part, or zeros where the file system had not written the data yet. The increment before
may be damaged as well if the last one had just been begun, and then holds no whole command. Such an end is cut off, as
`valkey-check-aof --fix` does it, and the file as it was is kept beside. Commands between MULTI and EXEC stay or go
together.

Anything else is damage that a repair could make worse: whole commands after the damaged place, a file that is missing,
a base that cannot be read. It is left as it is, and the message says what there is to do.
"""

import mmap
import os
import re
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.server.data_directory import sync_directory

MANIFEST = "appendonly.aof.manifest"
_MANIFEST_LINE = re.compile(r"file (\S+) seq (\d+) type ([bih])")
_BASE = re.compile(r"appendonly\.aof\.(\d+)\.base\.(rdb|aof)")
_INCREMENT = re.compile(r"appendonly\.aof\.(\d+)\.incr\.aof")
_COMMAND_HEAD = re.compile(rb"\*[1-9]\d{0,6}\r\n\$\d{1,9}\r\n")
_MAX_NUMBER_LENGTH = 12


class UnrepairableError(Exception):
    """The append-only file cannot be read, and not be repaired safely. The message has the steps for the operator."""


@dataclass(frozen=True, slots=True)
class DamagedEnd:
    """The end of an increment that is to be cut off: `bytes` from the offset `start` on."""

    path: Path
    start: int
    bytes: int

    def cut(self) -> Path:
        """Cut it off; return what holds the file as it was, or only its end where the disk has no room for all of it.

        Raises OSError, and leaves the file as it is, when there is no room for that either.
        """
        kept = _keep(self.path, self.start)
        os.truncate(self.path, self.start)
        _sync(self.path)
        return kept


@dataclass(frozen=True, slots=True)
class _Scan:
    """Where the last whole command ends, outside MULTI and EXEC, and how many whole commands come after a damage."""

    end: int
    stopped_at: int
    later_commands: int


def check_manifest(directory: Path) -> Path | None:
    """Check that the manifest and the files that it names are there, before a server takes them for a new start.

    Return the damaged manifest that was kept, if one was written anew. Raises UnrepairableError.
    """
    if not directory.is_dir():
        return None
    bases = sorted(path.name for path in directory.iterdir() if _BASE.fullmatch(path.name))
    increments = sorted(path.name for path in directory.iterdir() if _INCREMENT.fullmatch(path.name))
    manifest = directory / MANIFEST
    named = _names(manifest)
    if named is None:
        if not bases and not increments and not manifest.exists():
            return None
        _refuse_empty(directory, bases)
        return _rewrite_manifest(manifest, bases, increments)
    for name in named:
        if not (directory / name).exists():
            raise UnrepairableError(
                f"{directory / name} is missing, which is a part of the data. {_restore(directory)} {_begin(directory)}"
            )
    _refuse_empty(directory, named)
    _refuse_unnamed(directory, named, increments)
    return None


def _refuse_empty(directory: Path, names: list[str]) -> None:
    """Raise UnrepairableError for an empty snapshot, which the server would take for one of an empty store."""
    for name in names:
        if name.endswith(".rdb") and (directory / name).stat().st_size == 0:
            raise UnrepairableError(
                f"{directory / name} is empty, and was a part of the data. {_restore(directory)} {_begin(directory)}"
            )


def _refuse_unnamed(directory: Path, named: list[str], increments: list[str]) -> None:
    """Raise UnrepairableError for an increment that the manifest should name; the server would overwrite it."""
    last = max((_sequence(name) for name in named if name in increments), default=0)
    for name in increments:
        if _sequence(name) > last and (directory / name).stat().st_size:
            raise UnrepairableError(
                f"{directory / MANIFEST} does not name {name}, which holds newer data: it is an older one. "
                f"{_restore(directory)} To go on without that data, move {directory / name} elsewhere."
            )


def _sequence(name: str) -> int:
    return int(name.split(".")[2])


def find_damaged_ends(directory: Path) -> list[DamagedEnd]:
    """Return where increments are to be cut, in the order in which to do that; nothing if all are whole.

    Raises UnrepairableError when there is damage elsewhere.
    """
    named = _names(directory / MANIFEST)
    paths = [directory / name for name in named or () if _INCREMENT.fullmatch(name)]
    for index, path in enumerate(paths):
        scan = _scan(path)
        if scan.end < path.stat().st_size:
            return _damaged_ends(directory, path, scan, paths[index + 1 :])
    return []


def _damaged_ends(directory: Path, path: Path, scan: _Scan, later: list[Path]) -> list[DamagedEnd]:
    ends = [DamagedEnd(path, scan.end, path.stat().st_size - scan.end)]
    ends += [DamagedEnd(one, 0, one.stat().st_size) for one in later if one.stat().st_size]
    commands = scan.later_commands + sum(_count_commands_of(end.path) for end in ends[1:])
    if commands:
        steps = " and ".join(f"`truncate -s {end.start} {shlex.quote(str(end.path))}`" for end in reversed(ends))
        raise UnrepairableError(
            f"{path} is damaged at byte {scan.stopped_at}, and whole commands follow: a power loss seldom does that, a "
            f"failing disk may. Nothing was changed. {_restore(directory)} To go on without what follows the damage, "
            f"copy {directory} elsewhere, run {steps}, and start again: that loses the last "
            f"{sum(end.bytes for end in ends)} bytes, among them at least {commands} whole commands."
        )
    # The later ones first: were this interrupted, the next start would find the same damage.
    return ends[::-1]


def unreadable(directory: Path, said: str) -> UnrepairableError:
    """Return the error for files that the server refuses though their end is whole. `said` is what it said."""
    return UnrepairableError(f"Valkey cannot read {directory}: {said} {_restore(directory)} {_begin(directory)}")


# ---- the manifest


def _names(manifest: Path) -> list[str] | None:
    """Return the files in their order, or None when the manifest is missing or damaged."""
    try:
        text = manifest.read_text()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    lines = [line for line in text.split("\n")[:-1] if not line.startswith("#")]
    found = [_MANIFEST_LINE.fullmatch(line) for line in lines]
    if not lines or not text.endswith("\n") or None in found:
        return None
    return [line[1] for line in found if line is not None and line[3] != "h"]


def _rewrite_manifest(manifest: Path, bases: list[str], increments: list[str]) -> Path:
    """Write the manifest from the names of the files, where they allow one order only.

    While a rewrite is under way, or was cut off, there are two of a kind, and the manifest alone knows which count.
    """
    directory = manifest.parent
    first = bases == ["appendonly.aof.1.base.rdb"]
    if len(bases) != 1 or len(increments) > 1 or (not increments and not first):
        found = ", ".join([*bases, *increments]) or "nothing"
        raise UnrepairableError(
            f"{manifest} is missing or damaged, and the files beside it ({found}) do not tell which of them count. "
            f"{_restore(directory)} {_begin(directory)}"
        )
    text = "".join(
        f"file {name} seq {name.split('.')[2]} type {kind}\n"
        for name, kind in [(bases[0], "b"), *((name, "i") for name in increments)]
    )
    temporary = directory / f"temp-{MANIFEST}"
    temporary.write_text(text)
    _sync(temporary)
    kept = _free_name(manifest) if manifest.exists() else manifest
    if kept != manifest:
        manifest.rename(kept)
    temporary.rename(manifest)
    sync_directory(directory)
    return kept


# ---- the commands


def _scan(path: Path) -> _Scan:
    """Read the commands of a file."""
    size = path.stat().st_size
    if size == 0:
        return _Scan(0, 0, 0)
    with _mapped(path) as data:
        end = position = 0
        in_transaction = False
        while position < size:
            name, after = _read_entry(data, position)
            if not after:
                break
            position = after
            if name == b"MULTI":
                in_transaction = True
            elif name == b"EXEC":
                in_transaction = False
            if not in_transaction:
                end = position
        return _Scan(end, position, _count_commands(data, position + 1) if position < size else 0)


def _count_commands_of(path: Path) -> int:
    with _mapped(path) as data:
        return _count_commands(data, 0)


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


def _read_entry(data: mmap.mmap, position: int) -> tuple[bytes, int]:
    """Return a command's name in upper case and where it ends; 0 when it is not whole. Comments have no name."""
    if data[position : position + 1] == b"#":
        return b"", data.find(b"\n", position) + 1
    count, position = _read_number(data, position, b"*")
    if count < 1:
        return b"", 0
    name = b""
    for index in range(count):
        length, position = _read_number(data, position, b"$")
        if length < 0 or data[position + length : position + length + 2] != b"\r\n":
            return b"", 0
        if index == 0:
            name = data[position : position + min(length, 32)].upper()
        position += length + 2
    return name, position


def _read_number(data: mmap.mmap, position: int, kind: bytes) -> tuple[int, int]:
    """Return the number of a line such as `$12`, and where the next one begins; -1 when there is none."""
    if data[position : position + 1] != kind:
        return -1, 0
    end = data.find(b"\r\n", position, position + _MAX_NUMBER_LENGTH)
    digits = data[position + 1 : end] if end > 0 else b""
    return (int(digits), end + 2) if digits.isdigit() else (-1, 0)


def _count_commands(data: mmap.mmap, position: int) -> int:
    """Count the whole commands behind a damaged place. Values hold JSON or names, never a line that begins one."""
    count = 0
    while found := _COMMAND_HEAD.search(data, position):
        _, after = _read_entry(data, found.start())
        count += after > 0
        position = after or found.start() + 1
    return count


# ---- what is kept


def _keep(path: Path, start: int) -> Path:
    original = _free_name(path)
    try:
        _copy(path, original, 0)
    except OSError:
        original = original.with_name(f"{original.name}.from-{start}")
        _copy(path, original, start)
    sync_directory(path.parent)
    return original


def _copy(path: Path, copy: Path, start: int) -> None:
    try:
        with path.open("rb") as source, copy.open("xb") as target:
            source.seek(start)
            shutil.copyfileobj(source, target, 1024 * 1024)
        _sync(copy)
    except OSError:
        copy.unlink(missing_ok=True)
        raise


def _free_name(path: Path) -> Path:
    return path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _restore(directory: Path) -> str:
    return f"Restore {directory} from a backup and start again."


def _begin(directory: Path) -> str:
    return f"Without one, move {directory} elsewhere: the next start begins with an empty store."
