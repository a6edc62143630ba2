"""Closing all connections of a worker, spread over time: before it stops, or after its store was replaced."""

import asyncio
import random
import time

from gateway.domain.errors import CloseCode
from gateway.live.connection import Connection
from gateway.live.deadlines import Deadlines
from gateway.live.pacing import paced, retry_after_ms

DRAIN_BATCH = 32
"""How many connections are closed in one go while a worker drains."""

RESYNC_SECONDS = 1.0
"""The pause after which connections are closed when the store was replaced. Their logs are read again meanwhile."""


async def drain(connections: Deadlines[Connection], seconds: float) -> None:
    """Close every connection, spread over the given time, and return when all are closed.

    Those that remain when the time is over are aborted.
    """
    closing = list(connections)
    random.shuffle(closing)
    pause = 0.8 * seconds / max(1, len(closing))
    deadline = time.monotonic() + seconds
    async for connection in paced(closing, DRAIN_BATCH, DRAIN_BATCH * pause):
        retry = random.randint(100, max(200, int(1000 * seconds)))
        connection.perform(connection.session.close(CloseCode.DRAINING, retry))
    while len(connections) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    for connection in list(connections):
        connection.transport.abort()


async def close_after_store_replacement(connections: Deadlines[Connection]) -> None:
    """Close every connection that is open now, after a pause. In the new store, its user may have another id."""
    closing = list(connections)
    await asyncio.sleep(RESYNC_SECONDS)
    async for connection in paced(closing, pause_seconds=0.1):
        connection.perform(connection.session.close(CloseCode.TRY_AGAIN_LATER, retry_after_ms()))
