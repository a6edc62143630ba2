"""What a backup may contain, checked before anything of it is written.

The digest of a file shows damage, but anybody can write a file with the right one. A file must not write keys of other
programs on the server, nor keys that only running processes have, and must not stop a restoration halfway.
"""

import re
from collections.abc import Iterator
from uuid import UUID

import msgspec

from gateway.store import keys
from gateway.store.backup import is_kept, is_user
from gateway.store.backup_file import BackupFileError, Group, Part, Record

MAX_TIME_MS = 2**53
"""No key expires later."""

MAX_PLACE = 2**40
"""No user has a greater place in the user index."""

_WIDTHS = {"hash": 2, "zset": 2, "set": 1}
"""The types of large keys, and how many words an entry has in the command that adds it."""

_TAGGED = re.compile(re.escape(keys.PREFIX) + r"\{[^{}]+\}.*", re.DOTALL)
"""A name whose hash tag decides its slot."""


class DirectoryRecord(msgspec.Struct):
    """A user in a directory: external id, email, and place in the user index."""

    x: str = ""
    e: str = ""
    n: int | None = None


decode_directory = msgspec.json.Decoder(DirectoryRecord).decode


def check_record(record: Record) -> None:
    """Raise BackupFileError for a record that no backup of the gateway has."""
    for name, expires_ms in _names_of(record):
        text = name.decode("latin-1")
        if not _TAGGED.fullmatch(text) or not is_kept(text):
            raise BackupFileError(f"it has a key that no backup has: {ascii(text)[:200]}")
        if not -1 <= expires_ms <= MAX_TIME_MS:
            raise _wrong(name)
    if isinstance(record, Group):
        _check_group(record)
    elif isinstance(record, Part):
        _check_part(record)


def _names_of(record: Record) -> Iterator[tuple[bytes, int]]:
    if isinstance(record, Group):
        yield from ((name, expires_ms) for name, expires_ms, _ in record.keys)
    elif isinstance(record, Part):
        yield record.key, record.expires_ms


def _check_group(group: Group) -> None:
    if not (group.user or group.has_log or group.routes):
        return
    first = group.keys[0][0] if group.keys else b""
    if not first.endswith(b"}") or not is_user(first) or not first.isascii():
        raise _wrong(first)


def _check_part(part: Part) -> None:
    width = _WIDTHS.get(part.kind)
    if width is None or not part.entries or len(part.entries) % width:
        raise _wrong(part.key)
    if not part.directory:
        return
    if part.kind != "hash" or not part.key.endswith(b"}:users"):
        raise _wrong(part.key)
    for field, raw in zip(part.entries[::2], part.entries[1::2], strict=True):
        if not field.startswith(b"u:"):
            continue
        try:
            place = decode_directory(raw).n
            UUID(field[2:].decode())
        except ValueError:  # msgspec's as well
            raise _wrong(part.key) from None
        if place is not None and not 0 <= place <= MAX_PLACE:
            raise _wrong(part.key)


def _wrong(name: bytes) -> BackupFileError:
    return BackupFileError(f"it is damaged: what it has of the key {ascii(name.decode('latin-1'))[:200]} is wrong")
