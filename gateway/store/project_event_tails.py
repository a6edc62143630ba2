"""The open tails of this worker: streams of a project's events, from the messages that are published with each append.

A tail is subscribed first and reads the log after that, so it misses nothing in between. Its reader takes what has
arrived. If more arrives than a tail holds, or messages may have been lost, the tail drops what it holds, and its reader
continues from the log. So a slow reader is never sent more than the tail holds, and delays nobody.
"""

from collections.abc import Sequence

from gateway.domain.ids import ProjectId
from gateway.store import keys, tails
from gateway.store.project_event_log import StoredEvent, read_published
from gateway.store.redis.subscriber import Subscriber
from gateway.store.tails import Tail, Tails
from gateway.telemetry.logs import log
from gateway.telemetry.metrics import PROJECT_TAILS


class EventTail(Tail):
    """One open tail. Call `wait`, then `take`."""

    def __init__(self, project_id: ProjectId, admin_id: str = ""):
        super().__init__(project_id, admin_id)
        self._held: list[StoredEvent] = []
        self._missed = False

    def add(self, events: Sequence[StoredEvent]) -> None:
        """Hold events for the reader."""
        if len(self._held) + len(events) > tails.HELD_EVENTS:
            self.miss()
        elif not self._missed:
            self._held += events
            self._changed.set()

    def miss(self) -> None:
        """Make the reader continue from the log."""
        self._held.clear()
        self._missed = True
        self._changed.set()

    def take(self) -> tuple[list[StoredEvent], bool]:
        """Return the events that arrived, and whether the reader must read the log, which has more."""
        self._changed.clear()
        taken, missed = self._held, self._missed
        self._held, self._missed = [], False
        return taken, missed


class EventTails(Tails[EventTail]):
    """All tails of this worker."""

    def __init__(self, subscriber: Subscriber):
        super().__init__(subscriber, keys.project_events, EventTail)

    def _add(self, channel: bytes, tail: EventTail) -> None:
        super()._add(channel, tail)
        PROJECT_TAILS.inc()

    def close(self, tail: EventTail) -> None:
        """Close a tail."""
        super().close(tail)
        PROJECT_TAILS.dec()

    def dispatch(self, channel: bytes, messages: Sequence[bytes]) -> None:
        """Add the events of messages to the tails of a project. Messages of another channel are ignored."""
        found = self._of_channel(channel)
        if not found:
            return
        try:
            events = [event for message in messages for event in read_published(message)]
        except ValueError:
            log.error("foreign_message", channel=channel)
            self.interrupted(channel)
            return
        for tail in found:
            tail.add(events)

    def interrupted(self, channel: bytes) -> None:
        """Make the tails of a project read the log, because messages may have been lost."""
        for tail in self._of_channel(channel):
            tail.miss()
