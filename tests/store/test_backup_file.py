"""The file of a backup: whatever is cut off or changed is noticed."""

import io

import pytest

from gateway.store import backup_file
from gateway.store.backup_file import (
    MAGIC,
    VERSION,
    BackupFileError,
    BackupReader,
    BackupWriter,
    Group,
    Header,
    Part,
    Record,
)

HEADER = Header(VERSION, "1.0", "2026-01-01T00:00:00+00:00", "1", "Valkey 9.1", "key id")
RECORDS: list[Record] = [
    Group([(b"user", -1, b"\x00value"), (b"user:log", 7, b"x" * 100)], True, True, "e"),
    Part(b"large", "hash", -1, [b"field", b"value"], True),
]


def written() -> bytes:
    file = io.BytesIO()
    writer = BackupWriter(file, HEADER)
    writer.add(RECORDS[0])
    writer.count_key()
    writer.add(RECORDS[1])
    writer.finish()
    assert writer.written == len(file.getvalue())
    return file.getvalue()


def read(file: bytes) -> BackupReader:
    reader = BackupReader(io.BytesIO(file))
    assert list(reader.records()) == RECORDS
    return reader


def test_what_is_written_is_read() -> None:
    reader = read(written())
    assert reader.header == HEADER
    assert reader.end is not None
    assert reader.end.counts == {"users": 1, "keys": 3, "bytes": 128}
    assert reader.read == len(written())


def test_a_file_that_was_cut_off_anywhere_is_refused() -> None:
    file = written()
    for length in range(len(file)):
        with pytest.raises(BackupFileError, match=r"truncated|not a backup"):
            read(file[:length])


def test_a_file_in_which_any_byte_was_changed_is_refused() -> None:
    file = written()
    for place in range(len(file)):
        changed = bytearray(file)
        changed[place] ^= 0x41
        with pytest.raises(BackupFileError):
            read(bytes(changed))


def test_a_frame_that_was_left_out_is_noticed() -> None:
    file = io.BytesIO()
    writer = BackupWriter(file, HEADER)
    head = len(file.getvalue())
    writer.add(Part(b"k", "set", -1, [b"x" * 1_100_000]))
    data = len(file.getvalue())
    writer.finish()
    with pytest.raises(BackupFileError, match="digest"):
        list(BackupReader(io.BytesIO(file.getvalue()[:head] + file.getvalue()[data:])).records())


def test_a_file_with_something_behind_its_end_is_refused() -> None:
    with pytest.raises(BackupFileError, match="follows"):
        read(written() + b"\n")


def test_a_file_of_a_newer_format_names_the_versions() -> None:
    file = io.BytesIO()
    BackupWriter(file, Header(VERSION + 1, "9.0", "", "1", "")).finish()
    with pytest.raises(BackupFileError, match=f"has version {VERSION + 1} of the format"):
        BackupReader(io.BytesIO(file.getvalue()))


def test_another_file_is_no_backup() -> None:
    with pytest.raises(BackupFileError, match="not a backup"):
        BackupReader(io.BytesIO(b"x" * len(MAGIC)))


def test_a_small_file_does_not_take_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    writer = BackupWriter(file, HEADER)
    writer.add(Part(b"k", "set", -1, [b"\0" * 1_100_000]))
    writer.finish()
    assert len(file.getvalue()) < 10_000
    monkeypatch.setattr(backup_file, "MAX_FRAME_BYTES", 1_000_000)
    with pytest.raises(BackupFileError, match="too large"):
        list(BackupReader(io.BytesIO(file.getvalue())).records())


def test_a_header_that_would_control_a_terminal_is_refused() -> None:
    file = io.BytesIO()
    BackupWriter(file, Header(VERSION, "1.0", "2026\x1b[2J", "1", "Valkey")).finish()
    with pytest.raises(BackupFileError, match="cannot be printed"):
        BackupReader(io.BytesIO(file.getvalue()))
