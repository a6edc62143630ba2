"""`status`."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from importlib import import_module

import pytest

from gateway.domain.delivery import Lane, Route
from gateway.domain.ids import ProjectId, UserId
from gateway.settings import Settings
from gateway.store.lanes import LaneStore
from gateway.store.library import LIBRARY
from gateway.store.nodes import NodeReport, NodeStore
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from gateway.store.usage import UsageWriter
from gateway.store.usage_counts import Failure, UsageCounts
from tests.cli.conftest import Command
from tests.servers import RedisServer

_module = import_module("gateway.cli.status")
PROJECT, USER = ProjectId("1"), UserId("9cc36f60-8fc9-4efb-9d17-dc25c7197c85")


def on_store(server: RedisServer, work: Callable[[FunctionClient], Awaitable[None]]) -> None:
    async def run() -> None:
        client = FunctionClient(Topology(Settings(redis_url=server.url)), LIBRARY)
        try:
            await client.load()
            await work(client)
        finally:
            client.close()

    asyncio.run(run())


async def at_work(client: FunctionClient) -> None:
    """Two processes, a lane that waits, one that is parked, and a delivery that failed."""
    now = int(time.time() * 1000)
    connections = {"websocket": 1200, "sse": 3}
    nodes = NodeStore(client)
    await nodes.report(
        NodeReport("w", "worker", "1.2.3", "web-1", 7, now - 7_500_000, now, connections, 1, (), 4.2, 0.5)
    )
    await nodes.report(NodeReport("d", "deliverer", "1.2.3", "web-1", 8, now - 200_000_000, now))
    lanes = LaneStore(client)
    await lanes.add(Lane(PROJECT, Route.EMAIL), USER, 0)
    await lanes.park(Lane(PROJECT, Route.APNS), "InvalidProviderToken")
    counts = UsageCounts()
    counts.ended(PROJECT, Failure(now, USER, "01a22be6", "email", "smtp", "refused", "550\x1b[2J"))
    await UsageWriter(client, counts).write()


@pytest.fixture
def working(run: Command, printed: Callable[..., str], server: RedisServer) -> None:
    printed("project", "create", "Shop")
    on_store(server, at_work)


def test_a_screen_has_processes_connections_the_store_lanes_and_failures(run: Command, working: None) -> None:
    shown = run("status")
    assert shown.exit_code == 0
    worker = next(line for line in shown.stdout.splitlines() if line.startswith("worker"))
    assert " ".join(worker.split()) == "worker web-1 7 1.2.3 2 h 5 m 1,203 4.2 ms 0.5 ms"
    assert "deliverer  web-1  8    1.2.3    2 d 7 h" in shown.stdout
    assert "connections  1,203 (1,200 websocket, 3 sse)" in shown.stdout
    assert "store        valkey " in shown.stdout
    assert "deliveries   1 users wait, the oldest for " in shown.stdout
    assert ["Shop", "apns", "parked", "0", "0", "s", "InvalidProviderToken"] in map(
        str.split, shown.stdout.splitlines()
    )
    assert "Shop     email    refused  550\ufffd[2J" in shown.stdout


def test_the_object_has_the_same_figures(run: Command, working: None) -> None:
    found = json.loads(run("status", "--json").stdout)
    assert found["connections"]["total"] == 1203
    assert [each["kind"] for each in found["processes"]] == ["worker", "deliverer"]
    assert {each["lane"]: each["state"] for each in found["lanes"]} == {"email": "running", "apns": "parked"}
    assert found["jobs"] == {"waiting": 0, "running": 0, "late_seconds": 0}
    assert found["failures"][0]["reason"] == "550\x1b[2J"
    assert found["servers"][0]["problem"] is None


def test_nothing_that_runs_is_said_and_has_a_code_of_its_own(run: Command, environment: pytest.MonkeyPatch) -> None:
    idle = run("status")
    assert (idle.exit_code, "no process runs: start one with" in idle.stdout) == (3, True)
    environment.delenv("INBOX_REDIS_URL")
    for options, says in (((), "nothing runs with the data of "), (("--json",), '"processes": []')):
        idle = run("status", *options)
        assert (idle.exit_code, says in idle.stdout) == (3, True)


def test_watching_repeats_until_it_is_interrupted(run: Command, working: None, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def interrupted(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(_module.asyncio, "sleep", interrupted)
    watched = run("status", "--watch", "--seconds", "0.5", "--json")
    assert (watched.exit_code, slept) == (0, [0.5, 0.5])
    assert [json.loads(line)["connections"]["total"] for line in watched.stdout.splitlines()] == [1203, 1203]


@pytest.mark.parametrize(("seconds", "text"), [(5, "5 s"), (65, "1 m 5 s"), (7260, "2 h 1 m"), (200_000, "2 d 7 h")])
def test_times_have_two_units_at_most(seconds: int, text: str) -> None:
    assert _module.duration(seconds) == text


def test_a_server_that_loses_or_cannot_write_data_is_shown_in_capitals() -> None:
    server = {
        "problem": "",
        "name": "valkey",
        "version": "9.1",
        "used_memory": 2 << 20,
        "max_memory": 0,
        "clients": 3,
        "commands_per_second": 4,
        "persistence": "aof",
        "saves_well": False,
        "replicas": 2,
        "evicted_keys": 1500,
    }
    text = _module._server(server)
    assert "2 MB, no limit" in text
    assert "aof, WRITING TO DISK FAILS" in text
    assert text.endswith("2 replicas, 1,500 KEYS EVICTED")
    assert _module._server({**server, "problem": "does not respond"}) == "valkey: does not respond"
