"""What the events of a project tell of one notification and one user."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User
from gateway.domain.project_event import EventPlace, ProjectEventType
from gateway.domain.trace_facts import Occurrence
from gateway.store.project_event_log import ProjectEventLog, StoredEvent
from gateway.store.redis.problems import decoding

_EARLIER_MS = 2_000
"""How much the clock of Redis, which orders the events, may be behind that of the gateway."""

_PAGE_EVENTS = 500
_MAX_PAGES = 10
"""How many events of the project, and of the user, are searched: some 25 ms each."""

_AFTER_MS = 120_000
"""How long after a request the events of its recipients are searched."""

_ONE_USER = (
    ProjectEventType.STORED,
    ProjectEventType.SUPPRESSED,
    ProjectEventType.USER_DELETED,
    ProjectEventType.DELIVERY_ENDED,
    ProjectEventType.DELIVERY_CONTRADICTED,
)
_MANY_USERS = (ProjectEventType.ACCEPTED, ProjectEventType.STORED, ProjectEventType.SUPPRESSED)


class _Context(msgspec.Struct):
    """What matters here of the context of an event."""

    notification_id: str = ""
    rule: str = ""
    category: str = ""
    topic: str = ""
    count: int = 1
    recipients: int = 0
    channel: str = ""
    provider: str = ""
    state: str = ""
    reason: str = ""


_decode_context = msgspec.json.Decoder(_Context).decode


class NotificationEvents(NamedTuple):
    """The events that mention the notification."""

    occurrences: list[Occurrence]
    stored: bool = False
    others: int = 0
    recipients: int = 0
    user_deleted_ms: int | None = None


class TraceEvents:
    """Searches the logs of projects. Methods raise StoreUnavailableError."""

    def __init__(self, log: ProjectEventLog):
        self._log = log

    async def read(self, user: User, notification_id: UUID) -> NotificationEvents:
        """Return what events of the user and of the project tell."""
        found = NotificationEvents([])
        if not self._log.is_on or notification_id.version != 7:
            return found
        start = max(0, (notification_id.int >> 80) - _EARLIER_MS)
        mentioned = str(notification_id).encode()
        for event in await self._read(user.project_id, _ONE_USER, mentioned, start, user.id):
            if event.type is ProjectEventType.USER_DELETED:
                found = found._replace(user_deleted_ms=event.place.ms)
            else:
                found.occurrences.append(_occurrence(event))
                found = found._replace(stored=found.stored or event.type is ProjectEventType.STORED)
        others: set[UserId] = set()
        many = await self._read(user.project_id, _MANY_USERS, mentioned, start, None, start + _AFTER_MS)
        for event in many:
            context = _context(event)
            if event.type is ProjectEventType.ACCEPTED:
                found = found._replace(recipients=context.recipients)
            elif event.user_id is not None and event.user_id != user.id:
                if event.type is ProjectEventType.STORED:
                    others.add(event.user_id)
            elif event.user_id is None and event.type is ProjectEventType.SUPPRESSED:
                found.occurrences.append(_occurrence(event))
        found.occurrences.sort(key=lambda each: each.at_ms)
        return found._replace(others=len(others))

    async def _read(
        self,
        project_id: ProjectId,
        types: Sequence[ProjectEventType],
        mentioned: bytes,
        start_ms: int,
        user_id: UserId | None,
        end_ms: int | None = None,
    ) -> list[StoredEvent]:
        """Return the events that mention the notification, the oldest first, and the deletion of the user."""
        found: list[StoredEvent] = []
        place = EventPlace(start_ms, 0)
        for _ in range(_MAX_PAGES):
            page = await self._log.read(project_id, types, _PAGE_EVENTS, user_id=user_id, newer_than=place)
            found += [
                each for each in page.events if mentioned in each.context or each.type is ProjectEventType.USER_DELETED
            ]
            place = page.scanned or (page.events[-1].place if page.events else place)
            if not page.more or (end_ms is not None and place.ms > end_ms):
                break
        return found

    async def preferences_changed_ms(self, user: User, notification_id: UUID) -> int | None:
        """Return when a user last changed preferences before a notification, in unix ms, None if no event tells it."""
        before = EventPlace((notification_id.int >> 80) + _EARLIER_MS, 0)
        types = [ProjectEventType.PREFERENCES_CHANGED]
        page = await self._log.read(user.project_id, types, 1, user_id=user.id, older_than=before)
        return page.events[0].place.ms if page.events else None

    async def user_deleted_ms(self, project_id: ProjectId, user_id: UserId) -> int | None:
        """Return the unix ms at which a user was deleted, None if no event tells it."""
        page = await self._log.read(project_id, [ProjectEventType.USER_DELETED], 1, user_id=user_id)
        return page.events[0].place.ms if page.events else None


def _context(event: StoredEvent) -> _Context:
    with decoding("an event"):
        return _decode_context(event.context or b"{}")


def _occurrence(event: StoredEvent) -> Occurrence:
    context, kind = _context(event), event.type
    assert kind is not None
    return Occurrence(
        event.place.ms,
        kind.label,
        context.rule,
        context.count,
        context.channel,
        context.provider,
        context.state,
        context.reason,
        context.category,
        context.topic,
    )
