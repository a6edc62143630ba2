"""Copies of the keys of one slot, as of one moment: what a backup consists of."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from gateway.store.redis.functions import Arguments, no_arguments, reading_function

MOST_ENTRIES = 20_000
"""A hash, set or sorted set with more entries is copied in parts, because copying it at once (10 ms for so many) would
delay other requests. Users' keys are always copied at once."""


class Copy(NamedTuple):
    """A key: its name, its type, the unix ms at which it expires or -1, and its value in the form of DUMP.

    The value is None if the key has too many entries to be copied at once. The type of a user's key is not read.
    """

    name: bytes
    kind: str
    expires_ms: int
    value: bytes | None


class UserCopy(NamedTuple):
    """A user: whether it has an event log, the codes of the routes on which something is due, and its keys."""

    has_log: bool
    routes: str
    copies: Sequence[Copy]


def _copy_keys(most_entries: int, names: Sequence[bytes | str]) -> Arguments:
    return (most_entries, *names)


def _copies(reply: Sequence[Any]) -> list[Copy]:
    return [
        Copy(name, kind.decode(), expires_ms, value)
        for name, kind, expires_ms, value in zip(reply[::4], reply[1::4], reply[2::4], reply[3::4], strict=True)
    ]


def _user_copy(reply: Sequence[Any]) -> UserCopy | None:
    if not reply:
        return None
    has_log, routes, *flat = reply
    return UserCopy(bool(has_log), routes.decode(), _copies(flat))


COPY_KEYS = reading_function("copy_keys", "any", _copy_keys, _copies)
COPY_USER = reading_function("copy_user", "user", no_arguments, _user_copy)
