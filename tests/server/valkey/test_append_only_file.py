"""The repair of the append-only file after a power loss."""

from pathlib import Path

import pytest

from gateway.server.errors import UnrepairableError
from gateway.server.valkey.append_only_file import find_damaged_ends
from tests.server.valkey.aof_files import BASE, COMMENT, INCREMENT, MANIFEST, SET, TRANSACTION, write_files


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A base and a manifest; the increment is for the test to write."""
    return write_files(tmp_path)


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
def test_damage_before_whole_commands_is_reported_and_left_alone(directory: Path, damage: bytes) -> None:
    content = SET + damage + SET + SET
    with pytest.raises(UnrepairableError) as raised:
        cut(directory, content)
    message = str(raised.value)
    assert f"damaged at byte {len(SET)}" in message
    assert f"truncate -s {len(SET)} {directory / INCREMENT}" in message
    assert "at least 2 whole commands" in message
    assert (directory / INCREMENT).read_bytes() == content


def test_damage_in_an_increment_that_is_not_the_last_is_reported(directory: Path) -> None:
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
