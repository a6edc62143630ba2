"""The manifest of the append-only file."""

from pathlib import Path

import pytest

from gateway.server.errors import UnrepairableError
from gateway.server.valkey.aof_manifest import check_manifest, named_increments
from tests.server.valkey.aof_files import BASE, INCREMENT, MANIFEST, SET, write_files


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A base and a manifest; the increment is for the test to write."""
    return write_files(tmp_path)


@pytest.mark.parametrize(
    "manifest", [None, b"", MANIFEST.encode()[:-3], MANIFEST.encode()[:60], bytes(90), MANIFEST.encode() + bytes(90)]
)
def test_a_damaged_manifest_is_written_anew_where_the_files_allow_one_order_only(
    directory: Path, manifest: bytes | None
) -> None:
    path = directory / "appendonly.aof.manifest"
    (directory / INCREMENT).write_bytes(SET)
    if manifest is None:
        path.unlink()
    else:
        path.write_bytes(manifest)
    kept = check_manifest(directory)
    assert path.read_text() == MANIFEST
    assert kept is not None
    assert kept == path if manifest is None else kept.read_bytes() == manifest
    assert check_manifest(directory) is None


@pytest.mark.parametrize(
    "files",
    [
        [INCREMENT],
        [BASE, INCREMENT, "appendonly.aof.2.incr.aof"],
        [BASE, "appendonly.aof.2.base.rdb", "appendonly.aof.2.incr.aof"],
        ["appendonly.aof.2.base.rdb"],
    ],
)
def test_files_whose_order_is_unknown_are_reported_and_left_alone(tmp_path: Path, files: list[str]) -> None:
    for name in files:
        (tmp_path / name).write_bytes(SET)
    with pytest.raises(UnrepairableError, match="do not show which are current"):
        check_manifest(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)


@pytest.mark.parametrize("missing", [BASE, INCREMENT])
def test_a_missing_file_is_reported(directory: Path, missing: str) -> None:
    (directory / INCREMENT).write_bytes(SET)
    (directory / missing).unlink()
    with pytest.raises(UnrepairableError, match=f"{missing} is missing"):
        check_manifest(directory)


@pytest.mark.parametrize("manifest", [MANIFEST, ""])
def test_an_empty_snapshot_is_reported(directory: Path, manifest: str) -> None:
    (directory / "appendonly.aof.manifest").write_text(manifest)
    (directory / INCREMENT).write_bytes(SET)
    (directory / BASE).write_bytes(b"")
    with pytest.raises(UnrepairableError, match=f"{BASE} is empty"):
        check_manifest(directory)


def test_an_increment_that_an_older_manifest_does_not_name_is_reported(directory: Path) -> None:
    (directory / INCREMENT).write_bytes(SET)
    newer = directory / "appendonly.aof.2.incr.aof"
    newer.write_bytes(b"")
    assert check_manifest(directory) is None  # the server was about to begin it
    newer.write_bytes(SET)
    with pytest.raises(UnrepairableError, match=f"does not name {newer.name}, which holds newer data"):
        check_manifest(directory)


def test_a_new_directory_needs_no_manifest(tmp_path: Path) -> None:
    assert check_manifest(tmp_path / "not-there") is None
    assert check_manifest(tmp_path) is None


def test_the_increments_are_those_that_the_manifest_names_in_its_order(directory: Path) -> None:
    assert named_increments(directory) == [directory / INCREMENT]
    second = "appendonly.aof.2.incr.aof"
    (directory / "appendonly.aof.manifest").write_text(f"file {second} seq 2 type i\n{MANIFEST}")
    assert named_increments(directory) == [directory / second, directory / INCREMENT]
    (directory / "appendonly.aof.manifest").unlink()
    assert named_increments(directory) == []
