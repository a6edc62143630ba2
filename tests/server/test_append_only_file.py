"""What a power loss leaves of the append-only file, and what is made of it."""

from pathlib import Path

import pytest

from gateway.server.aof_manifest import check_manifest
from gateway.server.append_only_file import find_damaged_ends
from gateway.server.errors import UnrepairableError

BASE, INCREMENT = "appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof"
MANIFEST = f"file {BASE} seq 1 type b\nfile {INCREMENT} seq 1 type i\n"


def command(*words: str) -> bytes:
    return f"*{len(words)}\r\n".encode() + b"".join(f"${len(word.encode())}\r\n{word}\r\n".encode() for word in words)


SET = command("SET", "k", "v\r\n\x00é")
TRANSACTION = command("MULTI") + SET + command("XADD", "log", "1-1", "e", "x") + command("EXEC")
COMMENT = b"#TS:1700000000\r\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / BASE).write_bytes(b"REDIS0011")
    (tmp_path / "appendonly.aof.manifest").write_text(MANIFEST)
    return tmp_path


def cut(directory: Path, content: bytes) -> bytes:
    """Return what is left of a file once its damaged end is cut off."""
    path = directory / INCREMENT
    path.write_bytes(content)
    for damage in find_damaged_ends(directory):
        kept = damage.cut()
        assert kept.read_bytes() == content
        assert damage.bytes == len(content) - damage.start > 0
    return path.read_bytes()


@pytest.mark.parametrize("whole", [b"", SET, SET + TRANSACTION + COMMENT + SET, COMMENT])
def test_a_whole_file_is_left_alone(directory: Path, whole: bytes) -> None:
    assert cut(directory, whole) == whole
    assert sorted(path.name for path in directory.iterdir()) == [BASE, INCREMENT, "appendonly.aof.manifest"]


@pytest.mark.parametrize("whole", [b"", SET, SET + TRANSACTION])
@pytest.mark.parametrize("zeros", [1, 4096, 100_000])
def test_zeros_at_the_end_are_cut_off(directory: Path, whole: bytes, zeros: int) -> None:
    assert cut(directory, whole + bytes(zeros)) == whole


@pytest.mark.parametrize("zeros", [b"", bytes(4096)])
def test_an_end_within_a_command_is_cut_off_with_its_transaction(directory: Path, zeros: bytes) -> None:
    whole = SET + SET
    for last in (SET, TRANSACTION, COMMENT):
        for length in range(1, len(last)):
            assert cut(directory, whole + last[:length] + zeros) == whole, (last, length)
            for path in directory.glob("*.damaged-*"):
                path.unlink()


@pytest.mark.parametrize("garbage", [b"\xff" * 700, b"*", b"*3\r\n$3\r\nSET\r\n$-1\r\n", b"*x\r\n", b"SET k v\r\n"])
def test_garbage_at_the_end_is_cut_off(directory: Path, garbage: bytes) -> None:
    assert cut(directory, SET + garbage) == SET


@pytest.mark.parametrize(
    "damage",
    [
        bytes(4096),
        b"*3\r\n$3\r\nSET\r\n$9999\r\nk\r\n",
        b"\x00",
        SET[:-1] + b"x",
        b"*99999\r\n",
        b"*2\r\n$3\r\nGET\r\n",
    ],
)
def test_damage_with_whole_commands_behind_it_is_told_and_left_alone(directory: Path, damage: bytes) -> None:
    content = SET + damage + SET + SET
    with pytest.raises(UnrepairableError) as raised:
        cut(directory, content)
    told = str(raised.value)
    assert f"damaged at byte {len(SET)}" in told
    assert f"truncate -s {len(SET)} {directory / INCREMENT}" in told
    assert "at least 2 whole commands" in told
    assert (directory / INCREMENT).read_bytes() == content


def test_damage_in_an_increment_that_is_not_the_last_is_told(directory: Path) -> None:
    (directory / "appendonly.aof.manifest").write_text(MANIFEST + "file appendonly.aof.2.incr.aof seq 2 type i\n")
    (directory / "appendonly.aof.2.incr.aof").write_bytes(SET)
    with pytest.raises(UnrepairableError, match=f"{INCREMENT} is damaged at byte {len(SET)}") as raised:
        cut(directory, SET + bytes(100))
    last = directory / "appendonly.aof.2.incr.aof"
    steps = f"`truncate -s 0 {last}` and `truncate -s {len(SET)} {directory / INCREMENT}`"
    assert steps in str(raised.value)


@pytest.mark.parametrize("begun", [b"", bytes(4096), SET[:-4]])
def test_an_increment_that_was_just_begun_is_cut_off_with_the_damaged_end_before_it(
    directory: Path, begun: bytes
) -> None:
    last = directory / "appendonly.aof.2.incr.aof"
    (directory / "appendonly.aof.manifest").write_text(MANIFEST + f"file {last.name} seq 2 type i\n")
    (directory / INCREMENT).write_bytes(SET + SET[:-2])
    last.write_bytes(begun)
    ends = find_damaged_ends(directory)
    for end in ends:
        end.cut()
        assert find_damaged_ends(directory) == ends[ends.index(end) + 1 :]
    assert ((directory / INCREMENT).read_bytes(), last.read_bytes()) == (SET, b"")


def test_only_the_last_of_several_increments_is_cut(directory: Path) -> None:
    (directory / "appendonly.aof.manifest").write_text(MANIFEST + "file appendonly.aof.2.incr.aof seq 2 type i\n")
    (directory / INCREMENT).write_bytes(SET)
    last = directory / "appendonly.aof.2.incr.aof"
    last.write_bytes(SET + bytes(100))
    (damage,) = find_damaged_ends(directory)
    assert (damage.path, damage.start, damage.bytes) == (last, len(SET), 100)


# ---- the manifest


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
def test_files_whose_order_nobody_knows_are_told_and_left_alone(tmp_path: Path, files: list[str]) -> None:
    for name in files:
        (tmp_path / name).write_bytes(SET)
    with pytest.raises(UnrepairableError, match="do not tell which of them count"):
        check_manifest(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)


@pytest.mark.parametrize("missing", [BASE, INCREMENT])
def test_a_missing_file_is_told(directory: Path, missing: str) -> None:
    (directory / INCREMENT).write_bytes(SET)
    (directory / missing).unlink()
    with pytest.raises(UnrepairableError, match=f"{missing} is missing"):
        check_manifest(directory)


@pytest.mark.parametrize("manifest", [MANIFEST, ""])
def test_an_empty_snapshot_is_told(directory: Path, manifest: str) -> None:
    (directory / "appendonly.aof.manifest").write_text(manifest)
    (directory / INCREMENT).write_bytes(SET)
    (directory / BASE).write_bytes(b"")
    with pytest.raises(UnrepairableError, match=f"{BASE} is empty"):
        check_manifest(directory)


def test_an_increment_that_an_older_manifest_does_not_name_is_told(directory: Path) -> None:
    (directory / INCREMENT).write_bytes(SET)
    newer = directory / "appendonly.aof.2.incr.aof"
    newer.write_bytes(b"")
    assert check_manifest(directory) is None  # one that was about to be begun
    newer.write_bytes(SET)
    with pytest.raises(UnrepairableError, match=f"does not name {newer.name}, which holds newer data"):
        check_manifest(directory)


def test_a_new_directory_needs_no_manifest(tmp_path: Path) -> None:
    assert check_manifest(tmp_path / "not-there") is None
    assert check_manifest(tmp_path) is None
