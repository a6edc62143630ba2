"""Where the workers of one gateway keep what `/metrics` sums up, in files that they map into memory.

In memory where the system has a file system for that: a page of such a file that a full disk has no room for ends the
process that touches it (SIGBUS).
"""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - the names in it are made by mkdtemp
_PREFIX = "inbox-metrics-"
_ENOUGH_BYTES = 16 * 1024 * 1024


class MetricsDirectory:
    """A directory of this gateway's own. What earlier ones left that were killed is removed."""

    def __init__(self, data_directory: Path):
        """Create it, in the data directory where there is no better place. Raises OSError."""
        parent = _IN_MEMORY if _has_room(_IN_MEMORY) else data_directory
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for old in parent.glob(f"{_PREFIX}*"):
            _remove_abandoned(old)
        self._lock: int | None = None
        while self._lock is None:  # another gateway may take a new one for an abandoned one
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            with suppress(FileNotFoundError):
                # Held until this process ends, however that comes.
                self._lock = _lock(self.path)

    def forget(self, pid: int) -> None:
        """Drop a dead worker's live gauges, as prometheus_client's mark_process_dead does."""
        for path in self.path.glob(f"gauge_live*_{pid}.db"):
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove it; the workers have ended."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _has_room(path: Path) -> bool:
    if not os.access(path, os.W_OK | os.X_OK):
        return False
    with suppress(OSError):
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize > _ENOUGH_BYTES
    return False


def _remove_abandoned(path: Path) -> None:
    with suppress(OSError):
        if path.lstat().st_uid == os.geteuid() and (lock := _lock(path)) is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)


def _lock(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
