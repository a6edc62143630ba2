"""Data of other formats is recognised and not misread: of a newer format, and of builds before format 1."""

import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import redis

from gateway.channels import expo
from gateway.domain.notification import Command, Filter
from gateway.domain.preferences import Status
from gateway.domain.principal import Identity
from gateway.store import keys
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.deliveries import Delivery
from gateway.store.directory import Directory
from gateway.store.formats import FormatWatch, check_format
from gateway.store.idempotency import IdempotencyStore
from gateway.store.inbox import InboxStore
from gateway.store.job_queue import JobQueue
from gateway.store.jobs import JobKind, JobStore
from gateway.store.profiles import ProfileStore
from gateway.store.project_audit import audit_projects
from gateway.store.projects import ProjectStore
from gateway.store.redis.problems import StoreFormatError
from gateway.store.subscriptions import SubscriptionStore
from tests.servers import ADMIN, Gateway, running_gateway, running_redis, wait_for
from tests.store.conftest import InspectedClient, at, new_user

FORMAT_KEY = keys.PROJECTS + keys.PROJECT_SUFFIXES["STORE_FORMAT"]


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[InspectedClient]:
    """A client of a server that no other test uses."""
    with running_redis("valkey", tmp_path) as server:
        client = InspectedClient(server.url)
        await client.load()
        yield client
        await client.aclose()


def content() -> Content:
    return Content.encode(str(uuid4()), NotificationFields(title="t", category="a", topic="x"))


async def test_an_empty_store_becomes_one_of_our_format(own: InspectedClient) -> None:
    await check_format(own)
    await ProjectStore(own, "secret").prepare()
    await check_format(own)
    assert await own.redis.get(FORMAT_KEY) == keys.FORMAT.encode()


@pytest.mark.parametrize("kept", [keys.PROJECTS, keys.PROJECTS + ":ids", keys.PROJECTS + ":workspaces"])
async def test_a_store_of_before_there_were_formats_is_refused_and_not_written_to(
    own: InspectedClient, kept: str
) -> None:
    await own.redis.hset(kept, "something", "{}")
    with pytest.raises(StoreFormatError, match="before format 1"):
        await check_format(own)
    with pytest.raises(StoreFormatError):
        await ProjectStore(own, "secret").prepare()
    assert await own.redis.keys("*") == [kept.encode()]


async def test_a_node_that_meets_a_newer_store_works_on_it_no_more_and_goes_on_when_it_is_ours(
    own: InspectedClient,
) -> None:
    projects, watch = ProjectStore(own, "secret"), FormatWatch(own)
    await projects.prepare()
    await watch.check()
    assert watch.problem is None
    await own.redis.set(FORMAT_KEY, "2")
    await watch.check()
    assert watch.problem is not None
    assert "format 2" in watch.problem.cause
    await own.redis.set(FORMAT_KEY, keys.FORMAT)
    await watch.check()
    assert watch.problem is None


@pytest.mark.parametrize(
    "left", ["fields", "unused field", "states", "subscriptions", "preferences", "devices", "tokens", "log"]
)
async def test_a_user_of_before_there_were_formats_is_refused_and_not_written_to(
    client: InspectedClient, store: InboxStore, left: str
) -> None:
    user = new_user()
    key = keys.user(user.project_id, user.id)
    if left == "fields":
        await client.redis.hset(key, mapping={"epoch": "old", "offset": "3"})
    elif left == "unused field":
        await client.redis.hset(key, "of another version", "1")
    elif left == "log":
        await client.redis.xadd(f"{key}:log", {"m": "old.1 1 x\n{}"}, id="1-1")
    elif left == "tokens":
        await client.redis.zadd(f"{key}:tokens", {"id": 5})
    else:
        await client.redis.hset(f"{key}:{left}", "a", "b")
    before = await client.redis.keys(f"*{user.id}*")
    for work in (
        store.create(content(), [Delivery(user)], at(1), remember=False),
        store.list_page(user, Filter(), 1, 10),
        store.read_log(user, None, "e"),
        store.change(user, content().id, Command.READ, None, at(1)),
        ProfileStore(client).set(user, {"first_name": "Ada"}),
        SubscriptionStore(client).set(user, "x", Status.UNSUBSCRIBED, {"*": ""}),
        ChannelTokenStore(client).register(user, expo.TOKEN, {"device_token": "token"}, 1),
    ):
        with pytest.raises(StoreFormatError):
            await work
    assert await client.redis.keys(f"*{user.id}*") == before


async def test_a_user_of_a_newer_format_is_refused(client: InspectedClient, store: InboxStore) -> None:
    user = new_user()
    await store.create(content(), [Delivery(user)], at(1), remember=False)
    await client.redis.hset(keys.user(user.project_id, user.id), "format", "2")
    with pytest.raises(StoreFormatError):
        await store.list_page(user, Filter(), 1, 10)


async def test_what_else_is_of_a_newer_format_is_refused(client: InspectedClient, store: InboxStore) -> None:
    user = new_user()
    project = user.project_id
    directory, contents = Directory(client, lambda: 0.0), ContentStore(client)
    await directory.resolve(project, Identity("ada"))
    await client.redis.hset(keys.directory(project), "format", "2")
    with pytest.raises(StoreFormatError):
        await directory.resolve(project, Identity("ben"))

    await IdempotencyStore(client).begin(project, "k", "f", b"plan")
    await client.redis.hset(keys.idempotency(project, "k"), "format", "2")
    with pytest.raises(StoreFormatError):
        await IdempotencyStore(client).begin(project, "k", "f", b"plan")

    await client.redis.unlink(keys.JOB_QUEUE)
    await JobStore(client).enqueue(JobKind.IMPORT, project, "job", b"{}", 1)
    await client.redis.hset(keys.job(project, "job"), "format", "2")
    claim = await JobQueue(client).claim()
    assert claim is not None
    with pytest.raises(StoreFormatError):
        await JobQueue(client).start(claim)
    await client.redis.unlink(keys.JOB_QUEUE)

    shared = content()
    await contents.put(project, shared)
    await client.redis.set(keys.content(project, shared.id_text), "2something")
    await store.create(shared.as_reference(), [Delivery(user)], at(1), remember=False)
    with pytest.raises(StoreFormatError):
        await InboxStore(client, store._retention, ContentStore(client)).list_page(user, Filter(), 1, 10)


async def test_a_project_of_another_format_is_refused_and_named(client: InspectedClient) -> None:
    projects = ProjectStore(client, "secret")
    project = await projects.create("A project", hmac_enabled=True)
    raw = await client.redis.hget(keys.PROJECTS, project.api_key)
    assert isinstance(raw, bytes)
    for other in ('"format":"2"', '"format":""'):
        await client.redis.hset(keys.PROJECTS, project.api_key, str(raw, "ascii").replace('"format":"1"', other))
        with pytest.raises(StoreFormatError):
            await ProjectStore(client, "secret").by_api_key(project.api_key)
        assert project.api_key in (await audit_projects(projects)).broken
    await client.redis.hdel(keys.PROJECTS, project.api_key)


def test_a_node_on_a_newer_store_reports_that_and_is_not_ready(tmp_path: Path) -> None:
    with (
        running_redis("valkey", tmp_path) as server,
        redis.Redis(port=server.port) as admin,
        running_gateway(tmp_path / "data", INBOX_REDIS_URL=server.url) as gateway,
        httpx.Client(base_url=gateway.url, timeout=30) as http,
    ):
        admin.set(FORMAT_KEY, "2")
        wait_for(lambda: http.get("/readyz").status_code == 503, "the node to be not ready", 20)
        assert "store_format_unknown" in http.get("/readyz").text
        body = {"notification": {"title": "t", "recipients": [{"external_id": "ada"}]}}
        refused = http.post("/notifications", headers=ADMIN, json=body)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (503, "store_format_unknown")
        assert "store_format_unknown" in gateway.log
        admin.set(FORMAT_KEY, keys.FORMAT)
        wait_for(lambda: http.get("/readyz").status_code == 200, "the node to be ready", 20)


class Unready(Gateway):
    """A gateway that is expected to start, but not to be ready."""

    def ready(self) -> bool:
        """Return whether the gateway responds."""
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/healthz", timeout=30).status_code == 200
        return False


def test_a_node_that_starts_on_a_newer_store_reports_that_and_writes_nothing(tmp_path: Path) -> None:
    with running_redis("valkey", tmp_path) as server, redis.Redis(port=server.port) as admin:
        admin.set(FORMAT_KEY, "2")
        gateway = Unready(tmp_path / "data", {"INBOX_REDIS_URL": server.url})
        gateway.start()
        try:
            answer = httpx.get(f"{gateway.url}/readyz", timeout=30)
            assert (answer.status_code, "store_format_unknown" in answer.text) == (503, True)
            assert "The store is of format 2" in gateway.log
            assert admin.execute_command("KEYS", "*") == [FORMAT_KEY.encode()]
        finally:
            gateway.stop()
        environment = {**os.environ, "INBOX_REDIS_URL": server.url, "INBOX_DATA_DIR": str(tmp_path / "data")}
        command = [sys.executable, "-m", "gateway", "doctor"]
        doctor = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        assert doctor.returncode == 2  # nothing in the store could be checked
        assert "The store is of format 2" in doctor.stdout + doctor.stderr
