"""Loops over all connections that leave time for everything else."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

CONNECTIONS_PER_BATCH = 500
"""How many connections are examined, and perhaps closed, before other tasks may run: some 20 ms of work."""

T = TypeVar("T")


async def paced(items: Sequence[T], batch: int = CONNECTIONS_PER_BATCH, pause_seconds: float = 0.0) -> AsyncIterator[T]:
    """Yield items, and sleep after each full batch of them."""
    for number, item in enumerate(items, 1):
        yield item
        if number % batch == 0:
            await asyncio.sleep(pause_seconds)
