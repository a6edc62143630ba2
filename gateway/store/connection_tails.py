"""Events of connections for those who watch a project: published by all workers, and held for each reader.

Nothing is stored. A worker makes events only of projects that somebody watches. If more arrives than a tail holds, the
rest is counted and dropped, and the reader learns how many those were.
"""

from collections.abc import Callable, Sequence

import msgspec

from gateway.domain.ids import ProjectId
from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.subscriber import Subscriber
from gateway.store.tails import HELD_EVENTS, Tail, Tails
from gateway.telemetry.logs import log


class ConnectionEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """A connection that was opened, closed or refused. `at_ms` is unix milliseconds."""

    at_ms: int
    type: str
    transport: str
    connection_id: str = ""
    user_id: str = ""
    code: str = ""
    origin: str = ""


class ConnectionBatch(msgspec.Struct, frozen=True):
    """What one worker publishes together. `dropped` counts the events for which it had no room."""

    events: Sequence[ConnectionEvent]
    dropped: int = 0


async def publish(client: FunctionClient, project_id: ProjectId, batch: ConnectionBatch) -> None:
    """Publish events of a project's connections. Raises StoreUnavailableError."""
    await client.publish(keys.connection_events(project_id), msgspec.json.encode(batch))


class ConnectionTail(Tail):
    """One open tail. Call `wait`, then `take`."""

    def __init__(self, project_id: ProjectId, admin_id: str = ""):
        super().__init__(project_id, admin_id)
        self._held: list[ConnectionEvent] = []
        self._dropped = 0

    def add(self, batch: ConnectionBatch) -> None:
        """Hold events for the reader."""
        room = HELD_EVENTS - len(self._held)
        self._held += batch.events[:room]
        self._dropped += batch.dropped + max(0, len(batch.events) - room)
        self._changed.set()

    def take(self) -> tuple[list[ConnectionEvent], int]:
        """Return the events that arrived, and how many were dropped."""
        self._changed.clear()
        taken = self._held, self._dropped
        self._held, self._dropped = [], 0
        return taken


class ConnectionTails(Tails[ConnectionTail]):
    """All tails of this worker. `watch_here` makes this worker's events begin at once."""

    def __init__(self, subscriber: Subscriber, watch_here: Callable[[ProjectId], None]):
        super().__init__(subscriber, keys.connection_events, ConnectionTail)
        self._watch_here = watch_here

    async def open(self, project_id: ProjectId, admin_id: str = "") -> ConnectionTail:
        """Open a tail, and return it once it receives events. Call `close` afterwards.

        Raises TooManyTailsError and StoreUnavailableError.
        """
        tail = await super().open(project_id, admin_id)
        self._watch_here(project_id)
        return tail

    def dispatch(self, channel: bytes, messages: Sequence[bytes]) -> bool:
        """Add what was published to the tails of a project. Return whether the channel is that of a tail."""
        tails = self._of_channel(channel)
        if not tails:
            return False
        for message in messages:
            try:
                batch = msgspec.json.decode(message, type=ConnectionBatch)
            except msgspec.MsgspecError:
                log.error("foreign_message", channel=channel)
                continue
            for tail in tails:
                tail.add(batch)
        return True
