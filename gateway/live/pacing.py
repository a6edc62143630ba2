"""Spreading work and reconnects over time: loops over all connections, and when closed clients reconnect."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

CONNECTIONS_PER_BATCH = 500
"""How many connections are examined, and perhaps closed, before other tasks may run: some 20 ms of work."""

_RETRY_MS = (200, 2000)
"""Reconnects after a slow reader or an outage are spread over this range."""

T = TypeVar("T")


async def paced(items: Sequence[T], batch: int = CONNECTIONS_PER_BATCH, pause_seconds: float = 0.0) -> AsyncIterator[T]:
    """Yield items, and sleep after each full batch of them."""
    for number, item in enumerate(items, 1):
        yield item
        if number % batch == 0:
            await asyncio.sleep(pause_seconds)


def retry_after_ms() -> int:
    """Return a random pause in milliseconds, after which a closed client reconnects: many must not do so at once."""
    return random.randint(*_RETRY_MS)
