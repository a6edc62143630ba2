"""The processes that run now: workers and those that deliver. Each reports every few seconds.

A report expires by itself, so a process that has died disappears without a clock being compared.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from gateway.domain.ids import ProjectId
from gateway.store import keys
from gateway.store.redis.client import CALLS_AT_ONCE, Argument, FunctionClient
from gateway.store.redis.problems import StoreDataError, decoding

TRANSPORTS = ("websocket", "sse", "sse_http10", "long_poll")
"""The transports of live connections, in the order of the numbers that are stored of a project."""

REPORT_SECONDS = 2.0
GONE_SECONDS = 12
"""How long after its last report a process is listed: five reports, and a pause of Redis."""

LIVE_SECONDS = 600
"""How long the connections of a project are kept without a report. Reports repeat them every minute."""

WATCH_SECONDS = 30
"""How long a project is watched after somebody has asked for it."""

MAX_WATCHED = 200


class NodeReport(msgspec.Struct, frozen=True):
    """What a process reports. Times are unix milliseconds.

    `connections` has the live connections by transport, `largest` the projects with the most, and `projects` how many
    projects have any. `loop_lag_ms` is the longest delay of the event loop since the last report, and `redis_ms` how
    long Redis took for that. `untrusted_proxy` is an address from which X-Forwarded-For was ignored, "" for none.
    """

    id: str
    kind: str
    version: str
    host: str
    pid: int
    started_ms: int
    at_ms: int
    connections: Mapping[str, int] = {}
    projects: int = 0
    largest: Sequence[tuple[str, int]] = ()
    loop_lag_ms: float = 0.0
    redis_ms: float | None = None
    untrusted_proxy: str = ""


class Reported(NamedTuple):
    """What a process learns when it reports."""

    watched: frozenset[ProjectId]


class NodeStore:
    """The reports of all processes. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def report(self, report: NodeReport) -> Reported:
        """Store a report, and return the projects whose connections somebody watches."""
        now = report.at_ms // 1000
        _, _, watched = await self._client.commands(
            ("SET", keys.node(report.id), msgspec.json.encode(report), "EX", GONE_SECONDS),
            ("SADD", keys.NODES, report.id),
            ("ZRANGE", keys.WATCHED, now, "+inf", "BYSCORE", "LIMIT", 0, MAX_WATCHED),
        )
        return Reported(frozenset(ProjectId(each.decode()) for each in watched))

    async def remove(self, node_id: str) -> None:
        """Remove the report of a process that ends."""
        await self._client.commands(("UNLINK", keys.node(node_id)), ("SREM", keys.NODES, node_id))

    async def all(self) -> list[NodeReport]:
        """Return the reports of the processes that run, by kind, host and start."""
        ids: list[bytes] = sorted(await self._client.command("SMEMBERS", keys.NODES))
        if not ids:
            return []
        found = await self._client.command("MGET", *(keys.node(each.decode()) for each in ids))
        gone = [node_id for node_id, each in zip(ids, found, strict=True) if each is None]
        if gone:
            await self._client.command("SREM", keys.NODES, *gone)
        with decoding("the report of a process"):
            reports = [msgspec.json.decode(each, type=NodeReport) for each in found if each is not None]
        return sorted(reports, key=lambda each: (each.kind != "worker", each.host, each.started_ms, each.id))

    async def clocks(self) -> Mapping[str, float]:
        """Return how many seconds the clock of each machine is ahead of the store's, to a second and a half.

        A report has the time of its machine, and what is left of its lifetime says when the store received it.
        """
        reports = await self.all()
        if not reports:
            return {}
        remaining = await self._client.commands(*(("TTL", keys.node(each.id)) for each in reports))
        seconds, micros = await self._client.run_on((await self._client.nodes())[0], "TIME")
        now = int(seconds) + int(micros) / 1_000_000
        return {
            each.host: each.at_ms / 1000 - (now - (GONE_SECONDS - left))
            for each, left in zip(reports, remaining, strict=True)
            if left > 0
        }

    async def watch(self, project_id: ProjectId, now: float) -> None:
        """Have workers make events of a project's connections for WATCH_SECONDS. They learn it at their next report."""
        await self._client.commands(
            ("ZREMRANGEBYSCORE", keys.WATCHED, "-inf", int(now) - WATCH_SECONDS),
            ("ZADD", keys.WATCHED, int(now) + WATCH_SECONDS, project_id),
        )

    async def store_connections(self, node_id: str, counts: Mapping[ProjectId, Sequence[int]]) -> None:
        """Store the connections of projects on a worker, a number for each transport."""
        commands: list[tuple[Argument, ...]] = []
        for project_id, each in counts.items():
            key = keys.live_connections(project_id)
            if any(each):
                commands += (("HSET", key, node_id, " ".join(map(str, each))), ("EXPIRE", key, LIVE_SECONDS))
            else:
                commands.append(("HDEL", key, node_id))
        for first in range(0, len(commands), CALLS_AT_ONCE):
            await self._client.commands(*commands[first : first + CALLS_AT_ONCE])

    async def connections(self, project_id: ProjectId) -> Mapping[str, Sequence[int]]:
        """Return the connections of a project by worker, as the workers that run have reported them."""
        key = keys.live_connections(project_id)
        flat = await self._client.command("HGETALL", key)
        if not flat:
            return {}
        names = [name.decode() for name in flat[::2]]
        running = await self._client.command("MGET", *map(keys.node, names))
        gone = [name for name, each in zip(names, running, strict=True) if each is None]
        if gone:
            await self._client.command("HDEL", key, *gone)
        try:
            return {
                name: [int(number) for number in counts.split()]
                for name, counts in zip(names, flat[1::2], strict=True)
                if name not in gone
            }
        except ValueError as problem:
            raise StoreDataError(detail="the live connections of a project cannot be read") from problem
