"""This build serves the data that the first build of its format stored, and deletes all of it."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from gateway.settings import Settings
from gateway.store import keys
from gateway.store.jobs import JobStore
from gateway.store.lanes import SHARDS
from gateway.store.library import LIBRARY
from gateway.store.project_deletion import ProjectDeletion
from gateway.store.projects import ProjectStore
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from tests.golden.data import SECRET_KEY, load, read_file
from tests.golden.reading import read_responses
from tests.servers import (
    ADMIN,
    SERVER_BINARIES,
    Gateway,
    RedisServer,
    running_gateway,
    running_redis,
    user_headers,
    wait_for,
)

DOCUMENT = read_file()

LEFT = {
    *(keys.PROJECTS + keys.PROJECT_SUFFIXES[name] for name in ("STORE_FORMAT", "STORE_NAME", "WORKSPACES")),
    *(keys.PROJECTS + keys.PROJECT_SUFFIXES[name] for name in ("LAST_PROJECT", "LAST_WORKSPACE")),
    keys.SECRET_KEY_ID,
    keys.LIBRARIES,
    keys.NODES,
    keys.JOB_QUEUE + keys.JOB_SUFFIXES["CLAIMS"],
    *(keys.lanes(shard) for shard in range(SHARDS)),
}
"""The keys that a store without projects keeps."""


@pytest.fixture(scope="module", params=["valkey", "redis"])
def servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RedisServer, Gateway]]:
    """Yield a gateway of this build on a new server that contains the data."""
    if SERVER_BINARIES[request.param] is None:
        pytest.skip("redis-server is not installed")
    directory: Path = tmp_path_factory.mktemp("golden")
    with running_redis(request.param, directory) as server:
        with redis.Redis(port=server.port) as admin:
            load(admin, DOCUMENT["entries"])
        environment = {"INBOX_REDIS_URL": server.url, "INBOX_SECRET_KEY": SECRET_KEY}
        with running_gateway(directory / "data", **environment) as gateway:
            yield server, gateway


@pytest.fixture
def http(servers: tuple[RedisServer, Gateway]) -> Iterator[httpx.Client]:
    """Yield a client of that gateway."""
    with httpx.Client(base_url=servers[1].url, timeout=30) as client:
        yield client


def lacking(expected: Any, found: Any, where: str = "") -> list[str]:
    """Return the differences between what was expected and what was found. Additional fields are ignored."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return [problem for name in expected for problem in lacking(expected[name], found.get(name), f"{where}.{name}")]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = enumerate(zip(expected, found, strict=True))
        return [problem for index, pair in pairs for problem in lacking(*pair, f"{where}[{index}]")]
    return [] if _presented(expected) == _presented(found) else [f"{where}: {found!r} instead of {expected!r}"]


def _presented(value: Any) -> Any:
    """Return a value in the form of this version: times of v2 have milliseconds now, and pages have 50 entries."""
    if not isinstance(value, str):
        return value
    text = re.sub(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)Z$", r"\1.000Z", value)
    return text.replace("page%5Bsize%5D=20", "page%5Bsize%5D=50")


def test_reads_return_what_the_build_that_wrote_the_data_returned(http: httpx.Client) -> None:
    assert lacking(DOCUMENT["answers"], read_responses(http, DOCUMENT["jobs"])) == []


def test_a_repeated_request_gets_its_first_response(http: httpx.Client) -> None:
    first = DOCUMENT["replayed"]
    response = http.post("/notifications", headers={**ADMIN, "Idempotency-Key": first["key"]}, content=first["body"])
    assert (response.status_code, response.text) == (201, first["answer"])


def test_unfinished_work_is_completed(http: httpx.Client) -> None:
    path = f"/imports/{DOCUMENT['unfinished_import']}"
    wait_for(lambda: '"processed"' in http.get(path, headers=ADMIN).text, "the import to be done", 30)
    summary = http.get(path, headers=ADMIN).json()["import"]["summary"]
    assert summary == {"total": 2, "failures": 0, "created": 2, "updated": 0}


def test_everything_can_be_changed_and_deleted_and_no_key_is_left(
    servers: tuple[RedisServer, Gateway], http: httpx.Client
) -> None:
    change_everything(http)
    for user in ("ada", "cat", "imported-1"):
        assert http.delete(f"/users/external_id:{user}", headers=ADMIN).is_success
    asyncio.run(delete_projects(servers[0].url))
    with redis.Redis(port=servers[0].port) as admin:
        wait_for(lambda: not left_behind(admin), "everything to be gone", 30)


async def delete_projects(url: str) -> None:
    """Delete every project. A worker of the gateway removes their data."""
    client = FunctionClient(Topology(Settings(redis_url=url)), LIBRARY)
    projects, jobs = ProjectStore(client, SECRET_KEY), JobStore(client)
    for project in await projects.all():
        await ProjectDeletion(projects).delete(project)
        await jobs.enqueue_project_deletion(project.id)
        await ProjectDeletion(projects).forget(project.id)
    client.close()
    await asyncio.sleep(0.05)


def change_everything(http: httpx.Client) -> None:
    """Change and delete the items, subscriptions and tokens of users."""
    for user in ("ada", "cat"):
        headers = user_headers(user)
        for command in ("read", "seen"):
            assert http.post(f"/notifications/{command}", headers=headers).is_success
        listed = http.get("/notifications?per_page=100", headers=headers).json()["notifications"]
        assert listed
        for item in listed:
            path = f"/notifications/{item['id']}"
            for command in ("unread", "read", "archive"):
                assert http.post(f"{path}/{command}", headers=headers).is_success
            assert http.delete(f"{path}/archive", headers=headers).is_success
            assert http.delete(path, headers=headers).is_success
        counts = http.get("/notifications", headers=headers).json()
        assert (counts["total"], counts["unread_count"], counts["unseen_count"]) == (0, 0, 0)
        assert http.delete("/subscriptions/order:1", headers=headers).is_success
    tokens = http.get("/v2/channels/mobile_push/apns/tokens", headers=user_headers("ada")).json()["data"]
    assert {each["device_token"] for each in tokens} == {"one" * 8, "two" * 8}
    assert http.delete(f"/push_subscriptions/{'one' * 8}", headers=user_headers("ada")).is_success


def left_behind(admin: redis.Redis) -> list[str]:
    """Return the keys without a lifetime that should not exist."""
    names: list[bytes] = admin.execute_command("KEYS", "*")
    unending = {name.decode("latin-1") for name in names if admin.ttl(name) == -1}
    return sorted(unending - LEFT)
