"""The manifest of the append-only file: it names the base and the increments in their order."""

import re
from pathlib import Path

from gateway.server.data_directory import sync_directory
from gateway.server.errors import UnrepairableError
from gateway.server.valkey.kept_copies import free_name, sync_file

MANIFEST = "appendonly.aof.manifest"
_MANIFEST_LINE = re.compile(r"file (\S+) seq (\d+) type ([bih])")
_BASE = re.compile(r"appendonly\.aof\.(\d+)\.base\.(rdb|aof)")
_INCREMENT = re.compile(r"appendonly\.aof\.(\d+)\.incr\.aof")


def check_manifest(directory: Path) -> Path | None:
    """Check that the manifest and the files that it names exist. Without them, a server would start an empty store.

    A missing or damaged manifest is written anew if the names of the files allow one order only. Return the kept copy
    of a damaged manifest, or the new manifest if there was none; None if nothing was written. Raises UnrepairableError.
    """
    if not directory.is_dir():
        return None
    bases = sorted(path.name for path in directory.iterdir() if _BASE.fullmatch(path.name))
    increments = sorted(path.name for path in directory.iterdir() if _INCREMENT.fullmatch(path.name))
    manifest = directory / MANIFEST
    named = _named_files(manifest)
    if named is None:
        if not bases and not increments and not manifest.exists():
            return None
        _refuse_empty(directory, bases)
        return _rewrite(manifest, bases, increments)
    for name in named:
        if not (directory / name).exists():
            raise UnrepairableError(
                f"{directory / name} is missing, which is a part of the data. "
                f"{restore_advice(directory)} {empty_store_advice(directory)}"
            )
    _refuse_empty(directory, named)
    _refuse_unnamed(directory, named, increments)
    return None


def named_increments(directory: Path) -> list[Path]:
    """Return the increments that the manifest names, in their order."""
    named = _named_files(directory / MANIFEST)
    return [directory / name for name in named or () if _INCREMENT.fullmatch(name)]


def restore_advice(directory: Path) -> str:
    """Return the sentence about restoring a backup."""
    return f"Restore {directory} from a backup and start again."


def empty_store_advice(directory: Path) -> str:
    """Return the sentence about starting without the data."""
    return f"Without one, move {directory} elsewhere: the next start begins with an empty store."


def _named_files(manifest: Path) -> list[str] | None:
    """Return the names in the manifest in their order, None if the manifest is missing or damaged."""
    try:
        text = manifest.read_text()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    lines = [line for line in text.split("\n")[:-1] if not line.startswith("#")]
    found = [_MANIFEST_LINE.fullmatch(line) for line in lines]
    if not lines or not text.endswith("\n") or None in found:
        return None
    return [line[1] for line in found if line is not None and line[3] != "h"]


def _refuse_empty(directory: Path, names: list[str]) -> None:
    """Raise UnrepairableError for an empty snapshot, which the server would load as an empty store."""
    for name in names:
        if name.endswith(".rdb") and (directory / name).stat().st_size == 0:
            raise UnrepairableError(
                f"{directory / name} is empty, and was a part of the data. "
                f"{restore_advice(directory)} {empty_store_advice(directory)}"
            )


def _refuse_unnamed(directory: Path, named: list[str], increments: list[str]) -> None:
    """Raise UnrepairableError for an increment newer than those in the manifest. The server would overwrite it."""
    last = max((_sequence(name) for name in named if name in increments), default=0)
    for name in increments:
        if _sequence(name) > last and (directory / name).stat().st_size:
            raise UnrepairableError(
                f"{directory / MANIFEST} does not name {name}, which holds newer data: it is an older one. "
                f"{restore_advice(directory)} To continue without that data, move {directory / name} elsewhere."
            )


def _rewrite(manifest: Path, bases: list[str], increments: list[str]) -> Path:
    """Write the manifest from the names of the files, if they allow one order only. Raises UnrepairableError if not.

    During a rewrite of the append-only file, and after an interrupted one, there are two files of a kind. Only the
    manifest records which of them are current.
    """
    directory = manifest.parent
    first = bases == ["appendonly.aof.1.base.rdb"]
    if len(bases) != 1 or len(increments) > 1 or (not increments and not first):
        found = ", ".join([*bases, *increments]) or "nothing"
        raise UnrepairableError(
            f"{manifest} is missing or damaged, and the files beside it ({found}) do not show which are current. "
            f"{restore_advice(directory)} {empty_store_advice(directory)}"
        )
    text = "".join(
        f"file {name} seq {_sequence(name)} type {kind}\n"
        for name, kind in [(bases[0], "b"), *((name, "i") for name in increments)]
    )
    temporary = directory / f"temp-{MANIFEST}"
    temporary.write_text(text)
    sync_file(temporary)
    kept = free_name(manifest) if manifest.exists() else manifest
    if kept != manifest:
        manifest.rename(kept)
    temporary.rename(manifest)
    sync_directory(directory)
    return kept


def _sequence(name: str) -> int:
    return int(name.split(".")[2])
