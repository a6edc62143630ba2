"""The data directory: one gateway at a time, and private files."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.server import data_directory
from gateway.server.data_directory import (
    DataDirectory,
    create_directory,
    create_private,
    read_private,
    refuse_foreign,
    write_private,
)
from gateway.server.errors import DataDirectoryError

HOLD = """
import sys
from pathlib import Path
from gateway.server.data_directory import DataDirectory
DataDirectory(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file another user's")
as_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


def test_a_second_gateway_cannot_use_the_directory_until_the_first_one_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_directory, "LOCK_SECONDS", 0.2)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], **pipes) as holder:  # type: ignore[call-overload] # of pipes
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(DataDirectoryError, match="another gateway uses"):
            DataDirectory(tmp_path).acquire()
        holder.kill()
    directory = DataDirectory(tmp_path)
    directory.acquire()
    directory.acquire()


def test_a_gateway_waits_for_another_one_that_is_ending(tmp_path: Path) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], **pipes) as holder:  # type: ignore[call-overload] # of pipes
        assert holder.stdout.readline() == b"held\n"
        holder.stdin.close()
        DataDirectory(tmp_path).acquire()


def test_the_directory_is_created_private(tmp_path: Path) -> None:
    create_directory(tmp_path / "a" / "b")
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_a_path_through_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DataDirectoryError, match="a part of that path is a file, not a directory"):
            create_directory(path)


@as_user
def test_a_directory_that_cannot_be_written_to_is_reported(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DataDirectoryError, match="Permission denied"):
        create_directory(tmp_path)


def test_a_written_file_is_private_and_replaces_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret"
    for text in ("one", "two"):
        write_private(path, text)
        assert read_private(path) == text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_created_file_does_not_replace_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret"
    for text in ("one", "two"):
        create_private(path, text)
    assert read_private(path) == "one"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_not_text_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"\xff")
    with pytest.raises(DataDirectoryError, match="is damaged: it is not text"):
        read_private(path)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataDirectoryError, match="No such file"):
        read_private(tmp_path / "none")


def test_a_symbolic_link_as_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataDirectoryError, match="is a symbolic link"):
        DataDirectory(tmp_path).acquire()
    assert not (tmp_path / "elsewhere").exists()


@as_root
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("theirs")
    os.chown(path, 12345, -1)
    for use in (refuse_foreign, read_private):
        with pytest.raises(DataDirectoryError, match="is a file of another user"):
            use(path)
    with pytest.raises(DataDirectoryError, match="is a file of another user"):
        write_private(path, "ours")
    assert path.read_text() == "theirs"
