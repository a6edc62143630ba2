"""What an export of a project may contain. tests/end_to_end/test_project_transfer.py exports and imports one."""

import msgspec
import pytest

from gateway.store import keys
from gateway.store.backup_file import VERSION, BackupFileError, Document, Group, Header, Part, Record
from gateway.store.project_contents import check_project_record
from gateway.store.project_records import ProjectRecord

HEADER = Header(VERSION, "1", "2026", keys.FORMAT, "Valkey 9", "", "key_1", "1")
USER_ID = "6f1c1c1e-0000-4000-8000-000000000001"
USER = f"inbox:1:{{1:{USER_ID}}}".encode()
RECORD = ProjectRecord("1", "Shop", "key_1", True, [], format=keys.FORMAT)


def of(record: ProjectRecord, **changed: object) -> Document:
    return Document("project", msgspec.json.encode(msgspec.structs.replace(record, **changed)))


GOOD: list[Record] = [
    Group([(USER, -1, b"x"), (USER + b":items", -1, b"x")], True),
    Group([(b"inbox:1:{1}:users", -1, b"x"), (b"inbox:1:{1}:users:roster:0", -1, b"x")]),
    Group([(b"inbox:1:{1:content:00}", -1, b"x")]),
    Part(b"inbox:1:{1}:devices", "hash", -1, [b"a", b"b"]),
    of(RECORD),
    Document("passphrase", b'"sealed"'),
    Document("installations", b'{"web_push":{"sealed":"x"}}', USER_ID),
]

BAD: list[Record] = [
    # keys of another project, of what only happened, of the whole store
    Group([(b"inbox:1:{12}:users", -1, b"x")]),
    Group([(b"inbox:1:{2:" + USER_ID.encode() + b"}", -1, b"x")], True),
    Group([(USER + b":log", -1, b"x")]),
    Group([(b"inbox:1:{1:x}", -1, b"x")]),
    Group([(b"inbox:1:{1}:job:1", -1, b"x")]),
    Group([(b"inbox:1:{1}:integrations", -1, b"x")]),
    Part(b"inbox:1:{projects}", "hash", -1, [b"key_2", b"{}"]),
    # documents
    of(RECORD, api_key="key_2"),
    of(RECORD, format="2"),
    of(RECORD, name="\x1b]0;x"),
    of(RECORD, name="x" * 2000),
    of(RECORD, max_users=-1),
    of(RECORD, keys=[{"kty": "RSA"}]),
    Document("project", b"[]"),
    Document("another", b"{}"),
    Document("installations", b"{}", "me}"),
    Document("integrations", b'{"smtp":[]}'),
    Document("integrations", b'{"smtp":{"sealed":5}}'),
]


@pytest.mark.parametrize("record", GOOD)
def test_what_an_export_has_is_accepted(record: Record) -> None:
    check_project_record(record, HEADER)


@pytest.mark.parametrize("record", BAD)
def test_what_no_export_has_is_refused(record: Record) -> None:
    with pytest.raises(BackupFileError):
        check_project_record(record, HEADER)
