"""When a token, a secret, a key or a project ends, its connections close within a second on every node."""

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import jwt
import pytest
import redis
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.channels import inbox as inbox_channel
from gateway.store import keys
from gateway.store.channel_tokens import field_of
from tests.api.projects import Project, project_of
from tests.live.clients import TRANSPORTS, Ended, LiveClient, WebSocketClient, open_inbox, request_sse, user_token
from tests.servers import (
    ADMIN,
    API_KEY,
    Gateway,
    RedisServer,
    running_gateway,
    running_redis,
    user_headers,
    user_hmac,
    wait_for,
)

LIMIT_SECONDS = 20.0
"""A second on a machine without other work."""
TOKEN_REVOKED, CREDENTIALS_ROTATED = (4508, "token_revoked"), (4509, "credentials_rotated")


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Yield a server that two gateways share, which a test may pause or disconnect."""
    with running_redis("valkey", tmp_path_factory.mktemp("r")) as server:
        yield server


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, own_redis: RedisServer) -> Iterator[list[Gateway]]:
    """Yield two nodes on one Redis."""
    with contextlib.ExitStack() as stack:
        settings = {
            "INBOX_REDIS_URL": own_redis.url,
            "INBOX_REDIS_TIMEOUT_SECONDS": "0.5",
            "INBOX_SECRET_KEY": "test",
        }
        yield [
            stack.enter_context(running_gateway(tmp_path_factory.mktemp("n") / "data", **settings)) for _ in range(2)
        ]


@pytest.fixture
async def http(nodes: list[Gateway]) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the first node."""
    async with httpx.AsyncClient(base_url=nodes[0].url, timeout=10) as client:
        yield client


def command(redis_server: RedisServer, *arguments: str, **environment: str) -> str:
    """Run a command on the nodes' store, and return its output."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("INBOX_")}
    own |= {"INBOX_REDIS_URL": redis_server.url, "INBOX_SECRET_KEY": "test"} | environment
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments], env=own, check=True, capture_output=True, text=True, timeout=30
    ).stdout


@pytest.fixture
def project(own_redis: RedisServer) -> Project:
    """Return a project of the test's own."""
    return project_of(command(own_redis, "project", "create", "ends"))


Inboxes = list[LiveClient]


@contextlib.asynccontextmanager
async def open_everywhere(nodes: list[Gateway], headers: dict[str, str]) -> AsyncIterator[Inboxes]:
    """Yield an inbox over each transport on each node."""
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(open_inbox(transport, node, headers=headers))
            for node in nodes
            for transport in TRANSPORTS
        ]


async def get(node: Gateway, path: str, headers: dict[str, str]) -> httpx.Response:
    """Send a request to a node."""
    async with httpx.AsyncClient(base_url=node.url, timeout=10) as client:
        return await client.get(path, headers=headers)


def bearer(value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}


def by_hmac(project: Project, user: str, secret: str) -> dict[str, str]:
    """Return the headers of a user with an HMAC."""
    return {
        "X-MAGICBELL-API-KEY": project.api_key,
        "X-MAGICBELL-USER-EXTERNAL-ID": user,
        "X-MAGICBELL-USER-HMAC": user_hmac(user, secret),
    }


async def assert_closed(inboxes: Inboxes, expected: tuple[int, str], since: float | None = None) -> None:
    """Check that each inbox receives a goodbye with a code, soon after `since` if that is given."""
    for messages in await asyncio.gather(*(inbox.read_to_end() for inbox in inboxes)):
        assert [message["type"] for message in messages] == ["goodbye"]
        assert (messages[0]["code"], messages[0]["reason"], messages[0]["retry_after_ms"]) == (*expected, None)
    for inbox in inboxes:
        if isinstance(inbox, WebSocketClient):
            assert inbox.close_code == expected[0]
    if since is not None:
        assert time.monotonic() - since < LIMIT_SECONDS


async def assert_open(http: httpx.AsyncClient, project: dict[str, str], user: str, inboxes: Inboxes) -> None:
    """Check that each inbox receives the next event."""
    body = {"notification": {"title": "Still here", "recipients": [{"external_id": user}]}}
    (await http.post("/notifications", headers=project, json=body)).raise_for_status()
    for inbox in inboxes:
        assert (await inbox.event())["name"] == "notifications/new"


async def assert_refused(nodes: list[Gateway], headers: dict[str, str], code: str) -> None:
    """Check that no connection opens any more, on any node."""
    for node in nodes:
        with pytest.raises(Ended) as ended:
            async with open_inbox("websocket", node, headers=headers):
                pass
        assert ended.value.args[0]["code"] == code
        async with request_sse(node, headers=headers) as response:
            assert response.status_code == 401
            assert code in (await response.aread()).decode()
        response = await get(node, "/notifications", headers)
        assert (response.status_code, response.json()["errors"][0]["code"]) == (401, code)


async def issue(http: httpx.AsyncClient, user: str, admin: dict[str, str] = ADMIN, **fields: Any) -> dict[str, str]:
    response = await http.post("/v2/jwt/user", headers=admin, json={"external_id": user, **fields})
    found: dict[str, str] = response.raise_for_status().json()
    return found


# ---- tokens


async def test_discarding_a_token_closes_its_connections_and_no_others(
    nodes: list[Gateway], http: httpx.AsyncClient, user: str
) -> None:
    issued, other = await issue(http, user), await issue(http, user)
    async with (
        open_everywhere(nodes, bearer(issued["token"])) as inboxes,
        open_everywhere(nodes, bearer(other["token"])) as others,
    ):
        started = time.monotonic()
        (await http.delete(f"/v2/jwt/user/{issued['token_id']}", headers=ADMIN)).raise_for_status()
        await assert_closed(inboxes, TOKEN_REVOKED, started)
        await assert_open(http, ADMIN, user, others)
    await assert_refused(nodes, bearer(issued["token"]), "token_revoked")


async def test_connections_of_tokens_issued_before_a_moment_close_and_those_of_newer_ones_stay(
    nodes: list[Gateway], http: httpx.AsyncClient, user: str
) -> None:
    now = int(time.time())
    old, new = user_token(user, iat=now - 100), user_token(user, iat=now)
    async with (
        open_everywhere(nodes, bearer(old)) as inboxes,
        open_everywhere(nodes, bearer(user_token(user))) as undated,
        open_everywhere(nodes, bearer(new)) as others,
    ):
        started = time.monotonic()
        path = f"/users/external_id:{user}/revoke_tokens"
        (await http.post(path, headers=ADMIN, json={"issued_before": now})).raise_for_status()
        await assert_closed(inboxes + undated, TOKEN_REVOKED, started)
        await assert_open(http, ADMIN, user, others)
    await assert_refused(nodes, bearer(old), "token_revoked")


async def test_a_node_that_missed_a_revocation_finds_it_when_its_subscriber_has_reconnected(
    nodes: list[Gateway], http: httpx.AsyncClient, own_redis: RedisServer, user: str
) -> None:
    first, second = await issue(http, user), await issue(http, user)
    kept = user_token(user, iat=int(time.time()) + 5)
    async with (
        open_everywhere(nodes, bearer(first["token"])) as inboxes,
        open_everywhere(nodes, bearer(second["token"])) as others,
        open_everywhere(nodes, bearer(kept)) as staying,
    ):
        channel = await asyncio.to_thread(users_channel, own_redis)
        with redis.Redis(port=own_redis.port) as admin:
            # This simulates a lost pub/sub message: the test writes the data of a revocation without publishing it.
            admin.zadd(f"{channel}:revoked", {first["token_id"]: int(time.time()) + 100})
            assert admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == len(nodes)
            await assert_closed(inboxes, TOKEN_REVOKED)
            await assert_open(http, ADMIN, user, others + staying)
            admin.hset(channel, "revoked_before", int(time.time()) + 2)
            assert admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == len(nodes)
            await assert_closed(others, TOKEN_REVOKED)
            await assert_open(http, ADMIN, user, staying)


def users_channel(server: RedisServer) -> str:
    """Return the only subscribed pub/sub channel of a user, once the connections of earlier tests are closed."""

    def only() -> str | None:
        with redis.Redis(port=server.port) as client:
            names = [name.decode() for name in client.execute_command("PUBSUB", "SHARDCHANNELS")]
        users = [name for name in names if "{probe" not in name and "{control" not in name]
        return users[0] if len(users) == 1 else None

    found: str = wait_for(only, "one user's channel")
    return found


async def test_a_token_revoked_while_redis_hung_closes_its_connections_when_redis_continues(
    nodes: list[Gateway], http: httpx.AsyncClient, own_redis: RedisServer, user: str
) -> None:
    issued = await issue(http, user)
    assert own_redis.process is not None
    async with open_everywhere(nodes, bearer(issued["token"])) as inboxes:
        own_redis.process.send_signal(signal.SIGSTOP)
        try:
            refused = await http.delete(f"/v2/jwt/user/{issued['token_id']}", headers=ADMIN)
            assert refused.status_code == 503
        finally:
            own_redis.process.send_signal(signal.SIGCONT)
        await asyncio.to_thread(wait_for, lambda: all(node.ready() for node in nodes), "the nodes to be ready")
        await http.delete(f"/v2/jwt/user/{issued['token_id']}", headers=ADMIN)
        await assert_closed(inboxes, TOKEN_REVOKED)


async def test_a_renewed_connection_is_authenticated_by_the_new_token(
    nodes: list[Gateway], http: httpx.AsyncClient, user: str
) -> None:
    old, new, dead = [await issue(http, user) for _ in range(3)]
    await http.delete(f"/v2/jwt/user/{dead['token_id']}", headers=ADMIN)
    async with open_inbox("websocket", nodes[1], headers=bearer(old["token"])) as inbox:
        assert isinstance(inbox, WebSocketClient)
        assert (await inbox.request({"type": "auth", "token": dead["token"]}))["code"] == "token_revoked"
        assert (await inbox.request({"type": "auth", "token": new["token"]}))["type"] == "renewed"
        await http.delete(f"/v2/jwt/user/{old['token_id']}", headers=ADMIN)
        await assert_open(http, ADMIN, user, [inbox])
        await http.delete(f"/v2/jwt/user/{new['token_id']}", headers=ADMIN)
        await assert_closed([inbox], TOKEN_REVOKED)


async def test_after_a_refused_renewal_the_old_token_stays_valid(
    nodes: list[Gateway], http: httpx.AsyncClient, user: str
) -> None:
    old, dead = [await issue(http, user) for _ in range(2)]
    await http.delete(f"/v2/jwt/user/{dead['token_id']}", headers=ADMIN)
    async with open_inbox("websocket", nodes[1], headers=bearer(old["token"])) as inbox:
        assert isinstance(inbox, WebSocketClient)
        assert (await inbox.request({"type": "auth", "token": dead["token"]}))["code"] == "token_revoked"
        await assert_open(http, ADMIN, user, [inbox])
        await http.delete(f"/v2/jwt/user/{old['token_id']}", headers=ADMIN)
        await assert_closed([inbox], TOKEN_REVOKED)


async def test_a_client_that_connects_while_its_token_is_discarded_is_closed(
    nodes: list[Gateway], http: httpx.AsyncClient, user: str
) -> None:
    async def connect_and_wait(node: Gateway, transport: str, value: str) -> None:
        with contextlib.suppress(Ended, AssertionError):  # a refused event stream responds with 401
            async with open_inbox(transport, node, headers=bearer(value)) as inbox:
                (goodbye,) = await inbox.read_to_end()
                assert goodbye["code"] == TOKEN_REVOKED[0]

    for _ in range(10):
        issued = await issue(http, user)
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            for node in nodes:
                for transport in TRANSPORTS:
                    tasks.create_task(connect_and_wait(node, transport, issued["token"]), name="connect")
            await http.delete(f"/v2/jwt/user/{issued['token_id']}", headers=ADMIN)


# ---- inbox tokens

INBOX_TOKENS = "/v2/channels/in_app/inbox/tokens"


def by_inbox_token(text: str, project: Project | None = None) -> dict[str, str]:
    return bearer(text) | {"X-MAGICBELL-API-KEY": project.api_key if project else API_KEY}


async def register(http: httpx.AsyncClient, text: str, headers: dict[str, str]) -> str:
    """Register an inbox token for the user with these headers, and return its id."""
    response = await http.put(INBOX_TOKENS, headers=headers, json={"token": text})
    token_id: str = response.raise_for_status().json()["id"]
    assert text not in response.text
    return token_id


async def assert_not_opening(node: Gateway, headers: dict[str, str], code: str) -> None:
    with pytest.raises(Ended) as ended:
        async with open_inbox("websocket", node, headers=headers):
            pass
    assert ended.value.args[0]["code"] == code
    response = await get(node, "/realtime/events", headers)
    assert (response.status_code, response.json()["errors"][0]["code"]) == (401, code)


async def test_an_inbox_token_opens_live_connections_until_it_is_discarded_and_again_once_it_is_registered(
    nodes: list[Gateway], http: httpx.AsyncClient, user: str
) -> None:
    text, other = secrets.token_hex(32), secrets.token_hex(32)
    token_id = await register(http, text, user_headers(user))
    await register(http, other, user_headers(user))
    async with (
        open_everywhere(nodes, by_inbox_token(text)) as inboxes,
        open_everywhere(nodes, by_inbox_token(other)) as others,
    ):
        await assert_open(http, ADMIN, user, inboxes + others)
        started = time.monotonic()
        (await http.delete(f"{INBOX_TOKENS}/{token_id}", headers=user_headers(user))).raise_for_status()
        await assert_closed(inboxes, TOKEN_REVOKED, started)
        await assert_open(http, ADMIN, user, others)
    for node in nodes:
        await assert_not_opening(node, by_inbox_token(text), "token_revoked")
        await assert_not_opening(node, by_inbox_token(secrets.token_hex(32)), "token_is_incorrect")
    await register(http, text, user_headers(user))
    async with open_everywhere(nodes, by_inbox_token(text)) as inboxes:
        await assert_open(http, ADMIN, user, inboxes)


async def test_an_inbox_token_opens_nothing_but_the_live_connection(
    nodes: list[Gateway], http: httpx.AsyncClient, user: str, project: Project
) -> None:
    text = secrets.token_hex(32)
    await register(http, text, user_headers(user))
    async with httpx.AsyncClient(base_url=nodes[0].url, headers=by_inbox_token(text)) as client:  # on one connection
        assert (await client.get("/realtime/events")).status_code == 200
        for path in ("/notifications", "/v2/notifications", INBOX_TOKENS, "/config"):
            response = await client.get(path)
            assert (response.status_code, response.json()["errors"][0]["code"]) == (401, "token_is_incorrect"), path
        assert (await client.get("/realtime/events")).status_code == 200
    await assert_not_opening(nodes[0], bearer(text), "api_key_not_provided")
    await assert_not_opening(nodes[0], by_inbox_token(text, project), "token_is_incorrect")


async def test_an_inbox_token_ends_when_another_user_registers_it_and_when_its_user_is_deleted(
    nodes: list[Gateway], http: httpx.AsyncClient, user: str
) -> None:
    text, bob = secrets.token_hex(32), f"{user}-bob"
    await register(http, text, user_headers(user))
    async with open_everywhere(nodes, by_inbox_token(text)) as inboxes:
        started = time.monotonic()
        await register(http, text, user_headers(bob))
        await assert_closed(inboxes, TOKEN_REVOKED, started)
    async with open_everywhere(nodes, by_inbox_token(text)) as inboxes:
        await assert_open(http, ADMIN, bob, inboxes)
        (await http.delete(f"/users/external_id:{bob}", headers=ADMIN)).raise_for_status()
        await assert_closed(inboxes, (4507, "user_deleted"))
    await assert_not_opening(nodes[1], by_inbox_token(text), "token_is_incorrect")


async def test_an_inbox_token_ends_when_all_tokens_of_its_user_are_revoked(
    nodes: list[Gateway], http: httpx.AsyncClient, user: str
) -> None:
    text = secrets.token_hex(32)
    await register(http, text, user_headers(user))
    async with open_everywhere(nodes, by_inbox_token(text)) as inboxes:
        started = time.monotonic()
        (await http.post(f"/users/external_id:{user}/revoke_tokens", headers=ADMIN)).raise_for_status()
        await assert_closed(inboxes, TOKEN_REVOKED, started)
    with pytest.raises(Ended):
        async with open_inbox("websocket", nodes[0], headers=by_inbox_token(text)):
            pass


async def test_an_inbox_token_ends_with_the_secret_that_proved_the_user_who_registered_it(
    nodes: list[Gateway], http: httpx.AsyncClient, own_redis: RedisServer, project: Project, user: str
) -> None:
    old, new = secrets.token_hex(32), secrets.token_hex(32)
    await register(http, old, by_hmac(project, user, project.api_secret))
    rotated = project_of(await asyncio.to_thread(command, own_redis, "project", "rotate-secret", project.api_key))
    await register(http, new, by_hmac(project, user, rotated.api_secret))
    async with (
        open_everywhere(nodes, by_inbox_token(old, project)) as inboxes,
        open_everywhere(nodes, by_inbox_token(new, project)) as others,
    ):
        await assert_open(http, project.admin, user, inboxes + others)
        await asyncio.to_thread(command, own_redis, "project", "rotate-secret", project.api_key)
        await assert_closed(inboxes, CREDENTIALS_ROTATED)
        await assert_open(http, rotated.admin, user, others)
    await assert_not_opening(nodes[1], by_inbox_token(old, project), "token_revoked")


async def test_a_node_that_missed_the_end_of_an_inbox_token_finds_it_when_its_subscriber_has_reconnected(
    nodes: list[Gateway], http: httpx.AsyncClient, own_redis: RedisServer, user: str
) -> None:
    text, other = secrets.token_hex(32), secrets.token_hex(32)
    for each in (text, other):
        await register(http, each, user_headers(user))
    async with (
        open_everywhere(nodes, by_inbox_token(text)) as inboxes,
        open_everywhere(nodes, by_inbox_token(other)) as others,
    ):
        channel = await asyncio.to_thread(users_channel, own_redis)
        with redis.Redis(port=own_redis.port) as admin:
            key = f"{channel}{keys.USER_SUFFIXES['CHANNEL_TOKENS']}{inbox_channel.TOKEN.path}"
            # As if the message had been lost: the token is removed without one.
            assert admin.hdel(key, field_of(inbox_channel.TOKEN, {"token": text})) == 1
            assert admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == len(nodes)
            await assert_closed(inboxes, TOKEN_REVOKED)
            await assert_open(http, ADMIN, user, others)


async def test_an_open_connection_can_be_renewed_with_an_inbox_token(
    nodes: list[Gateway], http: httpx.AsyncClient, user: str
) -> None:
    text = secrets.token_hex(32)
    await register(http, text, user_headers(user))
    issued = await issue(http, user)
    async with open_inbox("websocket", nodes[1], headers=bearer(issued["token"])) as opened:
        assert isinstance(opened, WebSocketClient)
        message = {"type": "auth", "api_key": API_KEY, "token": text}
        assert (await opened.request(message))["type"] == "renewed"
        await http.delete(f"/v2/jwt/user/{issued['token_id']}", headers=ADMIN)
        await assert_open(http, ADMIN, user, [opened])


# ---- secrets, keys, projects


@pytest.mark.parametrize("kind", ["hmac", "token", "secret", "issued"])
async def test_connections_close_when_the_secret_that_authenticated_them_is_rotated_out(
    nodes: list[Gateway], http: httpx.AsyncClient, own_redis: RedisServer, project: Project, user: str, kind: str
) -> None:
    name = {"X-MAGICBELL-USER-EXTERNAL-ID": user}
    issued = {project.api_secret: (await issue(http, user, project.admin))["token"]}
    own: Callable[[str], dict[str, str]] = {
        "hmac": lambda secret: by_hmac(project, user, secret),
        "token": lambda secret: bearer(user_token(user, secret=secret, api_key=project.api_key)),
        "secret": lambda secret: project.admin | name | {"X-MAGICBELL-API-SECRET": secret},
        "issued": lambda secret: bearer(issued[secret]),
    }[kind]
    new = project_of(await asyncio.to_thread(command, own_redis, "project", "rotate-secret", project.api_key))
    issued[new.api_secret] = (await issue(http, user, new.admin))["token"]
    async with (
        open_everywhere(nodes, own(project.api_secret)) as inboxes,
        open_everywhere(nodes, own(new.api_secret)) as others,
    ):
        await assert_open(http, project.admin, user, inboxes + others)
        # The overlap is an hour, but a second rotation drops the first secret.
        await asyncio.to_thread(command, own_redis, "project", "rotate-secret", project.api_key)
        await assert_closed(inboxes, CREDENTIALS_ROTATED)
        await assert_open(http, new.admin, user, others)


async def test_connections_close_when_the_overlap_ends(
    nodes: list[Gateway], http: httpx.AsyncClient, own_redis: RedisServer, project: Project, user: str
) -> None:
    old = by_hmac(project, user, project.api_secret)
    async with open_everywhere(nodes, old) as before:
        rotate = ("project", "rotate-secret", project.api_key, "--overlap", "3")
        rotated = time.time()
        new = project_of(await asyncio.to_thread(command, own_redis, *rotate))
        async with (
            open_everywhere(nodes, old) as meanwhile,
            open_everywhere(nodes, by_hmac(project, user, new.api_secret)) as others,
        ):
            await assert_closed(before + meanwhile, CREDENTIALS_ROTATED)
            assert time.time() - rotated > 2, "the overlap applies to connections too"
            await assert_open(http, new.admin, user, others)
    for node in nodes:
        response = await get(node, "/notifications", old)
        assert response.status_code == 401


async def test_connections_close_when_the_key_that_authenticated_them_is_removed(
    nodes: list[Gateway], http: httpx.AsyncClient, project: Project, user: str
) -> None:
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    public = [dict(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)) for key in keys]
    claims = {"api_key": project.api_key, "user_external_id": user, "exp": int(time.time()) + 60}
    removed, kept = [bearer(jwt.encode(claims, key, algorithm="ES256")) for key in keys]
    (await http.put("/v2/jwt/keys", headers=project.admin, json={"keys": public})).raise_for_status()
    async with open_everywhere(nodes, removed) as inboxes, open_everywhere(nodes, kept) as others:
        started = time.monotonic()
        (await http.put("/v2/jwt/keys", headers=project.admin, json={"keys": public[1:]})).raise_for_status()
        await assert_closed(inboxes, CREDENTIALS_ROTATED, started)
        await assert_open(http, project.admin, user, others)


async def test_connections_without_proof_close_when_hmac_is_switched_on(
    nodes: list[Gateway], own_redis: RedisServer, user: str
) -> None:
    project = {"INBOX_BOOTSTRAP_API_KEY": "switched", "INBOX_BOOTSTRAP_API_SECRET": "s" * 32}
    await asyncio.to_thread(command, own_redis, "prepare", INBOX_BOOTSTRAP_HMAC_ENABLED="false", **project)
    switched = Project("switched", "s" * 32)
    nameless = {"X-MAGICBELL-API-KEY": "switched", "X-MAGICBELL-USER-EXTERNAL-ID": user}
    async with (
        httpx.AsyncClient(base_url=nodes[0].url) as http,
        open_everywhere(nodes, nameless) as inboxes,
        open_everywhere(nodes, by_hmac(switched, user, switched.api_secret)) as others,
    ):
        await asyncio.to_thread(command, own_redis, "project", "set", "switched", "--hmac")
        await assert_closed(inboxes, CREDENTIALS_ROTATED)
        await assert_open(http, switched.admin, user, others)


@pytest.mark.parametrize("published", [True, False], ids=["published", "subscriber-was-down"])
async def test_a_deleted_project_closes_all_of_its_connections(
    nodes: list[Gateway], http: httpx.AsyncClient, own_redis: RedisServer, project: Project, user: str, published: bool
) -> None:
    async with (
        open_everywhere(nodes, by_hmac(project, user, project.api_secret)) as inboxes,
        open_everywhere(nodes, bearer(user_token(user))) as others,
    ):
        with redis.Redis(port=own_redis.port) as admin:
            assert admin.hdel("inbox:1:{projects}", project.api_key) == 1
            if published:
                admin.execute_command("SPUBLISH", "inbox:1:{control}", f"project {project.api_key}")
            else:
                admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await assert_closed(inboxes, CREDENTIALS_ROTATED)
        await assert_open(http, ADMIN, user, others)
    for node in nodes:
        response = await get(node, "/notifications", project.admin)
        assert response.json()["errors"][0]["code"] == "incorrect_api_key"


async def test_a_deleted_users_connections_close_on_every_node(
    nodes: list[Gateway], http: httpx.AsyncClient, user: str
) -> None:
    issued = await issue(http, user)
    async with open_everywhere(nodes, bearer(issued["token"])) as inboxes:
        started = time.monotonic()
        (await http.delete(f"/users/external_id:{user}", headers=ADMIN)).raise_for_status()
        for messages in await asyncio.gather(*(inbox.read_to_end() for inbox in inboxes)):
            assert [message["reason"] for message in messages] == ["user_deleted"]
        assert time.monotonic() - started < LIMIT_SECONDS
    await assert_refused(nodes, bearer(issued["token"]), "token_revoked")
