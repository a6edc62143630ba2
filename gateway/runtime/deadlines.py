"""Acts on connections whose deadline in a `TimerWheel` has passed."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from gateway.telemetry.faults import log_fault

TICK_SECONDS = 0.25
"""The time between two checks of a timer wheel: the length of one of its slots."""


class HasDeadline(Protocol):
    """A connection with a deadline."""

    @property
    def transport(self) -> asyncio.Transport:
        """The connection's transport."""

    def on_deadline(self, now: float) -> None:
        """Act on a deadline that has passed. `now` is monotonic seconds."""


def pass_deadlines(due: Iterable[HasDeadline], now: float) -> None:
    """Call `on_deadline` of each connection. One that raises is logged and aborted, and the others are still called."""
    for connection in due:
        try:
            connection.on_deadline(now)
        except Exception as problem:
            log_fault("deadline_failed", problem)
            connection.transport.abort()
