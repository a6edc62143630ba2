"""A store that refuses writes, is full, or was emptied: the cause is reported, and the gateway recovers by itself."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
import redis

from gateway.store import keys
from tests.live.clients import (
    TRANSPORTS,
    Ended,
    LiveClient,
    ResumingInbox,
    items,
    open_inbox,
    position,
    resuming,
    send,
)
from tests.servers import ADMIN, API_KEY, Gateway, RedisServer, running_gateway, running_redis, user_headers, wait_for

HEALED_SECONDS = 20.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis("valkey", tmp_path_factory.mktemp("r")) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, server: RedisServer) -> Iterator[Gateway]:
    """Yield a gateway with two workers on that server."""
    with running_gateway(
        tmp_path_factory.mktemp("t") / "data",
        INBOX_REDIS_URL=server.url,
        INBOX_REDIS_TIMEOUT_SECONDS="1",
        INBOX_SECRET_KEY="test",
        INBOX_WORKERS="2",
    ) as gateway:
        yield gateway


@pytest.fixture
def admin(server: RedisServer, gateway: Gateway) -> Iterator[redis.Redis]:
    """Yield a connection that works while others are refused. Everything is restored after the test."""
    with redis.Redis(port=server.port) as admin:
        admin.execute_command("ACL", "SETUSER", "repairer", "on", "nopass", "+@all", "~*", "&*")
        admin.execute_command("AUTH", "repairer", "")
        try:
            yield admin
        finally:
            repair(admin)
            wait_for(lambda: all_ready(gateway), "the gateway to be ready again", HEALED_SECONDS)


def repair(admin: redis.Redis) -> None:
    admin.execute_command("ACL", "SETUSER", "default", "on", "nopass", "+@all", "~*", "&*")
    admin.config_set("maxmemory", "0")
    admin.config_set("min-replicas-to-write", "0")


def all_ready(gateway: Gateway) -> bool:
    """Return whether all workers are ready. Several requests are sent, because each may reach another worker."""
    return all(gateway.ready() for _ in range(6))


def reasons(gateway: Gateway) -> set[str]:
    """Request readiness several times. Return the reasons against it, "" for ready."""
    found = set()
    for _ in range(6):
        response = httpx.get(f"{gateway.url}/readyz", timeout=30)
        found.add(response.json().get("reason", "") if response.status_code == 503 else "")
    return found


def logged(gateway: Gateway, event: str) -> list[dict[str, Any]]:
    """Return the log lines of an event."""
    lines = [json.loads(line) for line in gateway.log.splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("event") == event]


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(HEALED_SECONDS):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def client_of(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=15) as http:
        yield http


def password_changed(admin: redis.Redis) -> None:
    admin.execute_command("ACL", "SETUSER", "default", "resetpass", ">other")
    admin.execute_command("CLIENT", "KILL", "SKIPME", "yes")


def functions_forbidden(admin: redis.Redis) -> None:
    admin.execute_command("ACL", "SETUSER", "default", "-fcall", "-fcall_ro")


def publishing_forbidden(admin: redis.Redis) -> None:
    admin.execute_command("ACL", "SETUSER", "default", "-spublish")


def keys_forbidden(admin: redis.Redis) -> None:
    admin.execute_command("ACL", "SETUSER", "default", "resetkeys")


def everything_forbidden(admin: redis.Redis) -> None:
    admin.execute_command("ACL", "SETUSER", "default", "nocommands")
    admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub")


@pytest.mark.parametrize(
    "refuse", [password_changed, functions_forbidden, publishing_forbidden, keys_forbidden, everything_forbidden]
)
async def test_the_refusal_of_a_store_is_reported_and_everything_continues_when_it_ends(
    gateway: Gateway, admin: redis.Redis, user: str, refuse: Callable[[redis.Redis], None]
) -> None:
    workers = gateway.children("worker")
    async with client_of(gateway) as http, contextlib.AsyncExitStack() as stack:
        inboxes = [ResumingInbox(transport, gateway, user) for transport in TRANSPORTS]
        await stack.enter_async_context(resuming(*inboxes))
        refuse(admin)
        await until(lambda: reasons(gateway) <= {"store_refused", "redis_unavailable"})
        async with asyncio.timeout(HEALED_SECONDS):
            refused = await http.post("/notifications", headers=ADMIN, json=notification(user))
            while refused.status_code == 201:  # not refused yet, or the write needs no refused command
                if refuse is publishing_forbidden:
                    break
                refused = await http.post("/notifications", headers=ADMIN, json=notification(user))
        if refuse is not publishing_forbidden:
            assert refused.status_code == 503
            assert refused.headers["Retry-After"]
            (problem,) = refused.json()["errors"]
            assert problem["code"] in ("store_refused", "redis_unavailable")
            assert "other" not in problem["message"]
        listed = await http.get("/notifications", headers=user_headers(user))
        assert listed.status_code in (200, 503)
        await asyncio.sleep(3)
        repair(admin)
        await until(lambda: all_ready(gateway))
        await send(http, user)
        last = await position(http, user)
        for inbox in inboxes:
            await inbox.caught_up(last)
            assert all(goodbye["code"] < 4500 for goodbye in inbox.goodbyes)
    assert gateway.children("worker") == workers


def notification(user: str) -> dict[str, Any]:
    return {"notification": {"title": "Hello", "recipients": [{"external_id": user}]}}


@pytest.fixture
async def live(gateway: Gateway, user: str) -> AsyncIterator[list[LiveClient]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_inbox(transport, gateway, user)) for transport in TRANSPORTS]


async def test_a_full_store_is_read_and_emptied_and_is_reported(
    gateway: Gateway, admin: redis.Redis, user: str, live: list[LiveClient]
) -> None:
    async with client_of(gateway) as http:
        ids = [await send(http, user) for _ in range(3)]
        for client in live:
            await client.events(3)
        await http.post("/notifications", headers=ADMIN, json=notification(f"{user}-2"))
        issued = await http.post("/v2/jwt/user", headers=ADMIN, json={"external_id": user})
        token_id = issued.json()["token_id"]
        subscription = {"subscription": {"topic": "orders", "categories": [{"slug": "*", "reason": "x"}]}}
        subscribed = await http.post("/subscriptions", headers=user_headers(user), json=subscription)
        assert subscribed.is_success, subscribed.text
        failed, recovered = len(logged(gateway, "store_failed")), len(logged(gateway, "store_recovered"))
        admin.config_set("maxmemory", "1")
        admin.execute_command("SPUBLISH", keys.CONTROL, "")  # drop the cached users
        refused = await http.post("/notifications", headers=ADMIN, json=notification(user))
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (507, "store_full")
        assert refused.headers["Retry-After"]
        assert (
            await http.post("/users", headers=ADMIN, json={"user": {"external_id": f"{user}-3"}})
        ).status_code == 507
        assert [item["id"] for item in await items(http, user)] == ids[::-1]
        for path in ("/config", "/notification_preferences", "/realtime/events", f"/notifications/{ids[0]}"):
            assert (await http.get(path, headers=user_headers(user))).status_code == 200, path
        for method, path in (
            ("POST", f"/notifications/{ids[0]}/read"),
            ("POST", "/notifications/seen"),
            ("DELETE", f"/notifications/{ids[1]}"),
        ):
            assert (await http.request(method, path, headers=user_headers(user))).status_code == 204, path
        for client in live:
            assert [event["name"] for event in await client.events(3)] == [
                "notifications/read",
                "notifications/seen/all",
                "notifications/delete",
            ]
        for transport in TRANSPORTS:
            async with open_inbox(transport, gateway, user) as late:
                assert late.ready["unread_count"] == 1
        assert (await http.delete(f"/users/external_id:{user}-2", headers=ADMIN)).status_code == 204
        assert (await http.delete(f"/v2/jwt/user/{token_id}", headers=ADMIN)).is_success
        assert (await http.delete("/subscriptions/orders", headers=user_headers(user))).is_success
        await until(lambda: reasons(gateway) == {"store_full"})
        assert 'inbox_store_problem{cause="store_full"' in (await http.get("/metrics")).text
        admin.config_set("maxmemory", "0")
        await until(lambda: reasons(gateway) == {""})
        await send(http, user)
        for client in live:
            await client.event()
    await until(lambda: len(logged(gateway, "store_recovered")) == recovered + 2)  # one of each worker
    assert len(logged(gateway, "store_failed")) == failed + 2


async def test_a_store_that_lacks_replicas_for_writes_is_read(gateway: Gateway, admin: redis.Redis, user: str) -> None:
    async with client_of(gateway) as http:
        sent = await send(http, user)
        admin.config_set("min-replicas-to-write", "1")
        refused = await http.post("/notifications", headers=ADMIN, json=notification(user))
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (503, "store_read_only")
        assert [item["id"] for item in await items(http, user)] == [sent]
        await until(lambda: reasons(gateway) == {"store_read_only"})


async def test_a_store_that_cannot_save_to_its_disk_is_read(
    gateway: Gateway, admin: redis.Redis, server: RedisServer, user: str
) -> None:
    async with client_of(gateway) as http:
        sent = await send(http, user)
        obstacle = server.directory / "dump.rdb"
        obstacle.mkdir()
        admin.config_set("save", "3600 1")
        try:
            with contextlib.suppress(redis.RedisError):
                admin.bgsave()
            await until(lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "err")
            refused = await http.post("/notifications", headers=ADMIN, json=notification(user))
            assert (refused.status_code, refused.json()["errors"][0]["code"]) == (503, "store_read_only")
            assert "disk" in refused.json()["errors"][0]["message"]
            assert [item["id"] for item in await items(http, user)] == [sent]
            await until(lambda: reasons(gateway) == {"store_read_only"})
        finally:
            admin.config_set("save", "")
            obstacle.rmdir()
            admin.bgsave()


async def test_a_project_is_deleted_with_its_data_while_the_store_is_full(
    gateway: Gateway, admin: redis.Redis, user: str
) -> None:
    printed = await run(gateway, "project", "create", "Large", "--no-hmac")
    api_key, api_secret = (
        next(line.split()[-1] for line in printed.splitlines() if line.startswith(name))
        for name in ("api key", "api secret")
    )
    headers = {"X-MAGICBELL-API-KEY": api_key, "X-MAGICBELL-API-SECRET": api_secret}
    async with client_of(gateway) as http:
        (await http.post("/notifications", headers=headers, json=notification(user))).raise_for_status()
        listed = await http.get("/notifications", headers=headers | {"X-MAGICBELL-USER-EXTERNAL-ID": user})
        pattern = keys.all_of_project(str(listed.json()["project_id"]))  # type: ignore[arg-type] # the id in the response
        assert list(admin.scan_iter(pattern))
        admin.config_set("maxmemory", "1")
        assert "deleted" in await run(gateway, "project", "delete", "--yes", api_key)
        await until(lambda: not [key for key in admin.scan_iter(pattern) if b":log" in key or b":items" in key])
        refused = await http.post("/notifications", headers=headers, json=notification(user))
        assert refused.status_code == 401


@pytest.mark.parametrize("key", [keys.JOB_QUEUE, keys.PROJECTS, keys.GENERATION])
async def test_a_key_of_a_wrong_type_ends_no_worker(gateway: Gateway, admin: redis.Redis, user: str, key: str) -> None:
    workers = gateway.children("worker")
    async with client_of(gateway) as http:
        await send(http, user)
        aside = f"{key}:aside"
        existed = bool(admin.exists(key))
        if existed:
            admin.rename(key, aside)
        admin.lpush(key, "a value of a wrong type")
        try:
            admin.execute_command("SPUBLISH", keys.CONTROL, "")
            await asyncio.sleep(3)
            response = await http.post("/notifications", headers=ADMIN, json=notification(user))
            assert response.status_code in (201, 503), response.text
            if key == keys.PROJECTS:
                assert response.json()["errors"][0]["code"] == "store_data_broken"
                assert reasons(gateway) == {"store_data_broken"}
        finally:
            admin.delete(key)
            if existed:
                admin.rename(aside, key)
        await until(lambda: all_ready(gateway))
        await send(http, user)
    assert gateway.children("worker") == workers


async def until_admitted(gateway: Gateway, transport: str, user: str, goodbyes: list[int]) -> LiveClient:
    """Connect until the gateway accepts the user. Append the close codes of refusals to `goodbyes`."""
    async with asyncio.timeout(HEALED_SECONDS):
        while True:
            try:
                async with open_inbox(transport, gateway, user) as client:
                    return client
            except Ended as refused:
                goodbyes.append(refused.args[0]["code"])
            await asyncio.sleep(0.02)


async def test_an_emptied_store_is_not_ready_and_every_close_code_allows_to_reconnect(
    gateway: Gateway, admin: redis.Redis, user: str, live: list[LiveClient]
) -> None:
    goodbyes: list[int] = []
    async with client_of(gateway) as http:
        await send(http, user)
        for client in live:
            await client.event()
        replaced = len(logged(gateway, "store_replaced"))
        admin.flushall()
        admin.execute_command("SPUBLISH", keys.CONTROL, "")
        for transport in TRANSPORTS:
            await until_admitted(gateway, transport, user, goodbyes)
        statuses = set()
        async with asyncio.timeout(HEALED_SECONDS):
            while 201 not in statuses:
                response = await http.post("/notifications", headers=ADMIN, json=notification(user))
                statuses.add(response.status_code)
                if response.status_code != 201:
                    assert (response.status_code, response.json()["errors"][0]["code"]) == (503, "store_empty")
                    assert response.headers["Retry-After"]
        await until(lambda: all_ready(gateway))
        # A connected client receives a reset, because the data differs, and a goodbye.
        for client in live:
            messages = await client.read_to_end()
            assert "reset" in [message["type"] for message in messages]
            goodbyes.append(messages[-1]["code"])
        assert {code // 500 for code in goodbyes} == {8}, goodbyes
        async with open_inbox("websocket", gateway, user) as back:
            await send(http, user)
            await back.event()
        wrong = {**user_headers(user), "X-MAGICBELL-API-KEY": "wrong"}
        assert (await http.get("/notifications", headers=wrong)).status_code == 401
    assert len(logged(gateway, "store_replaced")) > replaced


async def statuses_of(gateway: Gateway, headers: dict[str, str], user: str) -> set[tuple[int, str]]:
    """Send several times, on new connections, which reach all workers. Return the statuses and error codes."""
    found = set()
    for _ in range(6):
        async with client_of(gateway) as http:
            response = await http.post("/notifications", headers=headers, json=notification(user))
        found.add((response.status_code, response.json()["errors"][0]["code"] if response.is_error else ""))
    return found


async def test_a_project_that_the_store_has_lost_gets_a_503_and_not_a_401(
    gateway: Gateway, admin: redis.Redis, user: str
) -> None:
    headers = {**ADMIN, "X-MAGICBELL-API-KEY": "other-key"}
    record = json.loads(str(admin.hget(keys.PROJECTS, API_KEY), "utf-8"))  # type: ignore[arg-type] # no awaitable here
    admin.hset(keys.PROJECTS, "other-key", json.dumps({**record, "id": "77", "api_key": "other-key"}))
    while await statuses_of(gateway, headers, user) != {(201, "")}:
        await asyncio.sleep(0.1)  # until no worker uses a cached record
    restored = len(logged(gateway, "projects_restored"))
    admin.flushall()
    await until(lambda: len(logged(gateway, "projects_restored")) > restored)
    await until(lambda: all_ready(gateway))
    assert (503, "store_empty") in await statuses_of(gateway, headers, user)
    assert await statuses_of(gateway, ADMIN, user) == {(201, "")}
    assert await statuses_of(gateway, {**ADMIN, "X-MAGICBELL-API-KEY": "wrong"}, user) == {(401, "incorrect_api_key")}


async def run(gateway: Gateway, *arguments: str) -> str:
    """Run a command with the settings of a gateway, and return its output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", *arguments),
        env={**os.environ, **gateway.environment, "INBOX_DATA_DIR": str(gateway.data_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        printed, _ = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
    return printed.decode()


async def test_one_garbage_project_affects_no_other_and_can_be_deleted(
    gateway: Gateway, admin: redis.Redis, user: str
) -> None:
    garbage = {**ADMIN, "X-MAGICBELL-API-KEY": "garbage-key"}
    ids = keys.PROJECTS + keys.PROJECT_SUFFIXES["PROJECT_IDS"]
    async with client_of(gateway) as http:
        admin.hset(keys.PROJECTS, "garbage-key", b"\xff no record")
        admin.hset(ids, "99", "garbage-key")
        response = await http.post("/notifications", headers=garbage, json=notification(user))
        assert (response.status_code, response.json()["errors"][0]["code"]) == (503, "store_data_broken")
        await until(lambda: "garbage-key" in [line["api_key"] for line in logged(gateway, "project_record_broken")])
        await send(http, user)
        assert all_ready(gateway)
        assert API_KEY in await run(gateway, "project", "list")
        assert "deleted" in await run(gateway, "project", "delete", "--yes", "garbage-key")
        response = await http.post("/notifications", headers=garbage, json=notification(user))
        assert response.status_code == 401
    assert not admin.hexists(ids, "99")


async def test_a_gateway_starts_beside_a_garbage_project(
    server: RedisServer, gateway: Gateway, admin: redis.Redis
) -> None:
    admin.hset(keys.PROJECTS, "garbage-key", b"{}")
    try:
        environment = {**gateway.environment, "INBOX_WORKERS": "1"}
        with running_gateway(gateway.data_dir.parent / "second", **environment) as second:
            assert second.ready()
    finally:
        admin.hdel(keys.PROJECTS, "garbage-key")


async def test_a_gateway_starts_on_a_full_store_without_its_functions_and_serves_when_there_is_memory(
    server: RedisServer, gateway: Gateway, admin: redis.Redis, user: str
) -> None:
    """After an upgrade on a full store, the functions of the new version cannot be loaded."""
    async with client_of(gateway) as http:
        await send(http, user)
    admin.config_set("maxmemory", "1")
    admin.function_flush()
    second = Gateway(gateway.data_dir.parent / "third", {**gateway.environment, "INBOX_WORKERS": "1"})
    starting = asyncio.create_task(asyncio.to_thread(second.start))  # ends when it is ready
    try:
        await until(lambda: "store_full" in second.log and '"ready"' in second.log)
        assert reasons(second) == {"store_full"}
        admin.config_set("maxmemory", "0")
        await starting
        async with client_of(second) as http:
            await send(http, user)
    finally:
        admin.config_set("maxmemory", "0")
        await asyncio.wait([starting], timeout=60)
        second.stop()


@pytest.mark.parametrize(("setting", "value"), [("maxmemory", "1"), ("min-replicas-to-write", "1")])
async def test_the_doctor_reports_that_the_store_refuses_writes(
    gateway: Gateway, admin: redis.Redis, setting: str, value: str
) -> None:
    admin.config_set(setting, value)
    assert "writes     PROBLEM: refused" in await run(gateway, "doctor")
