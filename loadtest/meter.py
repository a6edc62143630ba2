"""Measuring a period: the CPU of servers and clients, and the faults of the events that were sent."""

import asyncio
import contextlib
import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

from loadtest import machine
from loadtest.crowd import Crowd
from loadtest.journal import EventJournal, Faults
from loadtest.machine import Usage
from loadtest.targets.base import Target

DELIVERY_SECONDS = 10.0
"""An event that has not arrived by then is lost."""

TRAILING_SECONDS = 0.05
"""How long a server is measured after the last event: its work after a delivery is part of the cost."""

VERDICT_SECONDS = 0.25
"""How long the clients wait for duplicates, whose number is unknown."""


class Meter:
    """The CPU of a target and of the clients since it was created. Raise ProcessGoneError when a process ended."""

    def __init__(self, target: Target):
        self._pids = target.pids()
        self._target = target
        self._before = machine.usage(self._pids)

    async def trailing(self) -> None:
        """Wait for the work of the server that follows the last delivery, so that it is counted."""
        await asyncio.sleep(TRAILING_SECONDS)

    def read(self) -> Usage:
        """Return the CPU used since the creation."""
        return machine.usage(self._pids) - self._before

    def figures(self, count: float) -> dict[str, Any]:
        """Return the CPU for each of `count` by role, in microseconds.

        Figures are None if the processes are unknown.
        """
        spent = self.read()
        figures: dict[str, Any] = {**spent.per(count), "server_busy": spent.server_busy(self._target.cores)}
        if not self._pids:
            figures |= dict.fromkeys(("cpu_us", "cpu_us_server", "cpu_us_redis", "server_busy"))
        return {**figures, "client_busy": spent.client_busy}


@contextlib.contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Disable the garbage collector of the clients for a block, so that it does not pause them."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def crowd_faults(crowd: Crowd) -> Faults:
    """Return the faults of the connections themselves."""
    return Faults(closed=crowd.ended, resets=crowd.resets)


async def verdict(crowd: Crowd, journal: EventJournal) -> Faults:
    """Wait for duplicates, then return all faults."""
    await asyncio.sleep(VERDICT_SECONDS)
    return crowd_faults(crowd) + journal.verify(crowd.clients)


async def until(condition: Callable[[], Any], seconds: float = DELIVERY_SECONDS) -> bool:
    """Wait until a condition is true. Return whether it was in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.005)
    return True
