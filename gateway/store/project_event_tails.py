"""The open tails of this worker: streams of a project's events, from the messages that are published with each append.

A tail is subscribed first and reads the log after that, so it misses nothing in between. Its reader takes what has
arrived. If more arrives than a tail holds, or messages may have been lost, the tail drops what it holds, and its reader
continues from the log. So a slow reader is never sent more than the tail holds, and delays nobody.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from gateway.domain.ids import ProjectId
from gateway.store import keys
from gateway.store.errors import TooManyTailsError
from gateway.store.project_event_log import StoredEvent, read_published
from gateway.store.redis.subscriber import Subscriber
from gateway.telemetry.logs import log
from gateway.telemetry.metrics import PROJECT_TAILS

HELD_EVENTS = 1000
"""How many events a tail holds for its reader: at most 0.5 MB."""

TAILS_PER_PROJECT = 10
TAILS = 200
TAILS_PER_ADMIN = 4
"""How many tails a worker has at most, of a project, in all, and of an admin in all projects: one admin must not hold
those of a project. Each costs a task, and a check of its credentials a
second."""


class EventTail:
    """One open tail. Call `wait`, then `take`."""

    def __init__(self, project_id: ProjectId, admin_id: str = ""):
        self.project_id = project_id
        self.admin_id = admin_id
        """The admin who reads it, "" for a backend."""
        self.is_ending = False
        """Whether the worker is about to stop."""
        self._held: list[StoredEvent] = []
        self._missed = False
        self._changed = asyncio.Event()

    def add(self, events: Sequence[StoredEvent]) -> None:
        """Hold events for the reader."""
        if len(self._held) + len(events) > HELD_EVENTS:
            self.miss()
        elif not self._missed:
            self._held += events
            self._changed.set()

    def miss(self) -> None:
        """Make the reader continue from the log."""
        self._held.clear()
        self._missed = True
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

    def take(self) -> tuple[list[StoredEvent], bool]:
        """Return the events that arrived, and whether the reader must read the log, which has more."""
        self._changed.clear()
        taken, missed = self._held, self._missed
        self._held, self._missed = [], False
        return taken, missed


class EventTails:
    """All tails of this worker."""

    def __init__(self, subscriber: Subscriber):
        self._subscriber = subscriber
        self._tails: dict[bytes, set[EventTail]] = {}
        self._count = 0
        self._ending = False

    async def open(self, project_id: ProjectId, admin_id: str = "") -> EventTail:
        """Open a tail, and return it once it receives events. Call `close` afterwards.

        Raises TooManyTailsError and StoreUnavailableError.
        """
        channel = keys.project_events(project_id).encode()
        if self._count >= TAILS or len(self._tails.get(channel, ())) >= TAILS_PER_PROJECT:
            raise TooManyTailsError
        if admin_id and self._count_of(admin_id) >= TAILS_PER_ADMIN:
            raise TooManyTailsError
        tail = EventTail(project_id, admin_id)
        self._tails.setdefault(channel, set()).add(tail)
        self._count += 1
        PROJECT_TAILS.inc()
        try:
            await self._subscriber.subscribe(channel)
        except BaseException:
            self.close(tail)
            raise
        if self._ending:
            tail.end()
        return tail

    def _count_of(self, admin_id: str) -> int:
        """Return how many tails an admin has, in all projects."""
        return sum(tail.admin_id == admin_id for tails in self._tails.values() for tail in tails)

    def close(self, tail: EventTail) -> None:
        """Close a tail."""
        channel = keys.project_events(tail.project_id).encode()
        tails = self._tails[channel]
        tails.remove(tail)
        self._count -= 1
        PROJECT_TAILS.dec()
        if not tails:
            del self._tails[channel]
            self._subscriber.unsubscribe(channel)

    def dispatch(self, channel: bytes, messages: Sequence[bytes]) -> None:
        """Add the events of messages to the tails of a project. Messages of another channel are ignored."""
        tails = self._tails.get(channel)
        if not tails:
            return
        try:
            events = [event for message in messages for event in read_published(message)]
        except ValueError:
            log.error("foreign_message", channel=channel)
            self.interrupted(channel)
            return
        for tail in tails:
            tail.add(events)

    def interrupted(self, channel: bytes) -> None:
        """Make the tails of a project read the log, because messages may have been lost."""
        for tail in self._tails.get(channel, ()):
            tail.miss()

    def end_all(self) -> None:
        """End every tail, and those that open from now on, because the worker is about to stop."""
        self._ending = True
        for tails in self._tails.values():
            for tail in tails:
                tail.end()
