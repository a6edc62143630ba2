"""Users' inboxes: their items, counts and event logs.

Every method takes one round trip, and another one if a page has shared contents that this worker has not cached.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.domain.delivery import OutboxPlan, Route
from gateway.domain.event import Counts, Event, LogPage, Position
from gateway.domain.guard import UNGUARDED, Guard, UserDeletedError
from gateway.domain.ids import ProjectId
from gateway.domain.notification import BulkCommand, Command, Filter, ItemId, Write
from gateway.domain.principal import User
from gateway.domain.retention import KEEP_ALL, ItemRetention
from gateway.store import keys
from gateway.store.contents import Content, ContentStore
from gateway.store.deliveries import Delivery, Outcome, read_outcome
from gateway.store.event_log import LogRetention, LogWrite, Moment
from gateway.store.guarded import USE, UserFunctions, unwrapped
from gateway.store.profiles import profile_arguments
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import (
    Arguments,
    FunctionCall,
    UserCall,
    function_of_users,
    optional_bytes,
    untouched,
    user_function,
    user_reading_function,
)
from gateway.store.redis.problems import StoreDataError
from gateway.telemetry.logs import log

_encode = msgspec.json.encode

REPLAY_EVENTS = 256
REPLAY_BYTES = 128 * 1024
"""The bounds of one read of the log: half of a connection's default write buffer. A client that missed more events gets
the rest once its buffer is drained."""

USERS_PER_CALL = 25
"""How many users one call of `create_each` serves: less than a millisecond of Redis, in which it serves nobody else."""

_UNPUBLISHED = 8
"""What the function `create_each` adds to the outcome for a user whose event it could not publish."""

_ROUTE_BIT = 16
"""What the functions that create entries multiply the bits of routes by, to add them to the outcome."""

_OUTCOMES = list(Outcome)

OUTCOME_SECONDS = 24 * 3600
"""How long a repeated request does not create a deleted item again: as long as an Idempotency-Key is kept."""


class Sent(NamedTuple):
    """The outcome of an item that is also sent on other channels, and the routes with entries of it."""

    outcome: Outcome
    routes: Sequence[Route] = ()


class ListPage(NamedTuple):
    """A page of an inbox, with items as JSON. `position` is the log's at the time of this page, None without a log."""

    position: Position | None
    total: int
    unread: int
    unseen: int
    items: Sequence[bytes]


class Change(NamedTuple):
    """The outcome of a command: how many items it concerns, and the position of the log right after it.

    The position is as clients write it, "epoch.offset", and None for a user without a log.
    """

    items: int
    position: str | None


class _NewItem(NamedTuple):
    """The arguments of `create` that all recipients share. A bound of 0 keeps everything."""

    now_ms: int
    epoch_if_new: str
    log_events: int
    log_seconds: int
    item_id: bytes
    content: bytes
    category: str
    topic: str
    outcome_seconds: int | str
    subscribers_only: str
    keep_items: int
    keep_seconds: int


def _create(item: _NewItem, overwritten: Arguments, absent: Arguments) -> Arguments:
    return (*item, len(overwritten) // 2, *overwritten, *absent)


def _create_each(item: _NewItem, fresh: str, names: Arguments) -> Arguments:
    return (*item, fresh, *names)


def _create_sent(item: _NewItem, overwritten: Arguments, absent: Arguments, plan: str) -> Arguments:
    return (*_create(item, overwritten, absent), plan)


def _create_each_sent(item: _NewItem, fresh: str, names: Arguments, plan: str) -> Arguments:
    return (*item, fresh, *names, plan)


def _change(log: LogWrite, item_id: bytes, transition: str, event_name: str, client_id: bytes) -> Arguments:
    return (*log, item_id, transition, event_name, client_id)


def _delete(log: LogWrite, item_id: bytes, client_id: bytes) -> Arguments:
    return (*log, item_id, client_id)


def _change_all(
    log: LogWrite,
    transition: str,
    event_name: str,
    data: bytes,
    buckets: str,
    categories: Sequence[str],
    topics: Sequence[str],
) -> Arguments:
    return (*log, transition, event_name, data, buckets, len(categories), *categories, len(topics), *topics)


def _list(buckets: str, rank: int, limit: int, categories: Sequence[str], topics: Sequence[str]) -> Arguments:
    return (buckets, rank, limit, len(categories), *categories, len(topics), *topics)


def _get(item_id: bytes) -> Arguments:
    return (item_id,)


def _read_log(
    epoch_if_new: str,
    after_epoch: str,
    after_offset: int | str,
    max_events: int,
    max_bytes: int,
    seen_at: int | str,
    tokens: Sequence[str | int],
) -> Arguments:
    return (epoch_if_new, after_epoch, after_offset, max_events, max_bytes, seen_at, *tokens)


def _read_position(reply: bytes) -> str | None:
    """Return the position in a reply, None for that of a user without a log, which has no epoch."""
    text = reply.decode("ascii")
    return None if text.startswith(".") else text


def _read_change(reply: bytes | None) -> Change | None:
    return None if reply is None else Change(1, _read_position(reply))


def _read_changes(reply: tuple[int, bytes]) -> Change:
    return Change(reply[0], _read_position(reply[1]))


CREATE = user_function("create", _create, read_outcome)
CREATE_EACH = function_of_users("create_each", _create_each, untouched)
CREATE_SENT = user_function("create_sent", _create_sent, int)
CREATE_EACH_SENT = function_of_users("create_each_sent", _create_each_sent, untouched)
CHANGE = user_function("change", _change, _read_change, when_full=True)
CHANGE_ALL = user_function("change_all", _change_all, _read_changes, when_full=True)
DELETE = user_function("delete", _delete, _read_change, repeatable=False, when_full=True)
LIST = user_reading_function("list", _list, untouched)
GET = user_reading_function("get", _get, optional_bytes)
READ_LOG = user_reading_function("read_log", _read_log, untouched, uncounted_lua_name="peek_log")


class InboxStore:
    """All inboxes. Methods raise StoreUnavailableError.

    Methods with a guard also raise RateLimitedError, TokenRevokedError and UserDeletedError. Then nothing was written.
    """

    def __init__(self, client: FunctionClient, retention: LogRetention, contents: ContentStore):
        self._client = client
        self._functions = UserFunctions(client)
        self._retention = retention
        self._contents = contents
        self.on_seen: Callable[[ProjectId], None] = lambda project_id: None
        """Called with the project of a user who saw or read something."""

    async def create(
        self,
        content: Content,
        deliveries: Sequence[Delivery],
        moment: Moment,
        remember: bool,
        subscribers_only: bool = False,
        keep: ItemRetention = KEEP_ALL,
        skip_broken: bool = False,
    ) -> list[Outcome]:
        """Create an item in each recipient's inbox, and return the outcome of each delivery, in order.

        A recipient that already has the item gets no second one. With `remember`, the request may be repeated within 24
        hours, with the same outcome even for recipients that have deleted or muted the item. With `subscribers_only`,
        the item is created only for recipients that are subscribed to its category and topic. If an inbox holds more
        than `keep` allows, a few of its oldest items are removed. With `skip_broken`, a recipient whose data cannot be
        read gets Outcome.BROKEN instead of failing all deliveries.
        """
        item = self._new_item(content, moment, remember, subscribers_only, keep)
        users = [delivery.user for delivery in deliveries]
        calls = [_create_call(item, delivery) for delivery in deliveries]
        replies = await self._functions.send_many(users, calls, skip_broken)
        return [
            Outcome.BROKEN if isinstance(reply, StoreDataError) else CREATE.decode(unwrapped(reply, user, UNGUARDED))
            for reply, user in zip(replies, users, strict=True)
        ]

    async def create_one(
        self, content: Content, delivery: Delivery, moment: Moment, remember: bool, keep: ItemRetention = KEEP_ALL
    ) -> Outcome:
        """Create an item in one recipient's inbox as `create` does, at a third of its cost for one (measured)."""
        item, user = self._new_item(content, moment, remember, False, keep), delivery.user
        if delivery.profile:
            return await self._functions.call(user, UNGUARDED, _create_call(item, delivery))
        # Without a guard, its reply and the names of fields, Redis needs 2 µs less.
        key = keys.user(user.project_id, user.id)
        arguments = (*item, "1" if delivery.fresh else "", *_names(user))
        (reply,) = await self._client.call(FunctionCall(CREATE_EACH, key, arguments))
        outcome = self._outcome(key, reply, skip_broken=False)
        if outcome is Outcome.DELETED:
            raise UserDeletedError(user)
        return outcome

    async def create_each(
        self,
        content: Content,
        users: Sequence[User],
        moment: Moment,
        remember: bool,
        subscribers_only: bool = False,
        keep: ItemRetention = KEEP_ALL,
        skip_broken: bool = False,
    ) -> list[Outcome]:
        """Create an item in the inboxes of users who were just read from the directory, as `create` does.

        Deleted users get Outcome.DELETED. This costs half as much as `create` for each of many users (measured).
        """
        item = self._new_item(content, moment, remember, subscribers_only, keep)
        return await self._each(item, users, skip_broken)

    async def send_each(
        self,
        content: Content,
        users: Sequence[User],
        moment: Moment,
        remember: bool,
        plan: OutboxPlan,
        subscribers_only: bool = False,
        keep: ItemRetention = KEEP_ALL,
        skip_broken: bool = False,
        fresh: bool = True,
    ) -> list[Sent]:
        """Create an item as `create_each` does, and entries of it in the users' outboxes, in one step for each user.

        `fresh`: whether the users were just read from the directory. A user whose preferences keep the item out of the
        inbox, and every user if the plan does, still gets entries.
        """
        item = self._new_item(content, moment, remember, subscribers_only, keep)
        return list(map(_sent, await self._each(item, users, skip_broken, plan, fresh)))

    async def send(
        self,
        content: Content,
        deliveries: Sequence[Delivery],
        moment: Moment,
        remember: bool,
        plan: OutboxPlan,
        keep: ItemRetention = KEEP_ALL,
        skip_broken: bool = False,
    ) -> list[Sent]:
        """Create an item as `create` does, and entries of it in the recipients' outboxes, as `send_each` does."""
        item = self._new_item(content, moment, remember, False, keep)
        users, calls = [], []
        for delivery in deliveries:
            users.append(delivery.user)
            calls.append(CREATE_SENT(item, *_written(delivery), plan.text))
        replies = await self._functions.send_many(users, calls, skip_broken)
        return [
            Sent(Outcome.BROKEN) if isinstance(reply, StoreDataError) else _sent(unwrapped(reply, user, UNGUARDED))
            for reply, user in zip(replies, users, strict=True)
        ]

    async def _each(
        self,
        item: _NewItem,
        users: Sequence[User],
        skip_broken: bool,
        plan: OutboxPlan | None = None,
        fresh: bool = True,
    ) -> list[Any]:
        """Create an item, and with a plan entries, for each user. Return outcomes, with a plan as numbers."""
        function, last = (CREATE_EACH, ()) if plan is None else (CREATE_EACH_SENT, (plan.text,))
        user_keys = [keys.user(user.project_id, user.id) for user in users]
        # The users of a cluster are in different slots.
        step = 1 if self._client.topology.clustered else USERS_PER_CALL
        calls: list[FunctionCall[Any]] = []
        for first in range(0, len(users), step):
            names = itertools.chain.from_iterable(map(_names, users[first : first + step]))
            key, *more = user_keys[first : first + step]
            calls.append(FunctionCall(function, key, (*item, "1" if fresh else "", *names, *last), tuple(more)))
        replies = itertools.chain.from_iterable(await self._client.call_many(calls))
        if plan is None:
            return [self._outcome(key, reply, skip_broken) for key, reply in zip(user_keys, replies, strict=True)]
        return [self._number(key, reply, skip_broken) for key, reply in zip(user_keys, replies, strict=True)]

    def _number(self, key: str, reply: Any, skip_broken: bool) -> int:
        """Return the reply for one user of `create_each_sent`. Raises StoreUnavailableError."""
        if type(reply) is not int:
            return self._outcome(key, reply, skip_broken).value
        if reply & _UNPUBLISHED:
            self._client.on_unpublished(key)
        return reply & ~_UNPUBLISHED

    def _outcome(self, key: str, reply: Any, skip_broken: bool) -> Outcome:
        """Return the outcome for one user of `create_each`. Raises StoreUnavailableError."""
        if type(reply) is int:
            if reply < _UNPUBLISHED:
                return _OUTCOMES[reply]
            self._client.on_unpublished(key)
            return _OUTCOMES[reply - _UNPUBLISHED]
        problem = self._client.problem(CREATE_EACH, key, reply)
        if skip_broken and isinstance(problem, StoreDataError):
            return Outcome.BROKEN
        raise problem

    def _new_item(
        self, content: Content, moment: Moment, remember: bool, subscribers_only: bool, keep: ItemRetention
    ) -> _NewItem:
        # This takes a third of the time of the constructor, here and in LogRetention (measured).
        return tuple.__new__(
            _NewItem,
            (
                *self._retention.context(moment),
                content.id,
                content.encoded,
                content.category,
                content.topic,
                OUTCOME_SECONDS if remember else "",
                "1" if subscribers_only else "",
                *keep,
            ),
        )

    async def change(
        self,
        user: User,
        item_id: ItemId,
        command: Command,
        client_id: str | None,
        moment: Moment,
        guard: Guard = UNGUARDED,
    ) -> Change | None:
        """Apply a command to one item. Return None if there is no such item."""
        transition = command.transition
        call = CHANGE(
            self._retention.context(moment),
            item_id,
            transition.code,
            transition.event_name,
            _client_id(client_id),
        )
        changed = await self._functions.change(user, guard, call)
        if changed is not None and transition.seen is Write.SET:
            self.on_seen(user.project_id)
        return changed

    async def delete(
        self, user: User, item_id: ItemId, client_id: str | None, moment: Moment, guard: Guard = UNGUARDED
    ) -> Change | None:
        """Delete one item. Return None if there was no such item."""
        call = DELETE(self._retention.context(moment), item_id, client_id=_client_id(client_id))
        return await self._functions.change(user, guard, call)

    async def change_all(
        self,
        user: User,
        matching: Filter,
        command: BulkCommand,
        client_id: str | None,
        moment: Moment,
        guard: Guard = UNGUARDED,
    ) -> Change:
        """Apply a command to every item that matches. The result has the number of those that changed."""
        transition = command.transition
        data: dict[str, Any] = {"at": moment.now_ms // 1000, "filters": matching.as_json()}
        if client_id:
            data["client_id"] = client_id
        call = CHANGE_ALL(
            self._retention.context(moment),
            transition=transition.code,
            event_name=transition.event_name,
            data=_encode(data),
            buckets=matching.bucket_digits,
            categories=matching.categories,
            topics=matching.topics,
        )
        changed = await self._functions.change(user, guard, call)
        if changed.items and transition.seen is Write.SET:
            self.on_seen(user.project_id)
        return changed

    async def list_page(
        self, user: User, matching: Filter, page: int, per_page: int, guard: Guard = UNGUARDED
    ) -> ListPage:
        """Return a page of items, newest first. `page` counts from 1; the counts are those of the filtered items."""
        rank = (page - 1) * per_page
        call = LIST(matching.bucket_digits, rank, per_page, matching.categories, matching.topics)
        epoch, offset, total, unread, unseen, *items = await self._functions.read(user, guard, call)
        position = Position(epoch.decode(), int(offset)) if epoch else None
        return ListPage(position, total, unread, unseen, await self._contents.expand(user.project_id, items))

    async def get(self, user: User, item_id: ItemId, guard: Guard = UNGUARDED) -> bytes | None:
        """Return one item as JSON, None if there is no such item."""
        item = await self._functions.read(user, guard, GET(item_id))
        return (await self._contents.expand(user.project_id, [item]))[0] if item is not None else None

    async def get_each(self, users: Sequence[User], item_id: ItemId) -> list[bytes | None]:
        """Return the same item of several users as JSON, None for each that does not have it.

        The users must be of one project.
        """
        replies = await self._functions.peek_many(users, GET(item_id))
        items = [reply[3] if reply[0] == b"ok" else None for reply in replies]
        found = [item for item in items if item is not None]
        expanded = iter(await self._contents.expand(users[0].project_id, found) if found else ())
        return [next(expanded) if item is not None else None for item in items]

    async def read_log(
        self,
        user: User,
        after: Position | None,
        new_epoch: str,
        guard: Guard = UNGUARDED,
        tokens: Sequence[tuple[str, int | None]] = (),
        seen_at: int = 0,
    ) -> LogPage:
        """Return as many of the events after a position as fit. Without a position, return only the end and the counts.

        `tokens` are the ids and issue times of the tokens of the connections that get the events. The page's `revoked`
        has those of them that are revoked. `seen_at` is the second at which the user was seen, 0 if it is not to be
        written.
        """
        after_epoch, after_offset = after or ("", "")
        checked = [part for token_id, at in tokens for part in (token_id, "" if at is None else at)] if tokens else ()
        # Arguments by position save half a microsecond.
        call = READ_LOG(new_epoch, after_epoch, after_offset, REPLAY_EVENTS, REPLAY_BYTES, seen_at or "", checked)
        reply = await self._functions.read_or_begin(user, guard, call)
        epoch, offset, unread, unseen, unarchived_unread, unarchived_unseen, reset_reason, revoked, *messages = reply
        events: tuple[Event, ...] = ()
        if messages:
            # Events with references are small. With the contents in place, far fewer may fit.
            page = await self._contents.expand_page(user.project_id, messages, REPLAY_BYTES)
            try:
                events = tuple(map(Event.decode, page))
            except ValueError as problem:
                # Events that cannot be read are lost, like events that are no longer in the log.
                log.error("event_broken", project=user.project_id, user=user.id, problem=str(problem))
                reset_reason = b"position_expired"
        return LogPage(
            Position(epoch.decode(), int(offset)),
            Counts(unread, unseen, unarchived_unread, unarchived_unseen),
            events,
            reset_reason.decode(),
            frozenset(tokens[index] for index in revoked) if revoked else frozenset(),
        )

    def expand_cached(self, message: bytes) -> bytes | None:
        """Return a published message with its contents in place of the NULs, None if one of them is not cached."""
        return self._contents.expand_cached(message)

    async def use(self, user: User, guard: Guard) -> None:
        """Check the guard of a call and count the call. The inbox is not read."""
        await self._functions.read_or_begin(user, guard, USE())


def _sent(number: int) -> Sent:
    outcome, bits = number % _ROUTE_BIT, number // _ROUTE_BIT
    return Sent(_OUTCOMES[outcome], _routes_of_bits(bits) if bits else ())


@functools.lru_cache(maxsize=512)
def _routes_of_bits(bits: int) -> tuple[Route, ...]:
    return tuple(route for place, route in enumerate(Route) if bits >> place & 1)


def _create_call(item: _NewItem, delivery: Delivery) -> UserCall[Outcome]:
    return CREATE(item, *_written(delivery))


def _written(delivery: Delivery) -> tuple[Arguments, Arguments]:
    """Return the fields of the user's record that a delivery overwrites, and those that it only adds."""
    user, profile = delivery.user, delivery.profile
    known: tuple[str | bytes, ...] = ("external_id", _encode(user.external_id)) if user.external_id else ()
    if user.email:
        known += ("email", _encode(user.email))
    sent = profile_arguments(profile) if profile else ()
    return ((*sent, *known), ()) if delivery.fresh else (sent, known)


def _names(user: User) -> tuple[bytes, bytes]:
    """Return the names of a user as `create_each` accepts them."""
    return (
        _encode(user.external_id) if user.external_id else b"",
        _encode(user.email) if user.email else b"",
    )


def _client_id(client_id: str | None) -> bytes:
    return _encode(client_id) if client_id else b""
