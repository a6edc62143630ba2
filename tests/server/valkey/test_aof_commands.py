"""The commands of an append-only file."""

from pathlib import Path

import pytest

from gateway.server.valkey.aof_commands import Scan, count_commands, scan
from tests.server.valkey.aof_files import COMMENT, SET, TRANSACTION, command


@pytest.mark.parametrize("content", [b"", SET, SET + TRANSACTION, COMMENT + SET])
def test_a_whole_file_is_read_to_its_end(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert scan(path) == Scan(len(content), len(content), 0)


def test_reading_stops_at_damage_and_counts_the_commands_after_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(SET + b"\0\0\0" + SET + b"x" + SET)
    assert scan(path) == Scan(len(SET), len(SET), 2)


def test_the_end_is_before_an_incomplete_transaction(tmp_path: Path) -> None:
    path = tmp_path / "file"
    begun = command("MULTI") + SET
    path.write_bytes(SET + begun)
    assert scan(path) == Scan(len(SET), len(SET + begun), 0)


def test_commands_are_counted_wherever_they_begin(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"garbage" + SET + b"*1\r\n$9\r\nincomplete" + TRANSACTION)
    assert count_commands(path) == 5
