"""Metrics of what all nodes share: the Redis servers, the delivery lanes and the queue of jobs.

They are read when the metrics are, at most once in FRESH_SECONDS by a process. Every node shows the same figures.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

from prometheus_client.metrics_core import Metric

from gateway.domain.delivery import LaneState, LaneStatus
from gateway.store import keys
from gateway.store.lanes import LaneStore
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.health import ServerHealth, server_healths
from gateway.store.redis.problems import StoreUnavailableError
from gateway.telemetry.families import counter, gauge

FRESH_SECONDS = 5.0
"""How long what was read is shown again, to other scrapers."""

READ_SECONDS = 2.0
"""How long a scrape waits for Redis. Prometheus waits for 10 s by default."""

LANES = 1000
"""How many lanes are read: those that are parked, and those that wait longest."""

STORE_UP = gauge("inbox_store_up", "1 if every Redis server replied to this node, otherwise 0.")
SERVER_UP = gauge("inbox_redis_up", "1 if the Redis server replied to this node, otherwise 0.", "server")
SERVER_INFO = gauge(
    "inbox_redis_info",
    "Always 1; the labels have the version of the server, `primary` or `replica`, its eviction policy, and how it "
    "persists data: `aof`, `rdb` or `none`.",
    "server",
    "version",
    "role",
    "policy",
    "persistence",
)
MEMORY_USED = gauge("inbox_redis_memory_used_bytes", "Memory that the data of the Redis server takes.", "server")
MEMORY_MAX = gauge("inbox_redis_memory_max_bytes", "Bound of this memory (maxmemory); 0 without one.", "server")
EVICTED = counter("inbox_redis_evicted_keys", "Keys that the Redis server deleted for lack of memory.", "server")
CLIENTS = gauge("inbox_redis_connected_clients", "Connections to the Redis server.", "server")
COMMANDS = gauge("inbox_redis_commands_per_second", "Commands that the Redis server processes.", "server")
UPTIME = gauge("inbox_redis_uptime_seconds", "Time since the Redis server was started.", "server")
AOF = gauge("inbox_redis_aof_enabled", "1 if the Redis server writes an append-only file, otherwise 0.", "server")
SAVING = gauge(
    "inbox_redis_persistence_ok",
    "0 after the last write of the server to its disk failed, otherwise 1.",
    "server",
)
REPLICAS = gauge("inbox_redis_connected_replicas", "Replicas that are connected to the Redis server.", "server")
REPLICA_LAG = gauge(
    "inbox_redis_replica_lag_bytes", "Bytes that the replica that is furthest behind has not received.", "server"
)
LANE_COUNT = gauge(
    "inbox_delivery_lanes",
    "Lanes that have something to send or are parked, by state: `running`, `throttled`, `failing`, `parked`.",
    "lane",
    "state",
)
LANE_WAITING = gauge("inbox_delivery_lane_waiting_users", "Users who have something to be sent.", "lane")
LANE_OLDEST = gauge(
    "inbox_delivery_lane_oldest_due_seconds",
    "For how long the first user is due, of lanes that are not parked or throttled.",
    "lane",
)
JOBS_QUEUED = gauge("inbox_jobs_queued", "Jobs of all nodes that are not finished, those that run included.")

FAMILIES = (
    *(STORE_UP, SERVER_UP, SERVER_INFO, MEMORY_USED, MEMORY_MAX, EVICTED, CLIENTS, COMMANDS, UPTIME, AOF, SAVING),
    *(REPLICAS, REPLICA_LAG, LANE_COUNT, LANE_WAITING, LANE_OLDEST, JOBS_QUEUED),
)

_SERVER_NUMBERS = (
    *((MEMORY_USED, "used_memory"), (MEMORY_MAX, "max_memory"), (EVICTED, "evicted_keys"), (CLIENTS, "clients")),
    *((COMMANDS, "commands_per_second"), (UPTIME, "uptime"), (SAVING, "is_saving_well"), (REPLICAS, "replicas")),
    (REPLICA_LAG, "replica_lag"),
)


class StoreMetrics:
    """Reads the metrics of the store for one process."""

    def __init__(self, client: FunctionClient, monotonic: Callable[[], float] = time.monotonic):
        self._client = client
        self._lanes = LaneStore(client)
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._read_at = float("-inf")
        self._found: Sequence[Metric] = ()

    async def read(self) -> Sequence[Metric]:
        """Return the metrics. What cannot be read within READ_SECONDS is left out. This raises nothing."""
        async with self._lock:  # several scrapers share one reading
            if self._monotonic() - self._read_at > FRESH_SECONDS:
                self._found = await self._read_all()
                self._read_at = self._monotonic()
            return self._found

    async def _read_all(self) -> Sequence[Metric]:
        parts = await asyncio.gather(_attempt(self._servers()), _attempt(self._deliveries()), _attempt(self._jobs()))
        servers, lanes, jobs = parts
        return [*(servers or (STORE_UP.metric(((), 0)),)), *(lanes or ()), *(jobs or ())]

    async def _servers(self) -> list[Metric]:
        return list(_server_metrics(await server_healths(self._client)))

    async def _deliveries(self) -> list[Metric]:
        return list(_lane_metrics(await self._lanes.all(LANES), time.time() * 1000))

    async def _jobs(self) -> list[Metric]:
        return [JOBS_QUEUED.metric(((), await self._client.command("ZCARD", keys.JOB_QUEUE)))]


async def _attempt(reading: Awaitable[list[Metric]]) -> list[Metric] | None:
    """Return what is read, None if that fails or takes too long. The store's own reports log why."""
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await reading
    except (StoreUnavailableError, TimeoutError):
        return None


def _server_metrics(healths: Sequence[ServerHealth]) -> Iterator[Metric]:
    names = {each: (each.name or "redis",) for each in healths}  # a single server has no name
    replied = {each: name for each, name in names.items() if not each.problem}
    yield STORE_UP.metric(((), len(replied) == len(names)))
    yield SERVER_UP.metric(*((name, each in replied) for each, name in names.items()))
    yield SERVER_INFO.metric(
        *(((*name, each.version, each.role, each.policy, each.persistence), 1) for each, name in replied.items())
    )
    for family, field in _SERVER_NUMBERS:
        yield family.metric(*((name, getattr(each, field)) for each, name in replied.items()))
    yield AOF.metric(*((name, each.persistence == "aof") for each, name in replied.items()))


def _lane_metrics(lanes: Iterable[LaneStatus], now_ms: float) -> Iterator[Metric]:
    counts: dict[tuple[str, str], int] = defaultdict(int)
    waiting: dict[str, int] = defaultdict(int)
    oldest: dict[str, float] = defaultdict(float)
    for status in lanes:
        name, state = status.lane.route.name.lower(), status.state(now_ms)
        counts[name, state.value] += 1
        waiting[name] += status.waiting
        late = status.lag_seconds(now_ms) if state in (LaneState.RUNNING, LaneState.FAILING) else 0.0
        oldest[name] = max(oldest[name], late)
    yield LANE_COUNT.metric(*counts.items())
    yield LANE_WAITING.metric(*(((name,), number) for name, number in waiting.items()))
    yield LANE_OLDEST.metric(*(((name,), seconds) for name, seconds in oldest.items()))
