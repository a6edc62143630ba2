"""Archives of files whose bytes depend on the names, the contents and one time alone."""

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path


def write_archive(path: Path, files: Mapping[str, bytes], epoch: int) -> None:
    """Write a `.tar.gz` with files by their paths in it. Each has the time `epoch`, in seconds, and mode 644."""
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=epoch) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(files[name]), epoch, 0o644
            archive.addfile(entry, io.BytesIO(files[name]))


def read_archive(path: Path) -> dict[str, bytes]:
    """Return the files of a `.tar.gz` by their paths in it."""
    with tarfile.open(path) as archive:
        return {entry.name: _content(archive, entry) for entry in archive if entry.isfile()}


def _content(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    opened = archive.extractfile(entry)
    assert opened is not None, entry.name
    return opened.read()


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files below a folder. Their modes do not depend on the umask."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o644)
