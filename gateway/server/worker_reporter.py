"""Reports of a worker: those of every process, and its live connections by project."""

import time
from collections.abc import Mapping
from typing import TypeAlias

from gateway.domain.ids import ProjectId
from gateway.live.hub import Hub
from gateway.server.reporter import Reporter
from gateway.store.nodes import NodeStore
from gateway.store.usage import UsageWriter

REPEAT_SECONDS = 60.0
"""How often connections that have not changed are reported again."""

LARGEST = 10

_Counts: TypeAlias = tuple[int, ...]


class WorkerReporter(Reporter):
    """Reports of a worker, with its live connections."""

    def __init__(self, nodes: NodeStore, node_id: str, hub: Hub, usage: UsageWriter):
        super().__init__(nodes, node_id, "worker")
        self._hub = hub
        self._figures = hub.figures
        self._usage = usage
        self._reported: dict[ProjectId, _Counts] = {}
        self._repeat_at = 0.0
        self._minute = 0

    async def end(self) -> None:
        """Remove the report and the connections, because the worker ends."""
        await self._nodes.store_connections(self._id, dict.fromkeys(self._reported, ()))
        await super().end()

    async def _report(self) -> None:
        self._figures.mark(self._hub.connection_count)
        present = {project_id: tuple(counts) for project_id, counts in self._figures}
        totals = {project_id: sum(counts) for project_id, counts in present.items()}
        largest = sorted(totals.items(), key=lambda each: -each[1])[:LARGEST]
        report = self._present(self._figures.by_transport(), len(present), largest)
        self._figures.watched = (await self._nodes.report(report)).watched
        await self._report_connections(present)
        minute = int(time.time() // 60)
        if minute != self._minute:
            self._minute = minute
            await self._usage.sample_connections(totals.items())

    async def _report_connections(self, present: Mapping[ProjectId, _Counts]) -> None:
        """Store the connections of projects that have changed since the last report, and now and then of all."""
        now = time.monotonic()
        if now >= self._repeat_at:
            self._repeat_at = now + REPEAT_SECONDS
            changed = dict(present)
        else:
            changed = {each: counts for each, counts in present.items() if self._reported.get(each) != counts}
        changed |= dict.fromkeys(self._reported.keys() - present.keys(), ())
        await self._nodes.store_connections(self._id, changed)
        self._reported = dict(present)
