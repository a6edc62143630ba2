"""The notifications that a project has sent, newest first: one entry for each request and each broadcast.

The list is made from the events of the project, which are written anyway. One event stands for each notification:

    STORED, SUPPRESSED     a request with one recipient (events of larger ones are marked `of_many`, and are skipped)
    ACCEPTED               a request with several recipients
    BROADCAST_CHANGED      a broadcast, when it was enqueued

So a send writes nothing for the list, and the list has what the log of events keeps. Titles, categories and whether it
was read are in the inboxes of the recipients, and are read for the entries of one page, in a few round trips.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from uuid import UUID

import msgspec

from gateway.domain.guard import UserDeletedError
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.notification import ItemId
from gateway.domain.principal import User
from gateway.domain.project_event import EventPlace, ProjectEventType
from gateway.store.contents import ContentStore
from gateway.store.inbox import InboxStore
from gateway.store.project_event_log import ProjectEventLog, StoredEvent
from gateway.store.recipient_states import RecipientStates
from gateway.store.redis.problems import StoreDataError, decoding
from gateway.store.sent_recipients import SentRecipients

SCANNED_AT_ONCE = 200
SCANS = 10
"""How many events are read for one page at most: 2,000, some 4 ms of Redis. A rare filter makes short pages."""

EXAMINED_FOR_CATEGORY = 4
"""How many entries are examined for each entry of a page with a filter by category."""

READ_SAMPLE = 400
"""How many states are read for one page at most, to tell how many recipients have read it."""

_CONTENT_TRIES = 3
"""How many recipients of a request are asked for its content. Each may have deleted it."""


class SentFilter(NamedTuple):
    """Selects sent notifications. Times are unix ms; None selects all."""

    category: str | None = None
    user_id: UserId | None = None
    is_broadcast: bool | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def holds_at(self, ms: int) -> bool:
        """Return whether a time is in the interval."""
        return (self.since_ms is None or ms >= self.since_ms) and (self.until_ms is None or ms < self.until_ms)


class _Shown(msgspec.Struct, frozen=True):
    title: str = ""
    category: str = ""
    topic: str | None = None


_decode_shown = msgspec.json.Decoder(_Shown).decode


class _Context(msgspec.Struct, frozen=True):
    notification_id: str = ""
    broadcast_id: str = ""
    status: str = ""
    audience: str = ""
    category: str = ""
    topic: str | None = None
    recipients: int = 0
    stored: int = 0
    suppressed: int = 0
    of_many: bool = False


_decode_context = msgspec.json.Decoder(_Context).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class SentEntry:
    """A sent notification. `audience` is `user`, `users` or that of a broadcast; `title` is None if nobody has it now.

    `recipients` are those that the request named, and of a broadcast those that it has reached. `seen` and `read` are
    shares of `sampled` recipients.
    """

    place: EventPlace
    id: str
    audience: str
    user_id: UserId | None = None
    is_broadcast: bool = False
    category: str = ""
    topic: str | None = None
    recipients: int = 1
    stored: int = 0
    suppressed: int = 0
    title: str | None = None
    sampled: int = 0
    seen: int = 0
    read: int = 0


class SentPage(NamedTuple):
    """A page, newest first, and the places beyond which there may be newer and older entries, None at an end."""

    entries: list[SentEntry]
    newer: EventPlace | None
    older: EventPlace | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SentList:
    """Reads lists of sent notifications. Methods raise StoreUnavailableError."""

    log: ProjectEventLog
    recipients: SentRecipients
    states: RecipientStates
    inboxes: InboxStore
    contents: ContentStore

    async def page(
        self,
        project_id: ProjectId,
        size: int,
        wanted: SentFilter,
        after: EventPlace | None = None,
        before: EventPlace | None = None,
    ) -> SentPage:
        """Return a page of entries: those directly after (older than) or before a place, or the newest.

        A page may be short although there are more, because it examines a bounded number of events.
        """
        limit = size if wanted.category is None else size * EXAMINED_FOR_CATEGORY
        found, reached, more = await self._scan(project_id, limit, wanted, _start(wanted, after), before)
        entries = await self._filled(project_id, found)
        if wanted.category is not None:
            entries = [each for each in entries if each.category == wanted.category]
        if len(entries) > size:
            entries, more = entries[:size], True
            reached = entries[-1].place
        beyond = reached if more else None
        if before:
            return SentPage(entries[::-1], beyond, entries[0].place if entries else before)
        return SentPage(entries, (entries[0].place if entries else after) if after else None, beyond)

    async def _scan(
        self,
        project_id: ProjectId,
        limit: int,
        wanted: SentFilter,
        start: EventPlace | None,
        before: EventPlace | None,
    ) -> tuple[list[SentEntry], EventPlace | None, bool]:
        """Return up to `limit` entries, the place that was reached, and whether there may be more beyond it."""
        found: dict[str, SentEntry] = {}
        reached = before or start
        for scan in range(SCANS):
            # Nearly always each event is an entry, and the first read is enough.
            count = SCANNED_AT_ONCE if scan else min(limit + 1, SCANNED_AT_ONCE)
            bounds = {"newer_than": reached} if before else {"older_than": reached}
            part = await self.log.read(project_id, _types(wanted), count, user_id=wanted.user_id, **bounds)
            for event in part.events:
                if len(found) == limit:
                    return list(found.values()), reached, True
                if not wanted.holds_at(event.place.ms):
                    return list(found.values()), reached, False
                reached = event.place
                entry = _entry(event, wanted)
                # Requests of earlier versions have events of their recipients besides their own.
                if entry is not None and (entry.id not in found or entry.audience == "users"):
                    found[entry.id] = entry
            reached = part.scanned or reached
            if not part.more:
                return list(found.values()), reached, False
        return list(found.values()), reached, True

    async def _filled(self, project_id: ProjectId, entries: Sequence[SentEntry]) -> list[SentEntry]:
        """Return entries with what the inboxes of recipients tell of them."""
        counted = await self._counted(project_id, entries)
        sampled = await self._sampled(project_id, counted)
        return list(await asyncio.gather(*(self._with_content(project_id, each, ids) for each, ids in sampled)))

    async def _counted(self, project_id: ProjectId, entries: Sequence[SentEntry]) -> list[SentEntry]:
        broadcasts = [each.id for each in entries if each.is_broadcast]
        counts = dict(zip(broadcasts, await self.recipients.counts(project_id, broadcasts), strict=True))
        return [
            replace(each, recipients=counts[each.id], stored=counts[each.id]) if each.is_broadcast else each
            for each in entries
        ]

    async def _sampled(
        self, project_id: ProjectId, entries: Sequence[SentEntry]
    ) -> list[tuple[SentEntry, list[UserId]]]:
        """Return each entry with some of its recipients, and how many of these have seen and read it."""
        many = [each for each in entries if each.user_id is None and each.recipients]
        share = max(1, READ_SAMPLE // max(1, len(many)))
        places = [
            (each.id, index * each.recipients // min(share, each.recipients))
            for each in many
            for index in range(min(share, each.recipients))
        ]
        chosen: dict[str, list[UserId]] = {each.id: [each.user_id] for each in entries if each.user_id is not None}
        for (notification_id, _), user_id in zip(places, await self.recipients.at(project_id, places), strict=True):
            if user_id is not None:
                chosen.setdefault(notification_id, []).append(user_id)
        pairs = [(each.id, user_id) for each in entries for user_id in chosen.get(each.id, ())]
        states = await self.states.read_pairs(project_id, [(_item_id(each), user_id) for each, user_id in pairs])
        by_id: dict[str, list[tuple[UserId, bool, bool]]] = {}
        for (notification_id, user_id), state in zip(pairs, states, strict=True):
            if state is not None:
                seen, read = state.seen_at is not None, state.read_at is not None
                by_id.setdefault(notification_id, []).append((user_id, seen, read))
        result = []
        for each in entries:
            holders = by_id.get(each.id, [])
            filled = replace(
                each,
                sampled=len(holders),
                seen=sum(was_seen for _, was_seen, _ in holders),
                read=sum(was_read for _, _, was_read in holders),
            )
            result.append((filled, [one[0] for one in holders[:_CONTENT_TRIES]]))
        return result

    async def _with_content(self, project_id: ProjectId, entry: SentEntry, holders: Sequence[UserId]) -> SentEntry:
        if entry.is_broadcast:
            content = await self.contents.whole(project_id, entry.id)
            return _described(entry, content) if content else entry
        for user_id in holders:
            try:
                item = await self.inboxes.get(User(project_id, user_id, None, None), _item_id(entry.id))
            except (UserDeletedError, StoreDataError):
                continue
            if item is not None:
                return _described(entry, item)
        return entry


def _start(wanted: SentFilter, after: EventPlace | None) -> EventPlace | None:
    """Return the place from which a list goes on to older entries."""
    until = EventPlace(wanted.until_ms, 0) if wanted.until_ms is not None else None
    return min((each for each in (after, until) if each is not None), default=None)


def _types(wanted: SentFilter) -> list[ProjectEventType]:
    kinds = ProjectEventType
    if wanted.user_id is not None:
        return [] if wanted.is_broadcast else [kinds.STORED, kinds.SUPPRESSED]
    broadcasts = [kinds.BROADCAST_CHANGED] if wanted.is_broadcast is not False else []
    return broadcasts + ([kinds.ACCEPTED, kinds.STORED, kinds.SUPPRESSED] if not wanted.is_broadcast else [])


def _entry(event: StoredEvent, wanted: SentFilter) -> SentEntry | None:
    """Return the entry for which an event stands, None if it stands for none."""
    with decoding("an event of the project"):
        about = _decode_context(event.context or b"{}")
    if event.type is ProjectEventType.BROADCAST_CHANGED:
        if about.status != "enqueued":
            return None
        return SentEntry(
            place=event.place,
            id=about.broadcast_id,
            audience=about.audience or "broadcast",
            is_broadcast=True,
            category=about.category,
            topic=about.topic,
        )
    if event.type is ProjectEventType.ACCEPTED:
        return SentEntry(
            place=event.place,
            id=about.notification_id,
            audience="users",
            category=about.category,
            topic=about.topic,
            recipients=about.recipients,
            stored=about.stored,
            suppressed=about.suppressed,
        )
    if event.user_id is None or not about.notification_id or (about.of_many and wanted.user_id is None):
        return None
    is_stored = event.type is ProjectEventType.STORED
    return SentEntry(
        place=event.place,
        id=about.notification_id,
        audience="users" if about.of_many else "user",
        user_id=event.user_id,
        stored=int(is_stored),
        suppressed=int(not is_stored),
    )


def _item_id(notification_id: str) -> ItemId:
    return ItemId(UUID(notification_id).bytes)


def _described(entry: SentEntry, item: bytes) -> SentEntry:
    with decoding("a notification"):
        shown = _decode_shown(item)
    return replace(entry, title=shown.title, category=shown.category, topic=shown.topic)
