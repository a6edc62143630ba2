"""The data directory: a lock against a second gateway, and private files that survive a power loss.

Other users may be able to write to the directory, as in /tmp. A file or link that another user put there is not used.
"""

import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.server.errors import DataDirectoryError

LOCK_SECONDS = 5.0
"""The time that a start waits for another gateway that is ending."""


class DataDirectory:
    """The data directory, for one gateway at a time."""

    def __init__(self, path: Path):
        self.path = path
        self._lock: int | None = None

    def acquire(self) -> None:
        """Create the directory and lock it until this process ends.

        Raises DataDirectoryError, also when another gateway holds the lock.
        """
        if self._lock is not None:
            return
        create_directory(self.path)
        path = self.path / "lock"
        refuse_foreign(path)
        with _explained(self.path):
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(lock)
                    raise DataDirectoryError(
                        f"another gateway uses {self.path}: stop it, or set INBOX_DATA_DIR to another directory"
                    ) from None
                time.sleep(0.1)
            except OSError as problem:
                os.close(lock)
                raise DataDirectoryError(
                    f"{path} cannot be locked: {problem.strerror}. Set INBOX_DATA_DIR to a directory on a local disk"
                ) from None
            else:
                self._lock = lock
                return


def create_directory(path: Path) -> None:
    """Create a private directory unless it exists. Raises DataDirectoryError when it cannot be used."""
    refuse_foreign(path)
    with _explained(path):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(0, "Permission denied")


def write_private(path: Path, text: str) -> None:
    """Replace a file, readable by this user only. After a power loss it has either the old or the new text.

    Raises DataDirectoryError.
    """
    create_directory(path.parent)
    refuse_foreign(path)
    with _explained(path.parent):
        _write_temporary(path, text).rename(path)
        sync_directory(path.parent)


def create_private(path: Path, text: str) -> None:
    """Create a file, readable by this user only, unless it exists. After a power loss it is complete or missing.

    If several processes create it at once, the text of one of them is kept. Raises DataDirectoryError.
    """
    create_directory(path.parent)
    with _explained(path.parent):
        temporary = _write_temporary(path, text)
        try:
            os.link(temporary, path)
        except FileExistsError:
            temporary.unlink()
        except OSError:  # a file system without hard links
            temporary.rename(path)
        else:
            temporary.unlink()
        sync_directory(path.parent)


def read_private(path: Path) -> str:
    """Return a file's text. Raises DataDirectoryError when it cannot be read or belongs to another user."""
    refuse_foreign(path)
    with _explained(path.parent):
        try:
            return path.read_text()
        except UnicodeDecodeError:
            raise DataDirectoryError(f"{path} is damaged: it is not text") from None


def refuse_foreign(path: Path) -> None:
    """Raise DataDirectoryError if the path is a file or link that belongs to another user."""
    with suppress(OSError):
        entry, directory = path.lstat(), path.parent.stat()
        if entry.st_uid not in (0, os.geteuid(), directory.st_uid):
            kind = "symbolic link" if stat.S_ISLNK(entry.st_mode) else "file"
            raise DataDirectoryError(
                f"{path} is a {kind} of another user: remove it, or set INBOX_DATA_DIR to a directory that only this "
                "user may write to"
            )


def sync_directory(path: Path) -> None:
    """Make the creation, renaming and removal of files in a directory survive a power loss."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # some network file systems do not support it
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(directory: Path) -> Iterator[None]:
    """Translate an OSError within the block into a DataDirectoryError whose message names the remedy."""
    try:
        yield
    except OSError as problem:
        reason = problem.strerror or str(problem)
        if problem.errno in (errno.ENOTDIR, errno.EEXIST):
            reason = "a part of that path is a file, not a directory"
        elif problem.errno == errno.ELOOP:
            reason = f"{problem.filename} is a symbolic link"
        raise DataDirectoryError(
            f"the data directory {directory} cannot be used: {reason}. Correct that, or set INBOX_DATA_DIR to another "
            "directory that this user may write to"
        ) from None


def _write_temporary(path: Path, text: str) -> Path:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
    return temporary
