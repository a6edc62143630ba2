"""Copies of damaged files, which a repair keeps beside the repaired ones."""

import os
import shutil
import time
from pathlib import Path

from gateway.server.data_directory import sync_directory


def keep_copy(path: Path, start: int) -> Path:
    """Copy a file that is about to be cut off at the offset `start`, and return the path of the copy.

    If the disk has no room for the whole file, only its end from `start` on is copied. Raises OSError, and leaves no
    copy, if there is no room for that either.
    """
    copy = free_name(path)
    try:
        _copy(path, copy, 0)
    except OSError:
        copy = copy.with_name(f"{copy.name}.from-{start}")
        _copy(path, copy, start)
    sync_directory(path.parent)
    return copy


def free_name(path: Path) -> Path:
    """Return an unused name for a copy, with the time and this process's id in it."""
    return path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}")


def sync_file(path: Path) -> None:
    """Write a file's data to disk, so that it survives a power loss."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy(path: Path, copy: Path, start: int) -> None:
    try:
        with path.open("rb") as source, copy.open("xb") as target:
            source.seek(start)
            shutil.copyfileobj(source, target, 1024 * 1024)
        sync_file(copy)
    except OSError:
        copy.unlink(missing_ok=True)
        raise
