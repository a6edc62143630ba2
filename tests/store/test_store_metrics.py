"""The metrics of the store, read from real servers."""

import asyncio
import signal
from collections.abc import Sequence
from uuid import uuid4

import pytest
from prometheus_client.metrics_core import Metric

from gateway.domain.delivery import Lane, LaneStatus, Route
from gateway.domain.ids import ProjectId, UserId
from gateway.store import store_metrics
from gateway.store.lanes import LaneStore
from gateway.store.redis.health import ServerHealth, read_health
from gateway.store.store_metrics import FAMILIES, FRESH_SECONDS, StoreMetrics
from tests.servers import RedisServer, free_port
from tests.store.conftest import InspectedClient, close


def values(metrics: Sequence[Metric]) -> dict[tuple[str, ...], float]:
    """Return the samples by name and values of labels."""
    return {(each.name, *each.labels.values()): each.value for metric in metrics for each in metric.samples}


async def test_the_servers_the_lanes_and_the_queue_of_jobs_are_read(client: InspectedClient) -> None:
    project, lanes = ProjectId(f"metrics-{uuid4()}"), LaneStore(client)
    await client.redis.config_set("maxmemory", str(1 << 30))
    await lanes.add(Lane(project, Route.EMAIL), UserId(str(uuid4())))
    await lanes.park(Lane(project, Route.SMS), "a wrong key")
    try:
        metrics = await StoreMetrics(client).read()
        found = values(metrics)
        info = await client.redis.info()
    finally:
        await client.redis.config_set("maxmemory", "0")
        await lanes.forget_project(project)
    assert {metric.name for metric in metrics} == {each.name for each in FAMILIES}
    assert found["inbox_store_up",] == found["inbox_redis_up", "redis"] == 1
    assert found["inbox_redis_memory_used_bytes", "redis"] > 100_000
    assert found["inbox_redis_memory_max_bytes", "redis"] == 1 << 30
    assert found["inbox_redis_evicted_keys_total", "redis"] == info["evicted_keys"]
    assert found["inbox_redis_connected_clients", "redis"] >= 2
    assert found["inbox_redis_aof_enabled", "redis"] == info["aof_enabled"]
    assert found["inbox_redis_persistence_ok", "redis"] == 1
    assert found["inbox_delivery_lanes", "email", "running"] >= 1
    assert found["inbox_delivery_lanes", "sms", "parked"] >= 1
    assert found["inbox_delivery_lane_waiting_users", "email"] >= 1
    assert found["inbox_delivery_lane_oldest_due_seconds", "email"] >= 0
    assert found["inbox_jobs_queued",] >= 0


async def test_several_scrapers_share_a_reading(client: InspectedClient) -> None:
    now = 100.0
    metrics = StoreMetrics(client, lambda: now)
    first, second = await asyncio.gather(metrics.read(), metrics.read())
    assert first is second
    now += FRESH_SECONDS + 1
    assert await metrics.read() is not first


async def test_a_server_that_cannot_be_reached_is_down_and_nothing_else_is_known() -> None:
    client = InspectedClient(f"redis://127.0.0.1:{free_port()}")
    assert values(await StoreMetrics(client).read()) == {("inbox_store_up",): 0, ("inbox_redis_up", "redis"): 0}
    await client.redis.aclose()
    await close(client)


async def test_a_server_that_hangs_does_not_hold_a_scrape_up(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_metrics, "READ_SECONDS", 0.1)
    client = InspectedClient(redis_server.url)
    await client.load()
    assert redis_server.process is not None
    redis_server.process.send_signal(signal.SIGSTOP)
    try:
        async with asyncio.timeout(10):
            assert values(await StoreMetrics(client).read()) == {("inbox_store_up",): 0}
    finally:
        redis_server.process.send_signal(signal.SIGCONT)
    await client.aclose()


def test_one_of_several_servers_may_be_down() -> None:
    healths = [ServerHealth("a:1", used_memory=5, persistence="none"), ServerHealth("b:2", problem="gone")]
    found = values(list(store_metrics._server_metrics(healths)))
    assert (found["inbox_store_up",], found["inbox_redis_up", "a:1"], found["inbox_redis_up", "b:2"]) == (0, 1, 0)
    assert found["inbox_redis_aof_enabled", "a:1"] == 0
    assert ("inbox_redis_memory_used_bytes", "b:2") not in found


def test_the_lag_of_the_replica_that_is_furthest_behind_is_read() -> None:
    slaves = "slave0:ip=10.0.0.1,port=1,state=online,offset=900,lag=0\r\nslave1:ip=10.0.0.2,offset=950,lag=1\r\n"
    assert read_health("", f"connected_slaves:2\r\n{slaves}master_repl_offset:1000\r\n").replica_lag == 100
    assert read_health("", "master_repl_offset:1000\r\n").replica_lag == 0


def test_a_lane_that_is_held_back_is_not_late() -> None:
    lane = Lane(ProjectId("1"), Route.EMAIL)
    held = LaneStatus(lane=lane, waiting=2, first_due_ms=1_000, not_before_ms=99_000)
    late = LaneStatus(lane=lane, waiting=3, first_due_ms=2_000)
    found = values(list(store_metrics._lane_metrics([held], 11_000)))
    assert found["inbox_delivery_lane_oldest_due_seconds", "email"] == 0
    found = values(list(store_metrics._lane_metrics([held, late], 11_000)))
    assert found["inbox_delivery_lane_oldest_due_seconds", "email"] == 9
    assert found["inbox_delivery_lane_waiting_users", "email"] == 5
