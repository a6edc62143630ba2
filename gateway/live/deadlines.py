"""The deadlines of live connections: authentication, heartbeats, expiry of credentials, end of the close handshake."""

import asyncio
import random
import time
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from gateway.live.pacing import paced
from gateway.runtime.deadlines import TICK_SECONDS, HasDeadline, pass_deadlines
from gateway.runtime.timer_wheel import TimerWheel
from gateway.telemetry.logs import log

CLOSE_SECONDS = 5.0
"""The time that a client has to end a connection after its goodbye, before the socket is aborted."""

CLOCK_JUMP_SECONDS = 0.5
"""How far wall clock and monotonic clock must diverge, since the start or the last jump, to count as a jump.

A clock that is slewed (corrected gradually) gains far less in a tick, and may count as a jump after many minutes.
"""


class Scheduled(HasDeadline, Protocol):
    """A connection with a deadline that it can compute."""

    deadline_slot: int | None

    def next_deadline(self, now: float, unix_now: float) -> float | None:
        """Return the deadline in monotonic seconds, None for a connection that is closed."""


ScheduledT = TypeVar("ScheduledT", bound=Scheduled)


class Deadlines(Generic[ScheduledT]):
    """One deadline for each connection of a worker. Iterating yields the connections. `run` must be running."""

    def __init__(self, heartbeat_seconds: float):
        self._heartbeat_seconds = heartbeat_seconds
        self._wheel: TimerWheel[ScheduledT] = TimerWheel(time.monotonic())

    def __len__(self) -> int:
        return len(self._wheel)

    def __iter__(self) -> Iterator[ScheduledT]:
        return iter(self._wheel)

    def schedule(self, connection: ScheduledT) -> None:
        """Set the deadline that a connection computes. A connection that is closed keeps the one it has."""
        when = connection.next_deadline(time.monotonic(), time.time())
        if when is not None:
            self._set(connection, when)

    def schedule_first_heartbeat(self, connection: ScheduledT) -> None:
        """Set the deadline of the first heartbeat at random, so that connections opened together spread out."""
        now = time.monotonic()
        first = now + random.uniform(0.2, 1.0) * self._heartbeat_seconds
        when = connection.next_deadline(now, time.time())
        self._set(connection, first if when is None else min(first, when))

    def schedule_abort(self, connection: ScheduledT) -> None:
        """Set the deadline at which a connection that is closing is aborted, if its client has not ended it."""
        self._set(connection, time.monotonic() + CLOSE_SECONDS)

    def cancel(self, connection: ScheduledT) -> None:
        """Remove the deadline of a connection."""
        if connection.deadline_slot is not None:
            self._wheel.cancel(connection, connection.deadline_slot)

    async def run(self) -> None:
        """Call `on_deadline` of each connection whose deadline passes, until cancelled."""
        wall_clock_ahead = time.time() - time.monotonic()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            if abs(time.time() - now - wall_clock_ahead) > CLOCK_JUMP_SECONDS:
                wall_clock_ahead = time.time() - now
                await self._clock_jumped()
            pass_deadlines(self._wheel.due(now), now)

    async def _clock_jumped(self) -> None:
        """Compute every deadline again: a token may have expired by now, or may not expire for a while yet."""
        log.warning("clock_jumped")
        async for connection in paced(list(self._wheel)):
            self.schedule(connection)

    def _set(self, connection: ScheduledT, when: float) -> None:
        connection.deadline_slot = self._wheel.schedule(connection, when, connection.deadline_slot)
