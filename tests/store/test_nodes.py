"""Reports of processes, and the live connections of projects: those that run are listed, and no others."""

import asyncio
import time

import pytest

from gateway.domain.ids import ProjectId
from gateway.server import reporter
from gateway.server.reporter import Reporter
from gateway.store import keys
from gateway.store.nodes import WATCH_SECONDS, NodeReport, NodeStore
from gateway.store.redis.problems import StoreDataError, StoreUnavailableError
from tests.store.conftest import InspectedClient, new_user


def report(node_id: str, kind: str = "worker", started_ms: int = 0, at_ms: int = 1_000_000) -> NodeReport:
    return NodeReport(node_id, kind, "1.0", "host", 1, started_ms, at_ms)


async def test_a_process_that_no_longer_reports_disappears(client: InspectedClient) -> None:
    store = NodeStore(client)
    for each in (report("d", "deliverer"), report("b", started_ms=2), report("a", started_ms=1)):
        await store.report(each)
    mine = [each.id for each in await store.all() if each.id in "abd"]
    assert mine == ["a", "b", "d"]
    await client.redis.delete(keys.node("a"))  # it expires
    await store.remove("b")
    assert [each.id for each in await store.all() if each.id in "abd"] == ["d"]
    assert await client.redis.smembers(keys.NODES) == {b"d"}
    await store.remove("d")
    assert await store.all() == []


async def test_clocks_of_machines_are_compared_with_the_store_s(client: InspectedClient) -> None:
    store, now = NodeStore(client), int(1000 * time.time())
    assert await store.clocks() == {}
    await store.report(report("a", at_ms=now + 60_000))
    assert await store.clocks() == {"host": pytest.approx(60, abs=2)}
    await store.remove("a")


async def test_connections_count_while_their_worker_runs(client: InspectedClient) -> None:
    store, project = NodeStore(client), new_user().project_id
    assert await store.connections(project) == {}
    for name in ("a", "b", "c"):
        await store.report(report(name))
        await store.store_connections(name, {project: (1, 2, 0, 0)})
    await client.redis.delete(keys.node("b"))
    await store.store_connections("c", {project: ()})
    assert await store.connections(project) == {"a": [1, 2, 0, 0]}
    assert await client.redis.hkeys(keys.live_connections(project)) == [b"a"]
    await client.redis.hset(keys.live_connections(project), "a", "many")
    with pytest.raises(StoreDataError):
        await store.connections(project)
    for name in ("a", "c"):
        await store.remove(name)


async def test_a_project_is_watched_for_a_while(client: InspectedClient) -> None:
    store, project = NodeStore(client), new_user().project_id
    await store.watch(ProjectId("old"), 0)
    await store.watch(project, 1000)
    assert (await store.report(report("a", at_ms=1_000_000))).watched == {project}
    assert (await store.report(report("a", at_ms=1000 * (1001 + WATCH_SECONDS)))).watched == frozenset()
    assert await client.redis.zrange(keys.WATCHED, 0, -1) == [project.encode()]
    await store.remove("a")
    await client.redis.delete(keys.WATCHED)


async def test_a_process_reports_again_when_redis_is_back(
    client: InspectedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporter, "REPORT_SECONDS", 0.02)
    monkeypatch.setattr(reporter, "SLEEP_SECONDS", 0.01)
    store = NodeStore(client)
    client.refusal = lambda: StoreUnavailableError(detail="down")
    mine = Reporter(store, "r", "deliverer")
    running = asyncio.create_task(mine.run())
    await asyncio.sleep(0)
    client.refusal = lambda: None
    while not [each for each in await store.all() if each.redis_ms is not None]:
        await asyncio.sleep(0.01)
    running.cancel()
    await mine.end()
    assert await store.all() == []
