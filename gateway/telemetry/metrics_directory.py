"""The directory of the metrics files that the workers of one gateway map into memory, and that `/metrics` sums up.

It is on a file system in memory (/dev/shm) where there is one. On a full disk, SIGBUS kills a process that writes to a
page of a mapped file for which the disk has no room.
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
    """The directory of one gateway. Directories that killed gateways left behind are removed first."""

    def __init__(self, data_directory: Path):
        """Create it, in the data directory if there is no room in memory. Raises OSError."""
        parent = _IN_MEMORY if _has_room(_IN_MEMORY) else data_directory
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for old in parent.glob(f"{_PREFIX}*"):
            _remove_abandoned(old)
        self._lock: int | None = None
        while self._lock is None:  # until it is locked, another gateway may remove it as abandoned
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            with suppress(FileNotFoundError):
                # Held until this process ends, even if it is killed.
                self._lock = _lock(self.path)

    def forget(self, pid: int) -> None:
        """Delete the live gauges of a worker that has ended, as prometheus_client's `mark_process_dead` does."""
        for path in self.path.glob(f"gauge_live*_{pid}.db"):
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the directory. The workers must have ended."""
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
