"""The data directory: files in it that survive a power loss, and the lock that keeps a second gateway away.

Others may be able to write to the directory, as in /tmp: a file or link that somebody else put there is not used.
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
"""How long a start waits for another gateway that is ending."""


class DataDirectory:
    """The data directory, private to one gateway while held."""

    def __init__(self, path: Path):
        self.path = path
        self._lock: int | None = None

    def acquire(self) -> None:
        """Create and lock the directory until this process ends.

        Raises DataDirectoryError, also when another gateway has it.
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
    """Create a private directory unless it is there. Raises DataDirectoryError when it cannot be used."""
    refuse_foreign(path)
    with _explained(path):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(0, "Permission denied")


def write_private(path: Path, text: str) -> None:
    """Replace a file: whole or not at all, also over a power loss, and readable by nobody else.

    Raises DataDirectoryError.
    """
    create_directory(path.parent)
    refuse_foreign(path)
    with _explained(path.parent):
        _write_temporary(path, text).rename(path)
        sync_directory(path.parent)


def create_private(path: Path, text: str) -> None:
    """Create a file unless it is there: whole or not at all, also over a power loss, and readable by nobody else.

    Of several processes that create it at once, one does. Raises DataDirectoryError.
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
    """Return a file's text. Raises DataDirectoryError when it cannot be read or is somebody else's."""
    refuse_foreign(path)
    with _explained(path.parent):
        try:
            return path.read_text()
        except UnicodeDecodeError:
            raise DataDirectoryError(f"{path} is damaged: it is no text") from None


def refuse_foreign(path: Path) -> None:
    """Raise DataDirectoryError when there is a file or link that was put there by somebody else."""
    with suppress(OSError):
        entry, directory = path.lstat(), path.parent.stat()
        if entry.st_uid not in (0, os.geteuid(), directory.st_uid):
            kind = "symbolic link" if stat.S_ISLNK(entry.st_mode) else "file"
            raise DataDirectoryError(
                f"{path} is a {kind} of another user: remove it, or set INBOX_DATA_DIR to a directory that only this "
                "user may write to"
            )


def sync_directory(path: Path) -> None:
    """Make what was created, renamed or removed in a directory survive a power loss."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # some network file systems cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(directory: Path) -> Iterator[None]:
    """Turn what the system says into a sentence that says what to do."""
    try:
        yield
    except OSError as problem:
        reason = problem.strerror or str(problem)
        if problem.errno in (errno.ENOTDIR, errno.EEXIST):
            reason = "a part of that path is a file, not a directory"
        elif problem.errno == errno.ELOOP:
            reason = f"{problem.filename} is a symbolic link"
        raise DataDirectoryError(
            f"the data directory {directory} cannot be used: {reason}. Mend that, or set INBOX_DATA_DIR to another "
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
