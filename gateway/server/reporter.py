"""Reports of this process to the others: that it runs, and how it is.

One task of the process does it, every two seconds. Connections and requests do nothing for it.
"""

import asyncio
import os
import platform
import time
from collections.abc import Mapping, Sequence

from gateway import __version__
from gateway.domain.proxy import Proxies
from gateway.store.nodes import REPORT_SECONDS, NodeReport, NodeStore
from gateway.store.redis.problems import StoreUnavailableError

SLEEP_SECONDS = 0.5
"""How long the task sleeps at a time. That it wakes later is the delay of the event loop."""


class Reporter:
    """Reports of one process. `run` must be running; call `end` at the end."""

    def __init__(self, nodes: NodeStore, node_id: str, kind: str):
        self._nodes = nodes
        self._id = node_id
        self._kind = kind
        self._started_ms = int(time.time() * 1000)
        self._lag = 0.0
        self._redis_ms: float | None = None
        self.proxies = Proxies(())
        """Of a worker, those that its requests are read with."""

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            began = time.monotonic()
            try:
                await self._report()
                self._redis_ms = (time.monotonic() - began) * 1000
            except StoreUnavailableError:
                self._redis_ms = None
            self._lag = 0.0
            await self._sleep(REPORT_SECONDS)

    async def end(self) -> None:
        """Remove the report, because the process ends."""
        await self._nodes.remove(self._id)

    async def _sleep(self, seconds: float) -> None:
        """Sleep, and measure how late the event loop wakes this task."""
        until = time.monotonic() + seconds
        while (before := time.monotonic()) < until:
            await asyncio.sleep(SLEEP_SECONDS)
            self._lag = max(self._lag, time.monotonic() - before - SLEEP_SECONDS)

    async def _report(self) -> None:
        await self._nodes.report(self._present())

    def _present(
        self, connections: Mapping[str, int] | None = None, projects: int = 0, largest: Sequence[tuple[str, int]] = ()
    ) -> NodeReport:
        return NodeReport(
            self._id,
            self._kind,
            __version__,
            platform.node(),
            os.getpid(),
            self._started_ms,
            int(time.time() * 1000),
            connections or {},
            projects,
            largest,
            round(self._lag * 1000, 1),
            round(self._redis_ms, 1) if self._redis_ms is not None else None,
            self.proxies.ignored_peer,
        )
