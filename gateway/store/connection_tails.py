"""Events of connections for those who watch a project: published by all workers, and held for each reader.

Nothing is stored. A worker makes events only of projects that somebody watches. If more arrives than a tail holds, the
rest is counted and dropped, and the reader learns how many those were.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import msgspec

from gateway.domain.ids import ProjectId
from gateway.store import keys
from gateway.store.errors import TooManyTailsError
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.subscriber import Subscriber
from gateway.telemetry.logs import log

HELD_EVENTS = 1000
TAILS_PER_PROJECT = 10
TAILS = 200
TAILS_PER_ADMIN = 4
"""How many tails a worker has at most, of a project, in all, and of an admin in all projects."""


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


class ConnectionTail:
    """One open tail. Call `wait`, then `take`."""

    def __init__(self, project_id: ProjectId, admin_id: str = ""):
        self.project_id = project_id
        self.admin_id = admin_id
        """The admin who reads it, "" for a backend."""
        self.is_ending = False
        """Whether the worker is about to stop."""
        self._held: list[ConnectionEvent] = []
        self._dropped = 0
        self._changed = asyncio.Event()

    def add(self, batch: ConnectionBatch) -> None:
        """Hold events for the reader."""
        room = HELD_EVENTS - len(self._held)
        self._held += batch.events[:room]
        self._dropped += batch.dropped + max(0, len(batch.events) - room)
        self._changed.set()

    def end(self) -> None:
        """Make the reader end."""
        self.is_ending = True
        self._changed.set()

    async def wait(self, seconds: float) -> None:
        """Wait until there is something to take, or for some seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def take(self) -> tuple[list[ConnectionEvent], int]:
        """Return the events that arrived, and how many were dropped."""
        self._changed.clear()
        taken = self._held, self._dropped
        self._held, self._dropped = [], 0
        return taken


class ConnectionTails:
    """All tails of this worker. `watch_here` makes this worker's events begin at once."""

    def __init__(self, subscriber: Subscriber, watch_here: Callable[[ProjectId], None]):
        self._subscriber = subscriber
        self._watch_here = watch_here
        self._tails: dict[bytes, set[ConnectionTail]] = {}
        self._count = 0
        self._ending = False

    async def open(self, project_id: ProjectId, admin_id: str = "") -> ConnectionTail:
        """Open a tail, and return it once it receives events. Call `close` afterwards.

        Raises TooManyTailsError and StoreUnavailableError.
        """
        channel = keys.connection_events(project_id).encode()
        if self._count >= TAILS or len(self._tails.get(channel, ())) >= TAILS_PER_PROJECT:
            raise TooManyTailsError
        if admin_id and self._count_of(admin_id) >= TAILS_PER_ADMIN:
            raise TooManyTailsError
        tail = ConnectionTail(project_id, admin_id)
        self._tails.setdefault(channel, set()).add(tail)
        self._count += 1
        try:
            await self._subscriber.subscribe(channel)
        except BaseException:
            self.close(tail)
            raise
        self._watch_here(project_id)
        if self._ending:
            tail.end()
        return tail

    def _count_of(self, admin_id: str) -> int:
        """Return how many tails an admin has, in all projects."""
        return sum(tail.admin_id == admin_id for tails in self._tails.values() for tail in tails)

    def close(self, tail: ConnectionTail) -> None:
        """Close a tail."""
        channel = keys.connection_events(tail.project_id).encode()
        tails = self._tails[channel]
        tails.remove(tail)
        self._count -= 1
        if not tails:
            del self._tails[channel]
            self._subscriber.unsubscribe(channel)

    def dispatch(self, channel: bytes, messages: Sequence[bytes]) -> bool:
        """Add what was published to the tails of a project. Return whether the channel is that of a tail."""
        tails = self._tails.get(channel)
        if tails is None:
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

    def end_all(self) -> None:
        """End every tail, and those that open from now on, because the worker is about to stop."""
        self._ending = True
        for tails in self._tails.values():
            for tail in tails:
                tail.end()
