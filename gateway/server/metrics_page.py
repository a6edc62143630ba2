"""The metrics of this node: what was counted in its processes, and what the store has at the moment."""

import asyncio

from gateway.store.store_metrics import StoreMetrics
from gateway.telemetry import tallies
from gateway.telemetry.exposition import MetricsText, exposition


class MetricsPage:
    """The metrics, for `/metrics`. `process` is the name of this process where no supervisor has named it."""

    def __init__(self, store: StoreMetrics, process: str):
        self._store = store
        self._process = process
        self._lock = asyncio.Lock()

    async def read(self, accept: str) -> MetricsText:
        """Return all metrics, in the format that an Accept header prefers. Redis has two seconds to reply."""
        store = await self._store.read()
        async with self._lock:  # one at a time, because anybody may ask
            tallies.collect()
            # In a thread, so that live events do not wait for it.
            return await asyncio.to_thread(exposition, accept, self._process, store)
