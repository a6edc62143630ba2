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

_PAGE_EVENTS = 500
_MAX_PAGES = 20
"""10,000 events in all, which take some 50 ms. That is all that a log keeps by default."""


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
        mentioned = str(notification_id).encode()
        found: list[UserId] = []
        place = EventPlace(max(0, (notification_id.int >> 80) - _EARLIER_MS), 0)
        for _ in range(_MAX_PAGES):
            page = await self._log.read(project_id, [ProjectEventType.STORED], _PAGE_EVENTS, newer_than=place)
            hits = [each for each in page.events if mentioned in each.context]
            found += [each.user_id for each in hits if each.user_id is not None]
            # The events of a request are appended together: none follows one that mentions another notification.
            if not page.more or (hits and hits[-1] is not page.events[-1]):
                break
            place = page.events[-1].place
        return found
