"""Repair of the bundled server's append-only file after a power loss.

The directory holds a base (a snapshot), one or more increments (the commands since then, as clients send them), and a
manifest that names them in their order. The server writes only to the last increment. So a power loss can damage only
its end: an incomplete command, or zeros where the file system had not written the data yet. If the last increment was
just created and holds no whole command, the end of the one before it may be damaged as well. Such an end is cut off, as
`valkey-check-aof --fix` does, and a copy of the damaged file is kept. Commands between MULTI and EXEC are kept or cut
off together.

A repair could make any other damage worse: whole commands after the damaged place, a missing file, an unreadable base.
The files are then left unchanged, and the error message lists what an operator can do.
"""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from gateway.server.errors import UnrepairableError
from gateway.server.valkey.aof_commands import Scan, count_commands, scan
from gateway.server.valkey.aof_manifest import empty_store_advice, named_increments, restore_advice
from gateway.server.valkey.kept_copies import keep_copy, sync_file


@dataclass(frozen=True, slots=True)
class DamagedEnd:
    """The end of an increment that is to be cut off: `bytes` from the offset `start` on."""

    path: Path
    start: int
    bytes: int

    def cut(self) -> Path:
        """Cut it off, and return the copy that was kept, see `keep_copy`.

        Raises OSError, and leaves the file unchanged, when the disk has no room for a copy.
        """
        kept = keep_copy(self.path, self.start)
        os.truncate(self.path, self.start)
        sync_file(self.path)
        return kept


def find_damaged_ends(directory: Path) -> list[DamagedEnd]:
    """Return the ends that are to be cut off, in the order of cutting; an empty list if all files are whole.

    Raises UnrepairableError when there is damage elsewhere.
    """
    paths = named_increments(directory)
    for index, path in enumerate(paths):
        found = scan(path)
        if found.end < path.stat().st_size:
            return _damaged_ends(directory, path, found, paths[index + 1 :])
    return []


def unreadable(directory: Path, message: str) -> UnrepairableError:
    """Return the error for files that the server rejects although their ends are whole. `message` is its warnings."""
    return UnrepairableError(
        f"Valkey cannot read {directory}: {message} {restore_advice(directory)} {empty_store_advice(directory)}"
    )


def _damaged_ends(directory: Path, path: Path, found: Scan, later: list[Path]) -> list[DamagedEnd]:
    ends = [DamagedEnd(path, found.end, path.stat().st_size - found.end)]
    ends += [DamagedEnd(one, 0, one.stat().st_size) for one in later if one.stat().st_size]
    commands = found.later_commands + sum(count_commands(end.path) for end in ends[1:])
    if commands:
        steps = " and ".join(f"`truncate -s {end.start} {shlex.quote(str(end.path))}`" for end in reversed(ends))
        raise UnrepairableError(
            f"{path} is damaged at byte {found.stopped_at}, and whole commands follow: a power loss seldom does that, "
            f"a failing disk may. Nothing was changed. {restore_advice(directory)} To continue without what follows "
            f"the damage, copy {directory} elsewhere, run {steps}, and start again: that loses the last "
            f"{sum(end.bytes for end in ends)} bytes, among them at least {commands} whole commands."
        )
    # The later files are cut first, so that after an interruption the next start finds the same damage again.
    return ends[::-1]
