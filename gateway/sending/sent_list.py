"""The notifications that a project has sent, newest first: one entry for each request and each broadcast.

The list is made from the events of the project, which are written anyway. One event stands for each notification:

    STORED, SUPPRESSED     a request with one recipient (events of larger ones are marked `of_many`, and are skipped)
    ACCEPTED               a request with several recipients
    BROADCAST_CHANGED      a broadcast, when it was enqueued

So a send writes nothing for the list, and the list has what the log of events keeps. Titles, categories and whether it
was read are in the inboxes of the recipients, and are read for the entries of one page, in a few round trips. A filter
by category is decided before contents are read: the category is in the state of an item, and in the events of others.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from uuid import UUID

import msgspec

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.notification import UNCATEGORIZED, ItemId, State
from gateway.domain.project_event import MAX_NUMBER, EventPlace, ProjectEventType
from gateway.store.contents import ContentStore
from gateway.store.jobs import JobKind, JobStore
from gateway.store.project_event_log import ProjectEventLog, StoredEvent
from gateway.store.recipient_states import RecipientStates
from gateway.store.redis.problems import decoding
from gateway.store.sent_recipients import RecipientList, SentRecipients

SCANNED_AT_ONCE = 200
LEAST_SCANNED = 32
SCANS = 10
"""How many events are read for one page at most: 2,000, some 4 ms of Redis. A rare filter makes short pages."""

EXAMINED_FOR_CATEGORY = 4
"""How many entries are examined for each entry of a page with a filter by category."""

READ_SAMPLE = 200
"""How many recipients of requests to several users, and of broadcasts, are examined for one page at most, to tell how
many have read it."""


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
    shares of `sampled` recipients. `status` is that of a broadcast's job, while that is kept.
    """

    place: EventPlace
    id: str
    audience: str
    user_id: UserId | None = None
    is_broadcast: bool = False
    status: str | None = None
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
    contents: ContentStore
    jobs: JobStore

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
        entries = await self._in_inboxes(project_id, found)
        if wanted.category is not None:
            entries = [each for each in entries if each.category == wanted.category]
        if len(entries) > size:
            entries, more = entries[:size], True
            reached = entries[-1].place
        entries = await self._filled(project_id, entries)
        beyond = reached if more else None
        # The entry at the place from which an empty page goes on belongs to the page on the other side.
        if before:
            return SentPage(entries[::-1], beyond, entries[0].place if entries else _next(before))
        return SentPage(entries, (entries[0].place if entries else _previous(after)) if after else None, beyond)

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
            missing = limit + 1 - len(found)
            count = min(max(2 * missing, LEAST_SCANNED) if scan else missing, SCANNED_AT_ONCE)
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

    async def _in_inboxes(self, project_id: ProjectId, entries: Sequence[SentEntry]) -> list[SentEntry]:
        """Return entries, those of one user with what the user's inbox has about them."""
        pairs = [(_item_id(each.id), each.user_id) for each in entries if each.user_id is not None]
        facts = iter(await self.states.read_facts(project_id, pairs))
        found = []
        for each in entries:
            fact = next(facts) if each.user_id is not None else None
            if fact is not None:
                each = _read_by(replace(each, category=fact.category, topic=fact.topic or None), [fact.state])
            found.append(each)
        return found

    async def _filled(self, project_id: ProjectId, entries: Sequence[SentEntry]) -> list[SentEntry]:
        """Return entries with their titles, and those of several users with how many have read them."""
        # Statuses are read before figures: a broadcast that is shown as processed has its last figures.
        entries = await self._with_statuses(project_id, entries)
        examined = await self._examined([each for each in entries if each.user_id is None], project_id)
        filled = [examined.get(each.id, (each, each.user_id if each.sampled else None)) for each in entries]
        holders = [(_item_id(each.id), holder) for each, holder in filled if holder is not None]
        contents = iter(await self.states.contents(project_id, holders))
        own = [next(contents) if holder is not None else None for _, holder in filled]
        titles = await asyncio.gather(*(self._title(project_id, filled[at], own[at]) for at in range(len(filled))))
        return [replace(each, title=title) for (each, _), title in zip(filled, titles, strict=True)]

    async def _with_statuses(self, project_id: ProjectId, entries: Sequence[SentEntry]) -> list[SentEntry]:
        broadcasts = [each.id for each in entries if each.is_broadcast]
        statuses = await self.jobs.statuses(JobKind.BROADCAST, project_id, broadcasts)
        found = dict(zip(broadcasts, statuses, strict=True))
        return [replace(each, status=status.status) if (status := found.get(each.id)) else each for each in entries]

    async def _examined(
        self, entries: Sequence[SentEntry], project_id: ProjectId
    ) -> dict[str, tuple[SentEntry, UserId | None]]:
        """Return entries by id, with how many of some recipients have read them, and one who has it."""
        lists = await self.recipients.lists(project_id, [each.id for each in entries])
        share = READ_SAMPLE // max(1, len(entries))
        places = [_places(each, share) for each in lists]
        parts = [(each, *part) for each, own in zip(lists, places, strict=True) for part in own]
        chosen = iter(await self.recipients.read(parts))
        users = [[user_id for _ in own for user_id in next(chosen)] for own in places]
        pairs = [(_item_id(each.id), user_id) for each, own in zip(entries, users, strict=True) for user_id in own]
        facts = iter(await self.states.read_facts(project_id, pairs))
        found: dict[str, tuple[SentEntry, UserId | None]] = {}
        for each, own, recipients in zip(entries, users, lists, strict=True):
            held = [(user_id, fact.state) for user_id in own if (fact := next(facts)) is not None]
            if each.is_broadcast:
                each = replace(each, recipients=recipients.size, stored=recipients.size)
            read = _read_by(each, [state for _, state in held])
            found[each.id] = read, next((user_id for user_id, _ in held), None)
        return found

    async def _title(
        self, project_id: ProjectId, filled: tuple[SentEntry, UserId | None], content: bytes | None
    ) -> str | None:
        entry, holder = filled
        if content is None and (entry.is_broadcast or holder is not None):
            content = await self.contents.whole(project_id, entry.id)
        if content is None:
            return None
        with decoding("a notification"):
            return _decode_shown(content).title


def _next(place: EventPlace) -> EventPlace:
    return EventPlace(place.ms, place.number + 1) if place.number < MAX_NUMBER else EventPlace(place.ms + 1, 0)


def _previous(place: EventPlace) -> EventPlace:
    return EventPlace(place.ms, place.number - 1) if place.number else EventPlace(max(0, place.ms - 1), MAX_NUMBER)


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
            category=_category(about.category),
            topic=about.topic,
        )
    if event.type is ProjectEventType.ACCEPTED:
        return SentEntry(
            place=event.place,
            id=about.notification_id,
            audience="users",
            category=_category(about.category),
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
        category=_category(about.category),
        topic=about.topic,
        stored=int(is_stored),
        suppressed=int(not is_stored),
    )


def _item_id(notification_id: str) -> ItemId:
    return ItemId(UUID(notification_id).bytes)


def _category(name: str) -> str:
    """Return the name of a category as it is stored."""
    return "" if name == UNCATEGORIZED else name


def _places(recipients: RecipientList, most: int) -> list[tuple[int, int]]:
    """Return the parts of a list to examine, each a place and a number: the whole list, or places spread over it."""
    if recipients.size <= most:
        return [(0, recipients.size)] if recipients.size else []
    return [(index * recipients.size // most, 1) for index in range(most)]


def _read_by(entry: SentEntry, states: Sequence[State]) -> SentEntry:
    """Return an entry with how many of some recipients, who have it in these states, have seen and read it."""
    seen, read = sum(each.seen_at is not None for each in states), sum(each.read_at is not None for each in states)
    return replace(entry, sampled=len(states), seen=seen, read=read)
