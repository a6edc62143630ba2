"""Nodes and Redis servers, as the dashboard shows them: those that run, and how they are."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.store.nodes import GONE_SECONDS, NodeReport, NodeStore
from gateway.store.redis.health import read_health
from loadtest.servers.starting import wait_for
from tests.api.live import open_inbox
from tests.api.v2.stored import Stored, running_stored
from tests.servers import ADMIN

Json = dict[str, Any]
PASSWORD = "a long password of a test"


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """A gateway with two workers and a process that delivers."""
    directory = tmp_path_factory.mktemp("nodes")
    with running_stored(directory, INBOX_WORKERS="2", INBOX_DELIVERY_WORKERS="1") as started:
        yield started


@pytest.fixture(scope="module")
def headers(nodes: Stored) -> dict[str, str]:
    """Return the credentials of an admin, who is a viewer."""

    def admin(*arguments: str, typed: str = "") -> str:
        own = {name: value for name, value in os.environ.items() if not name.startswith("INBOX_")}
        own |= {"INBOX_DATA_DIR": str(nodes.gateway.data_dir), "INBOX_REDIS_URL": nodes.redis_url}
        return subprocess.run(
            [sys.executable, "-m", "gateway", "admin", *arguments],
            env=own,
            input=typed,
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout

    admin("create", "ada@example.com", "--password-stdin", "--role", "viewer", typed=PASSWORD)
    token = admin("token", "ada@example.com").split()[-1]
    return {"Authorization": f"Bearer {token}"}


def read(nodes: Stored, headers: dict[str, str]) -> Json:
    found: Json = httpx.get(f"{nodes.gateway.url}/admin/api/nodes", headers=headers).raise_for_status().json()
    return found


async def test_processes_report_their_connections_and_disappear_when_they_die(
    nodes: Stored, headers: dict[str, str]
) -> None:
    def all_there() -> Json | None:
        found = read(nodes, headers)
        return found if [each["kind"] for each in found["nodes"]] == ["worker", "worker", "deliverer"] else None

    found = wait_for(all_there, "reports of all processes", 20)
    assert len({each["id"] for each in found["nodes"]}) == len({each["pid"] for each in found["nodes"]}) == 3
    assert all(each["version"] and each["host"] and each["loop_lag_ms"] >= 0 for each in found["nodes"])
    async with open_inbox(nodes.gateway, "ada"):
        found = wait_for(
            lambda: (found := read(nodes, headers)) and any(each["connections"] for each in found["nodes"]) and found,
            "a connection",
        )
        (node,) = [each for each in found["nodes"] if each["connections"]]
        assert node["connections_by_transport"]["websocket"] == 1
        assert node["largest_projects"] == [{"project_id": "1", "connections": 1}]
    dead = found["nodes"][0]
    os.kill(dead["pid"], signal.SIGKILL)
    wait_for(
        lambda: dead["id"] not in {each["id"] for each in read(nodes, headers)["nodes"]}, "its end", GONE_SECONDS + 20
    )


def test_redis_and_the_lanes_are_described(nodes: Stored, headers: dict[str, str]) -> None:
    found = read(nodes, headers)
    (server,) = found["redis"]
    assert server["problem"] is None
    assert server["version"].startswith("valkey ")
    assert server["role"] == "primary"
    assert server["used_memory"] > 0
    assert server["saves_well"]
    assert found["deliveries"] == {"lanes": {}, "waiting": 0, "oldest_seconds": 0, "truncated": False}


def test_others_are_refused(nodes: Stored) -> None:
    assert httpx.get(f"{nodes.gateway.url}/admin/api/nodes").status_code == 401
    assert httpx.get(f"{nodes.gateway.url}/admin/api/nodes", headers=ADMIN).status_code == 401


async def test_a_process_that_ends_removes_its_report(nodes: Stored) -> None:
    async with nodes.client() as client:
        store = NodeStore(client)
        await store.report(NodeReport("gone", "worker", "1", "h", 1, 0, 1_000))
        assert "gone" in {each.id for each in await store.all()}
        await store.remove("gone")
        assert "gone" not in {each.id for each in await store.all()}


def test_a_server_that_tells_little_is_shown_with_what_it_tells() -> None:
    health = read_health("a:1", "redis_version:7.2.4\r\nrole:slave\r\naof_enabled:1\r\naof_last_write_status:err\r\n")
    assert (health.version, health.role, health.persistence, health.is_saving_well) == (
        "redis 7.2.4",
        "replica",
        "aof",
        False,
    )
    assert (health.max_memory, health.used_memory, health.policy) == (0, 0, "")
