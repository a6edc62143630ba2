"""One user's inbox in Redis: its items, its log, its counts.

Every method is one round trip, and a second one where a page has shared contents that this worker has not read yet.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from gateway.domain.event import Counts, Event, LogPage, Position
from gateway.domain.guard import UNGUARDED, Guard
from gateway.domain.notification import BulkCommand, Command, Filter
from gateway.domain.principal import User
from gateway.domain.retention import KEEP_ALL, ItemRetention
from gateway.store import keys
from gateway.store.contents import Content, ContentStore
from gateway.store.deliveries import Delivery, Outcome
from gateway.store.event_log import LogRetention, Moment
from gateway.store.guarded import UNHEARD, UserFunctions, guard_arguments, unwrapped
from gateway.store.profiles import profile_arguments
from gateway.store.redis.client import Argument, Call, FunctionClient
from gateway.store.redis.problems import StoreDataError
from gateway.telemetry.logs import log

_encode = msgspec.json.encode

REPLAY_EVENTS = 256
REPLAY_BYTES = 128 * 1024
"""The bounds of one read of the log: half the default write buffer. Who missed more reads again when drained."""

SETTLED_SECONDS = 24 * 3600
"""How long an item that is gone is not created again by who repeats the request: as long as an Idempotency-Key."""


class ListPage(NamedTuple):
    """A page of an inbox. `position` is the log's as of this page, None while there is none; `items` are JSON."""

    position: Position | None
    total: int
    unread: int
    unseen: int
    items: Sequence[bytes]


class InboxStore:
    """All inboxes. Methods raise StoreUnavailableError, and what the guard of a call raises:
    RateLimitedError, TokenRevokedError, UserDeletedError. Then nothing was done.
    """

    def __init__(self, client: FunctionClient, retention: LogRetention, contents: ContentStore):
        self._client = client
        self._functions = UserFunctions(client)
        self._retention = retention
        self._contents = contents

    async def create(
        self,
        content: Content,
        deliveries: Sequence[Delivery],
        moment: Moment,
        remember: bool,
        subscribers_only: bool = False,
        keep: ItemRetention = KEEP_ALL,
        spare_broken: bool = False,
    ) -> list[Outcome]:
        """Put a new item into each recipient's inbox; give what became of each delivery, in order.

        Who has the item gets it no second time. With `remember`, the request may come again within 24 hours: then this
        holds for who has deleted it meanwhile, and who does not want the item now is not asked anew. With
        `subscribers_only`, only those want it who subscribed to its category and topic. Who gets it loses a few of the
        oldest items that are more than `keep` says. With `spare_broken`, a recipient whose data cannot be read does not
        make this fail.
        """
        calls = self._create_calls(content, deliveries, moment, remember, subscribers_only, keep)
        answers = await self._call_many(calls, spare_broken)
        return [
            Outcome.BROKEN
            if isinstance(answer, StoreDataError)
            else Outcome(unwrapped(answer, delivery.user, UNGUARDED))
            for answer, delivery in zip(answers, deliveries, strict=True)
        ]

    async def change(
        self,
        user: User,
        notification_id: UUID,
        command: Command,
        client_id: str | None,
        moment: Moment,
        guard: Guard = UNGUARDED,
    ) -> bool:
        """Apply a command to one item; False when there is no such item."""
        transition = command.transition
        arguments = (notification_id.bytes, transition.code, transition.event_name, _client_id(client_id))
        return bool(await self._write(user, guard, moment, "change", *arguments) >= 0)

    async def delete(
        self, user: User, notification_id: UUID, client_id: str | None, moment: Moment, guard: Guard = UNGUARDED
    ) -> bool:
        """Delete one item; False when there is no such item."""
        arguments = (notification_id.bytes, _client_id(client_id))
        return bool(await self._write(user, guard, moment, "delete", *arguments) >= 0)

    async def change_all(
        self,
        user: User,
        matching: Filter,
        command: BulkCommand,
        client_id: str | None,
        moment: Moment,
        guard: Guard = UNGUARDED,
    ) -> int:
        """Apply a command to every item that matches; give the number that changed."""
        transition = command.transition
        data: dict[str, Any] = {"at": moment.now_ms // 1000, "filters": matching.as_json()}
        if client_id:
            data["client_id"] = client_id
        arguments = (transition.code, transition.event_name, _encode(data), *_filter_arguments(matching))
        return int(await self._write(user, guard, moment, "change_all", *arguments))

    async def list_page(
        self, user: User, matching: Filter, page: int, per_page: int, guard: Guard = UNGUARDED
    ) -> ListPage:
        """Read a page, newest first; `page` counts from 1. The counts follow the filter."""
        buckets, *scopes = _filter_arguments(matching)
        answer = await self._functions.read(user, guard, "list", buckets, (page - 1) * per_page, per_page, *scopes)
        epoch, offset, total, unread, unseen, *items = answer
        position = Position(epoch.decode(), int(offset)) if epoch else None
        return ListPage(position, total, unread, unseen, await self._contents.expand(user.project_id, items))

    async def get(self, user: User, notification_id: UUID, guard: Guard = UNGUARDED) -> bytes | None:
        """Read one item as JSON; None when there is no such item."""
        item = await self._functions.read(user, guard, "get", notification_id.bytes)
        return (await self._contents.expand(user.project_id, [item]))[0] if item is not None else None

    async def get_each(self, users: Sequence[User], notification_id: UUID) -> list[bytes | None]:
        """Read the same item of several users, None where there is none; users must be of one project."""
        calls: list[Call] = [
            (
                "get_uncounted",
                keys.user(user.project_id, user.id),
                (*guard_arguments(), notification_id.bytes),
            )
            for user in users
        ]
        items = [answer[3] if answer[0] == b"ok" else None for answer in await self._client.call_many(calls)]
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
    ) -> LogPage:
        """Read the events after a position, as many as fit; None asks for the current position and counts only.

        `tokens` are ids and issue times of those that the answer is for, which says which of them are revoked.
        """
        answer = await self._functions.read_or_begin(
            user,
            guard,
            "read_log",
            new_epoch,
            after.epoch if after else "",
            after.offset if after else "",
            REPLAY_EVENTS,
            REPLAY_BYTES,
            *(part for token_id, issued_at in tokens for part in (token_id, "" if issued_at is None else issued_at)),
        )
        epoch, offset, unread, unseen, unarchived_unread, unarchived_unseen, reset_reason, revoked, *messages = answer
        # References are small: what fitted before may be far too much with the contents in it.
        page = await self._contents.expand_page(user.project_id, messages, REPLAY_BYTES)
        try:
            events = tuple(map(Event.decode, page))
        except ValueError as problem:
            # What cannot be read is lost as what the log does not have any more.
            log.error("event_broken", project=user.project_id, user=user.id, problem=str(problem))
            events, reset_reason = (), b"position_expired"
        return LogPage(
            end=Position(epoch.decode(), int(offset)),
            counts=Counts(unread, unseen, unarchived_unread, unarchived_unseen),
            events=events,
            reset_reason=reset_reason.decode(),
            revoked=frozenset(tokens[index] for index in revoked),
        )

    def expand_cached(self, message: bytes) -> bytes | None:
        """Complete a published message that has a NUL; None when its content has to be read. Never waits."""
        return self._contents.expand_cached(message)

    async def use(self, user: User, guard: Guard) -> None:
        """Pass the guard with a call that needs nothing else of the inbox."""
        await self._functions.read_or_begin(user, guard, "use")

    async def _call_many(self, calls: Sequence[Call], spare_broken: bool = False) -> list[Any]:
        """Run functions that publish."""
        answers = await (self._client.call_each(calls) if spare_broken else self._client.call_many(calls))
        for answer, (_, key, _) in zip(answers, calls, strict=True):
            if not isinstance(answer, StoreDataError) and answer[0] == UNHEARD:
                self._client.on_unpublished(key)
        return answers

    async def _write(self, user: User, guard: Guard, moment: Moment, function: str, *arguments: Argument) -> int:
        return int(await self._functions.change(user, guard, function, *self._retention.context(moment), *arguments))

    def _create_calls(
        self,
        content: Content,
        deliveries: Sequence[Delivery],
        moment: Moment,
        remember: bool,
        subscribers_only: bool,
        keep: ItemRetention = KEEP_ALL,
    ) -> list[Call]:
        # Prepared once for all: a broadcast's cost is that of one recipient.
        common = (
            *guard_arguments(),
            *self._retention.context(moment),
            content.id.bytes,
            content.encoded,
            content.category,
            content.topic,
            SETTLED_SECONDS if remember else "",
            "1" if subscribers_only else "",
            keep.items,
            keep.seconds,
        )
        return [_create_call(common, delivery) for delivery in deliveries]


def _create_call(common: tuple[Argument, ...], delivery: Delivery) -> Call:
    user = delivery.user
    known: list[Argument] = []
    if user.external_id:
        known += ("external_id", _encode(user.external_id))
    if user.email:
        known += ("email", _encode(user.email))
    sent = profile_arguments(delivery.profile) if delivery.profile else ()
    key = keys.user(user.project_id, user.id)
    if delivery.fresh:
        return "create", key, (*common, (len(sent) + len(known)) // 2, *sent, *known)
    return "create", key, (*common, len(sent) // 2, *sent, *known)


def _client_id(client_id: str | None) -> bytes:
    return _encode(client_id) if client_id else b""


def _filter_arguments(matching: Filter) -> tuple[Argument, ...]:
    return (
        "".join(map(str, matching.buckets)),
        len(matching.categories),
        *matching.categories,
        len(matching.topics),
        *matching.topics,
    )
