"""A file with the right digest is checked as well: anybody can write one."""

import pytest

from gateway.store import keys
from gateway.store.backup_contents import check_record
from gateway.store.backup_file import BackupFileError, Group, Part, Record

USER = b"inbox:1:{1:6f1c1c1e-0000-4000-8000-000000000001}"
DIRECTORY = b"inbox:1:{1}:users"
FIELD = b"u:6f1c1c1e-0000-4000-8000-000000000001"

GOOD: list[Record] = [
    Group([(USER, -1, b"x"), (USER + b":log", 7, b"x")], True, True, "e"),
    Group([(b"inbox:1:{projects}", -1, b"x")]),
    Part(b"inbox:1:{1}:devices", "zset", 5, [b"1", b"a"]),
    Part(DIRECTORY, "hash", -1, [b"n", b"1", FIELD, b'{"x":"ada","n":0}'], True),
]

BAD: list[Record] = [
    # keys of other programs, and those of running processes
    Group([(b"session:1", -1, b"x")]),
    Group([(b"inbox:1:projects", -1, b"x")]),
    Group([(b"inbox:1:{1", -1, b"x")]),
    Group([(keys.STORE_FORMAT.encode(), -1, b"x")]),
    Group([(f"{keys.ADMINS}:session:1".encode(), -1, b"x")]),
    Group([(keys.NODES.encode(), -1, b"x")]),
    Part(b"other:{1}:hash", "hash", -1, [b"a", b"b"]),
    # times, types and numbers of entries
    Group([(USER, -2, b"x")]),
    Group([(USER, 2**60, b"x")]),
    Part(b"inbox:1:{1}:devices", "stream", -1, [b"a", b"b"]),
    Part(b"inbox:1:{1}:devices", "hash", -1, [b"a"]),
    Part(b"inbox:1:{1}:devices", "set", -1, []),
    # users and directories that are none
    Group([], True),
    Group([(b"inbox:1:{1}:users", -1, b"x")], True),
    Group([(USER + b":log", -1, b"x")], False, True),
    Part(b"inbox:1:{1}:devices", "hash", -1, [b"a", b"b"], True),
    Part(DIRECTORY, "set", -1, [b"a", b"b"], True),
    Part(DIRECTORY, "hash", -1, [b"u:me", b"{}"], True),
    Part(DIRECTORY, "hash", -1, [FIELD, b"nonsense"], True),
    Part(DIRECTORY, "hash", -1, [FIELD, b'{"n":-1}'], True),
]


@pytest.mark.parametrize("record", GOOD)
def test_what_a_backup_has_is_accepted(record: Record) -> None:
    check_record(record)


@pytest.mark.parametrize("record", BAD)
def test_what_no_backup_has_is_refused(record: Record) -> None:
    with pytest.raises(BackupFileError):
        check_record(record)
