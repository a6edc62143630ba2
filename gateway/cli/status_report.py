"""What `status` reports: processes, connections, servers, lanes, jobs and the latest failures, read from the store."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway import __version__
from gateway.api.v2.delivery_lanes import shown
from gateway.domain.times import rfc3339_ms
from gateway.store.job_figures import job_figures
from gateway.store.lanes import LaneStore
from gateway.store.nodes import TRANSPORTS, NodeReport, NodeStore
from gateway.store.projects import ProjectStore
from gateway.store.redis.health import ServerHealth, server_healths
from gateway.store.usage import UsageReader

LANES = 1000
MAX_PROJECTS = 100
"""Of how many projects failures are read."""

FAILURES = 5


class LaneLine(msgspec.Struct):
    """A lane of a project that has something to send, or is parked."""

    project: str
    lane: str
    state: str
    waiting: int
    late_seconds: int
    reason: str | None


class FailureLine(msgspec.Struct):
    """A delivery that failed."""

    failed_at: str
    project: str
    channel: str
    state: str
    reason: str
    notification_id: str


class Status(msgspec.Struct):
    """The whole report. Sizes are bytes."""

    version: str
    at: str
    processes: list[dict[str, Any]]
    connections: dict[str, int]
    servers: list[dict[str, Any]]
    lanes: list[LaneLine]
    jobs: dict[str, int]
    failures: list[FailureLine]

    @property
    def serves(self) -> bool:
        """Return whether a process runs that serves requests."""
        return any(each["kind"] == "worker" for each in self.processes)


async def read_status(projects: ProjectStore) -> Status:
    """Return what runs now. Raises StoreUnavailableError."""
    client, now = projects.client, time.time()
    found = await projects.all()
    names = {project.id: project.name for project in found}
    nodes = await NodeStore(client).all()
    lanes = [
        (names.get(each.lane.project_id, each.lane.project_id), shown(each, now))
        for each in await LaneStore(client).all(LANES)
        if each.waiting or each.parked
    ]
    jobs = await job_figures(client)
    usage = UsageReader(client)
    failures = [
        (failure, project.name)
        for project in found[:MAX_PROJECTS]
        for failure in await usage.failures(project.id, FAILURES)
    ]
    failures.sort(key=lambda each: -each[0].at_ms)
    return Status(
        __version__,
        rfc3339_ms(int(now * 1000)),
        [_process(each, now) for each in nodes],
        {"total": sum(sum(each.connections.values()) for each in nodes), **_transports(nodes)},
        [_server(each) for each in await server_healths(client)],
        [
            LaneLine(project, each.lane, each.state, each.waiting, each.lag_seconds, each.reason)
            for project, each in lanes
        ],
        {
            "waiting": jobs.jobs - jobs.claimed,
            "running": jobs.claimed,
            "late_seconds": max(0, int(now - jobs.first_due_ms / 1000)) if jobs.first_due_ms else 0,
        },
        [
            FailureLine(
                rfc3339_ms(each.at_ms), project, each.channel, each.state, each.reason or "", each.notification_id
            )
            for each, project in failures[:FAILURES]
        ],
    )


def _process(report: NodeReport, now: float) -> dict[str, Any]:
    return {
        "kind": report.kind,
        "host": report.host,
        "pid": report.pid,
        "version": report.version,
        "uptime_seconds": max(0, int(now - report.started_ms / 1000)),
        "connections": sum(report.connections.values()),
        "loop_lag_ms": report.loop_lag_ms,
        "redis_ms": report.redis_ms,
    }


def _transports(nodes: Sequence[NodeReport]) -> Mapping[str, int]:
    return {name: sum(each.connections.get(name, 0) for each in nodes) for name in TRANSPORTS}


def _server(health: ServerHealth) -> dict[str, Any]:
    return {
        "name": health.name,
        "problem": health.problem or None,
        "version": health.version,
        "used_memory": health.used_memory,
        "max_memory": health.max_memory or None,
        "evicted_keys": health.evicted_keys,
        "clients": health.clients,
        "replicas": health.replicas,
        "commands_per_second": health.commands_per_second,
        "persistence": health.persistence,
        "saves_well": health.is_saving_well,
    }
