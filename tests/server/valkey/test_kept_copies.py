"""Copies of damaged files."""

import shutil
from pathlib import Path
from typing import IO, Any

import pytest

from gateway.server.valkey.kept_copies import free_name, keep_copy


def test_a_copy_has_the_content_of_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    copy = keep_copy(path, 4)
    assert copy.read_bytes() == b"0123456789"
    assert copy.name.startswith("file.damaged-")


def test_only_the_end_is_copied_when_there_is_no_room_for_the_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    copy_all = shutil.copyfileobj

    def full_disk(source: IO[bytes], target: IO[bytes], length: int) -> Any:
        if source.tell() == 0:
            target.write(b"012")
            raise OSError(28, "No space left on device")
        copy_all(source, target, length)

    monkeypatch.setattr(shutil, "copyfileobj", full_disk)
    copy = keep_copy(path, 4)
    assert copy.name.endswith(".from-4")
    assert copy.read_bytes() == b"456789"
    assert sorted(tmp_path.iterdir()) == [path, copy]


def test_no_copy_is_left_when_there_is_no_room_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")

    def full_disk(source: IO[bytes], target: IO[bytes], length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full_disk)
    with pytest.raises(OSError, match="No space left"):
        keep_copy(path, 4)
    assert list(tmp_path.iterdir()) == [path]


def test_the_name_of_a_copy_contains_the_time(tmp_path: Path) -> None:
    assert free_name(tmp_path / "file").parent == tmp_path
