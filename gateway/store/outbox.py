"""Outboxes: the entries of each user, with their records, in the user's slot.

An entry is written by the function that creates the item, in the same step. A worker that has claimed the user
(lanes.py) takes the due entries, which notes its claim before anything is sent, and records their outcomes. An entry
that was taken is not due again before the lease of the claim ends. Only the claim that took it last may record.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.domain.delivery import (
    ROUTES_BY_CODE,
    Claim,
    Entry,
    EntryId,
    EntryRecord,
    Known,
    LeftOut,
    NotificationDeliveries,
    Recorded,
    Route,
    SkipReason,
    Taken,
    Token,
    UserResults,
    address_key,
    skipped,
)
from gateway.domain.event import Counts
from gateway.domain.guard import UNGUARDED
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.notification import ItemId, State
from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.channel_tokens import ChannelToken, ChannelTokenStore, read_token
from gateway.store.contents import ContentStore
from gateway.store.guarded import UserFunctions
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import Arguments, UserCall, untouched, user_function, user_reading_function
from gateway.store.redis.problems import StoreDataError, decoding

ENTRIES_AT_ONCE = 20
"""How many entries of one user a claim takes at most. The user is due again at once if there are more."""

BYTES_AT_ONCE = 64 * 1024
"""How much content of one user a claim takes at most. A notification with more is taken alone."""

MAX_SHARED = 2
"""How many contents of broadcasts are remembered, so that their recipients share one object."""

_FORMER_DEVICES = b"former devices"
_LARGE = b"large"
_NUL = b"\0"

_LEFT_OUT = {"p": SkipReason.PREFERENCE, "t": SkipReason.NO_TOKEN, "a": SkipReason.NO_ADDRESS}
_OBJECTIONS = {b"": None, b"p": SkipReason.PREFERENCE, b"u": SkipReason.UNSUBSCRIBED}

_STATE = re.compile(rb"(\d+) (\d+) (\d+) (\d+) r?(\d+) (.*)", re.DOTALL)

_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.Decoder(EntryRecord).decode

_ENTRY_PARTS = 8

_NO_COUNTS = (0, 0, 0, 0)


class _StoredState(NamedTuple):
    """What is stored of the state of an item."""

    sent_at: int
    state: State
    category: str
    topic: str


def _take(route: str, claim: int, lease_ms: int, limit: int, max_bytes: int) -> Arguments:
    return (route, claim, lease_ms, limit, max_bytes)


def _extend(route: str, claim: int, before_ms: int, until_ms: int, limit: int) -> Arguments:
    return (route, claim, before_ms, until_ms, limit)


def _record(
    route: str, claim: int | str, now_ms: int, entries: Arguments, dead: Arguments, suppressed: Arguments
) -> Arguments:
    return (route, claim, now_ms, len(entries) // 3, *entries, len(dead) // 2, *dead, *suppressed)


def _read(item_id: bytes) -> Arguments:
    return (item_id,)


def _retry(item_id: bytes, route: str, before: bytes, after: bytes) -> Arguments:
    return (item_id, route, before, after)


def _cancel(item_id: bytes, after: bytes) -> Arguments:
    return (item_id, after)


TAKE_ENTRIES = user_function("take_entries", _take, untouched, frees_memory=True)
EXTEND_ENTRIES = user_function("extend_entries", _extend, int, frees_memory=True)
RECORD_ENTRIES = user_function("record_entries", _record, untouched, frees_memory=True)
READ_ENTRIES = user_reading_function("read_entries", _read, untouched)
RETRY_ENTRY = user_function("retry_entry", _retry, bool, repeatable=False)
CANCEL_ENTRIES = user_function("cancel_entries", _cancel, int, frees_memory=True, repeatable=False)


class OutboxStore:
    """All outboxes. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient, contents: ContentStore, tokens: ChannelTokenStore):
        self._client = client
        self._functions = UserFunctions(client)
        self._contents = contents
        self._tokens = tokens
        self._shared: dict[bytes, bytes] = {}

    async def take(
        self, claim: Claim, limit: int = ENTRIES_AT_ONCE, max_bytes: int = BYTES_AT_ONCE, *, alone: bool = False
    ) -> list[Taken]:
        """Take the due entries of the users of a claim, in one round trip. It may be repeated with the same claim.

        Each user has a result, without entries if nothing is due or the user was deleted. Only users whose data cannot
        be read have none: they stay claimed until the lease ends. If the first notification of a user has more than
        `max_bytes`, nothing of the user is taken (`is_large`), unless each is taken `alone`.
        """
        users = [User(claim.lane.project_id, each, None, None) for each in claim.users]
        most = 0 if alone else max_bytes
        call = TAKE_ENTRIES(claim.lane.route.code, claim.number, claim.lease_ms, limit, most)
        replies = await self._functions.send_many(users, [call] * len(users), skip_broken=True)
        for place, user in enumerate(users):
            if _result(replies[place]) == _FORMER_DEVICES:
                await self._tokens.convert(user)
                (replies[place],) = await self._functions.send_many([user], [call], skip_broken=True)
        taken = [
            (user.id, [] if reply[0] == b"deleted" else [] if _result(reply) == _LARGE else reply[3])
            for user, reply in zip(users, replies, strict=True)
            if not isinstance(reply, StoreDataError)
        ]
        contents = [b"%b}" % row[6] for _, reply in taken for row in _rows(reply)]
        expanded = iter(await self._expanded(claim.lane.project_id, contents))
        large = {user.id for user, reply in zip(users, replies, strict=True) if _result(reply) == _LARGE}
        return [
            Taken(lane=claim.lane, user_id=user_id, claim=claim.number, is_large=True)
            if user_id in large
            else _taken(claim, user_id, reply, expanded)
            for user_id, reply in taken
        ]

    async def _expanded(self, project_id: ProjectId, contents: Sequence[bytes]) -> list[bytes]:
        """Return complete contents. All that refer to the same one are one object."""
        references = list({each for each in contents if _NUL in each})
        found = {each: self._shared[each] for each in references if each in self._shared}
        if missing := [each for each in references if each not in found]:
            found |= zip(missing, await self._contents.expand(project_id, missing), strict=True)
            self._shared = dict([*found.items(), *self._shared.items()][:MAX_SHARED])
        return [found.get(each, each) for each in contents]

    async def extend(self, before: Claim, after: Claim) -> None:
        """Hold what a claim took longer, because the lease of its users was extended."""
        users = [User(after.lane.project_id, each, None, None) for each in after.users]
        call = EXTEND_ENTRIES(after.lane.route.code, after.number, before.lease_ms, after.lease_ms, ENTRIES_AT_ONCE)
        await self._functions.send_many(users, [call] * len(users), skip_broken=True)

    async def record(self, reports: Sequence[UserResults], now_ms: int | None = None) -> list[Recorded]:
        """Record outcomes, discard dead tokens and suppress addresses, in one round trip.

        A report of a user who was deleted is refused as a whole.
        """
        if now_ms is None:
            now_ms = int(time.time() * 1000)
        users = [User(each.taken.lane.project_id, each.taken.user_id, None, None) for each in reports]
        replies = await self._functions.send_many(users, [_report_call(each, now_ms) for each in reports])
        return [_recorded(report, reply) for report, reply in zip(reports, replies, strict=True)]

    async def suppress(self, user: User, route: Route, key: bytes, reason: str) -> None:
        """Send nothing more to an address of a user, by its `address_key`, for this reason.

        Without a reason, send to it again. Raises UserDeletedError.
        """
        call = RECORD_ENTRIES(route.code, "", 0, (), (), (key, reason))
        await self._functions.call(user, UNGUARDED, call)

    async def suppressed(self, user: User, addresses: Sequence[str]) -> list[str]:
        """Return for each address of a user why nothing is sent to it, "" if messages go there."""
        if not addresses:
            return []
        key = keys.user(user.project_id, user.id) + keys.USER_SUFFIXES["SUPPRESSED"]
        found = await self._client.command("HMGET", key, *map(address_key, addresses))
        return [(reason or b"").decode(errors="replace") for reason in found]

    async def read(self, user: User, notification_id: ItemId) -> NotificationDeliveries | None:
        """Return what is known of the deliveries of a notification. None if there is neither an item nor a delivery."""
        reply = await self._functions.read(user, UNGUARDED, READ_ENTRIES(notification_id))
        if reply is None:
            return None
        is_in_inbox, left, _, content, *flat = reply
        left_out = [
            LeftOut(ROUTES_BY_CODE[code], _LEFT_OUT[reason])
            for code, reason in zip(left.decode()[::2], left.decode()[1::2], strict=True)
            if code in ROUTES_BY_CODE and reason in _LEFT_OUT
        ]
        rows = zip(flat[::4], flat[1::4], flat[2::4], flat[3::4], strict=True)
        entries = [
            Known(ROUTES_BY_CODE[code.decode()], int(due) if due else None, _entry(record), bool(is_held))
            for code, due, is_held, record in rows
            if code.decode() in ROUTES_BY_CODE
        ]
        if content:
            (content,) = await self._contents.expand(user.project_id, [content + b"}"])
        return NotificationDeliveries(entries, left_out, bool(is_in_inbox), content)

    async def retry(self, user: User, notification_id: ItemId, before: Known, after: EntryRecord) -> bool:
        """Make an entry due now, with this record in place of the one that was read before.

        Return False if it has changed since, if a worker has it, or if there is no such notification any more. Write
        the user to the lane afterwards (`LaneStore.add`).
        """
        packed = _encode(before.record) if before.record is not None else b""
        call = RETRY_ENTRY(notification_id, before.route.code, packed, _encode(after))
        return await self._functions.call(user, UNGUARDED, call)

    async def cancel(self, user: User, notification_id: ItemId, now_ms: int) -> int:
        """Skip the entries of a notification that no worker has taken. Return how many there were."""
        call = CANCEL_ENTRIES(notification_id, _encode(skipped(SkipReason.CANCELED, now_ms)))
        return await self._functions.call(user, UNGUARDED, call)


def _result(reply: Any) -> Any:
    """Return the result of a function in its reply, None if there is none."""
    return None if isinstance(reply, StoreDataError) or len(reply) < 4 else reply[3]


def _rows(reply: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield the parts of each entry."""
    for first in range(5, len(reply), _ENTRY_PARTS):
        yield reply[first : first + _ENTRY_PARTS]


def _entry(packed: bytes) -> EntryRecord | None:
    with decoding("the record of a delivery"):
        return _decode(packed) if packed else None


def _stored_state(packed: bytes) -> _StoredState:
    found = _STATE.fullmatch(packed)
    if found is None:
        return _StoredState(0, State(), "", "")
    sent, seen, read, archived = (int(found[number]) for number in range(1, 5))
    length, scope = int(found[5]), found[6]
    state = State(seen or None, read or None, archived or None)
    category, topic = scope[:length].decode(errors="replace"), scope[length:].decode(errors="replace")
    return _StoredState(sent, state, category, topic)


def _taken(claim: Claim, user_id: UserId, reply: Sequence[Any], contents: Iterator[bytes]) -> Taken:
    if not reply:
        return Taken(lane=claim.lane, user_id=user_id, claim=claim.number)
    next_ms, counts, names, tokens, suppressed = reply[:5]
    entries = []
    for item_id, due, was_lost, record, packed, is_in_inbox, _, objection in _rows(reply):
        stored = _stored_state(packed)
        entries.append(
            Entry(
                EntryId(ItemId(item_id), claim.lane.route),
                _entry(record),
                bool(was_lost),
                stored.state,
                stored.sent_at,
                next(contents),
                stored.category,
                stored.topic,
                objection == b"",
                int(float(due)),
                bool(is_in_inbox),
                _OBJECTIONS[objection],
            )
        )
    return Taken(
        lane=claim.lane,
        user_id=user_id,
        claim=claim.number,
        entries=entries,
        tokens=[_token(read_token(field, packed)) for field, packed in _pairs(tokens)],
        counts=Counts(*map(int, counts or _NO_COUNTS)),
        recipient={name.decode(): msgspec.json.decode(value) for name, value in _pairs(names)},
        suppressed={key: reason.decode(errors="replace") for key, reason in _pairs(suppressed) if reason},
        next_ms=int(next_ms) if next_ms else None,
    )


def _token(token: ChannelToken) -> Token:
    return Token(token.id, b"\0" + token.id.bytes[6:], token.record.fields, token.registered_ms)


def _report_call(report: UserResults, now_ms: int) -> UserCall[Any]:
    taken = report.taken
    entries: list[bytes | int | str] = []
    for each in report.results:
        due = "" if each.next_ms is None else each.next_ms
        entries += (each.id.notification_id, due, _encode(each.record))
    registered = {token.key: token.registered_ms for token in taken.tokens}
    dead = tuple(part for key in report.dead if key in registered for part in (key, registered[key]))
    suppressed = tuple(part for key, reason in report.suppressed.items() for part in (key, reason))
    return RECORD_ENTRIES(taken.lane.route.code, taken.claim, now_ms, tuple(entries), dead, suppressed)


def _recorded(report: UserResults, reply: Any) -> Recorded:
    if reply[0] == b"deleted":
        return Recorded(None, [each.id for each in report.results])
    next_ms, refused, discarded = reply[3]
    ids: Mapping[bytes, Any] = {token.key: token.id for token in report.taken.tokens}
    return Recorded(
        int(next_ms) if next_ms else None,
        [report.results[place].id for place in refused],
        [ids[field] for field in discarded],
    )


def _pairs(flat: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)
