"""Faults: a fault is a function that breaks something in a topology, and repairs it before it returns."""

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from loadtest.check.proxy import Proxy
from loadtest.servers.redis_server import RedisServer

LEAST_SILENCE_SECONDS = 4.0
"""The shortest silence: one of less than a heartbeat or two would not be detected."""


@dataclass(frozen=True)
class Fault:
    """A row of the table of faults."""

    name: str
    topology: str
    inject: Callable[[Any, random.Random, float], Awaitable[str | None]]
    """Called with the running topology, the seeded choice and the duration in seconds.

    May return a line on a measurement.
    """

    may_lose: bool = False
    """Whether an acknowledged write may be missing: a promoted replica lacks writes that had not reached it."""

    may_reset: bool = False
    """Whether a device may receive a reset though nothing is lost, because it missed more than the log retains."""

    may_repeat: bool = False
    """Whether a delivery may be repeated although its provider accepted it: what its worker noted may be lost."""

    may_vanish: bool = False
    """Whether an attempt may end before the provider has received it, and the worker cannot know that."""

    quick: bool = True
    """Whether it is part of a quick run."""


async def restart(server: RedisServer, number: int, seconds: float) -> None:
    """Stop a server with a signal and start it again."""
    await asyncio.to_thread(server.stop, number)
    await asyncio.sleep(seconds / 2)
    await asyncio.to_thread(server.start)


async def pause(server: RedisServer, seconds: float) -> None:
    """Stop the process of a server for a time (SIGSTOP)."""
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        server.process.send_signal(signal.SIGCONT)


async def silence(proxy: Proxy, seconds: float) -> None:
    """Leave the connections of a proxy half open for a time."""
    proxy.stop_forwarding()
    try:
        await asyncio.sleep(max(LEAST_SILENCE_SECONDS, seconds))
    finally:
        proxy.resume_forwarding()


@contextlib.asynccontextmanager
async def slow(proxy: Proxy, seconds: float) -> AsyncIterator[None]:
    """Delay all data that passes a proxy, for a block."""
    proxy.delay_seconds = seconds
    try:
        yield
    finally:
        proxy.delay_seconds = 0.0
