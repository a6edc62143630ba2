"""Finds the recipients of a notification whose id is all that is known, in the log of the project's events.

One id may lie in many inboxes, and no index leads from it to them: that would cost every send a write. But the id of a
plain notification begins with the time of its request, and soon after that time the log has the event of its storing.
"""

from uuid import UUID

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.project_event import EventPlace, ProjectEventType
from gateway.store.project_event_log import ProjectEventLog

_EARLIER_MS = 2_000
"""How much the clock of Redis, which orders the events, may be behind that of the gateway."""

_LATER_MS = 1_000
"""How soon after the time of an id its events nearly always are in the log."""

_FIRST_EVENTS = 16
_PAGE_EVENTS = 500
_MAX_EVENTS = 10_000
"""As many as a log keeps by default. They take some 50 ms."""


class RecipientSearch:
    """Searches the events of stored notifications. Methods raise StoreUnavailableError."""

    def __init__(self, log: ProjectEventLog):
        self._log = log

    async def recipients(self, project_id: ProjectId, notification_id: UUID) -> list[UserId]:
        """Return the users who got a notification, in the order of delivery.

        There are none if its id has no time (RFC 9562, version 7), if its events are not in the log, or if it was sent
        to so many users at once that they share an event.
        """
        if notification_id.version != 7:
            return []
        sent_ms = notification_id.int >> 80
        # Where clocks agree, the events follow the time of the id soon. So few events are read.
        found, is_certain = await self._search(project_id, notification_id, sent_ms, sent_ms + _LATER_MS)
        if not is_certain:
            found, _ = await self._search(project_id, notification_id, max(0, sent_ms - _EARLIER_MS), None)
        return found

    async def _search(
        self, project_id: ProjectId, notification_id: UUID, from_ms: int, until_ms: int | None
    ) -> tuple[list[UserId], bool]:
        """Return the users in the events between two times, and whether there was an event of another before theirs."""
        mentioned = str(notification_id).encode()
        found: list[UserId] = []
        place, count, examined, others = EventPlace(from_ms, 0), _FIRST_EVENTS, 0, 0
        while examined < _MAX_EVENTS:
            page = await self._log.read(project_id, [ProjectEventType.STORED], count, newer_than=place)
            hits = [each for each in page.events if mentioned in each.context]
            if not found:
                others += page.events.index(hits[0]) if hits else len(page.events)
            found += [each.user_id for each in hits if each.user_id is not None]
            # The events of a request are appended together: none follows one that mentions another notification.
            if not page.more or (hits and hits[-1] is not page.events[-1]):
                break
            place, examined, count = page.events[-1].place, examined + count, min(4 * count, _PAGE_EVENTS)
            if until_ms is not None and place.ms > until_ms and not hits:
                break
        return found, bool(found) and others > 0
