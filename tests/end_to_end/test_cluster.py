"""The gateway on a Redis Cluster: users on every primary, slots that move, primaries that die or hang."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from gateway.store.redis.topology import generation_key, slot_of
from tests.api.tokens import bearer
from tests.api.workspaces import admin_of, changed_project, created_project, user_of, workspace_token
from tests.cluster import PRIMARIES, Cluster, running_cluster
from tests.end_to_end.test_faults import Writer, client_of, get, until_processed
from tests.live.clients import (
    TRANSPORTS,
    LiveClient,
    ResumingInbox,
    command,
    epoch,
    items,
    offset,
    open_inbox,
    position,
    resuming,
    send,
)
from tests.servers import ADMIN, Gateway, RedisServer, running_gateway, user_headers, wait_for

FAILOVER_SECONDS = 30.0
SECRET_KEY = "shared-by-all-nodes"


@pytest.fixture(scope="module")
def started_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(started_cluster: Cluster) -> Cluster:
    """Return the cluster, once it is healthy again after the previous test."""
    for server in started_cluster.servers:
        if server.process is None:
            server.start()
    wait_for(started_cluster.healthy, "the cluster to be healthy", FAILOVER_SECONDS)
    return started_cluster


@pytest.fixture(scope="module")
def started_gateway(tmp_path_factory: pytest.TempPathFactory, started_cluster: Cluster) -> Iterator[Gateway]:
    directory: Path = tmp_path_factory.mktemp("g") / "data"
    directory.mkdir()
    (directory / "secret.key").write_text(SECRET_KEY)
    with running_gateway(
        directory,
        INBOX_REDIS_URL=started_cluster.url,
        INBOX_REDIS_TIMEOUT_SECONDS="0.5",
        INBOX_SECRET_KEY=SECRET_KEY,
        INBOX_WORKERS="2",
    ) as gateway:
        yield gateway


@pytest.fixture
def gateway(cluster: Cluster, started_gateway: Gateway) -> Gateway:
    """Return the gateway once it is ready."""
    wait_for(started_gateway.ready, "the gateway to be ready", FAILOVER_SECONDS)
    return started_gateway


@pytest.fixture
async def http(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(gateway) as http:
        yield http


# ---- the places of keys


def primaries(cluster: Cluster) -> list[RedisServer]:
    """Return the servers that serve slots."""
    running = [server for server in cluster.servers if server.process is not None]
    ports = {primary[1] for _, _, primary, *_ in cluster.execute(running[0], "CLUSTER", "SLOTS")}
    return [server for server in running if server.port in ports]


def names_of(cluster: Cluster, pattern: str) -> set[str]:
    """Return every key that matches a pattern, on all primaries."""
    found: set[str] = set()
    for server in primaries(cluster):
        with redis.Redis(port=server.port) as client:
            found |= {key.decode("latin-1") for key in client.scan_iter(pattern, count=10_000)}
    return found


async def key_of(http: httpx.AsyncClient, cluster: Cluster, user: str) -> str:
    """Return the key of a user who has an item."""
    (item, *_) = await items(http, user)
    (key,) = names_of(cluster, f"inbox:1:{{*:{item['recipient']['id']}}}")
    return key


async def users_on_every_primary(http: httpx.AsyncClient, cluster: Cluster, prefix: str) -> dict[str, str]:
    """Return the key of a user for each primary, by user. Each user has one item."""
    found: dict[int, tuple[str, str]] = {}
    for number in range(100):
        user = f"{prefix}-{number}"
        await send(http, user)
        key = await key_of(http, cluster, user)
        found.setdefault(cluster.primary_of(key).port, (user, key))
        if len(found) == PRIMARIES:
            return dict(found.values())
    raise AssertionError("no user on some primary")


def replica_of(cluster: Cluster, primary: RedisServer) -> RedisServer:
    """Return the replica of a primary."""
    for server in cluster.servers:
        with redis.Redis(port=server.port) as client:
            replication: dict[str, Any] = client.info("replication")
        if replication["role"] == "slave" and replication["master_port"] == primary.port:
            return server
    raise AssertionError("no replica")


async def test_a_sweep_trims_inboxes_on_every_primary(gateway: Gateway, http: httpx.AsyncClient) -> None:
    project = await asyncio.to_thread(created_project, gateway)
    users = [f"swept-{number}" for number in range(12)]
    body = {"notification": {"title": "t", "recipients": [{"external_id": user} for user in users]}}
    for _ in range(4):
        assert (await http.post("/notifications", headers=admin_of(project), json=body)).status_code == 201

    async def totals() -> set[int]:
        responses = [await http.get("/notifications", headers=user_of(project, user)) for user in users]
        return {response.json()["total"] for response in responses}

    assert await totals() == {4}
    await asyncio.to_thread(changed_project, gateway, project, item_retention_count=1)
    async with asyncio.timeout(FAILOVER_SECONDS):
        while await totals() != {1}:
            await asyncio.sleep(0.05)


# ---- every feature works


async def test_notifications_and_broadcasts_work_on_every_primary(
    cluster: Cluster, http: httpx.AsyncClient, user: str
) -> None:
    users = [f"{user}-{number}" for number in range(30)]
    body: dict[str, Any] = {"notification": {"title": "Hi", "recipients": [{"external_id": each} for each in users]}}
    sent = await http.post("/notifications", headers=ADMIN, json=body)
    assert sent.status_code == 201
    notification_id = sent.json()["notification"]["id"]
    assert len({cluster.primary_of(await key_of(http, cluster, each)).port for each in users}) == PRIMARIES
    for each in users:
        (item,) = await items(http, each)
        assert item["id"] == notification_id
        await command(http, each, "POST", f"/notifications/{notification_id}/read")
        assert (await items(http, each))[0]["read_at"] is not None

    broadcast = {"broadcast": {"title": "All", "recipients": [{"matches": "*"}]}}
    accepted = (await http.post("/broadcasts", headers=ADMIN, json=broadcast)).json()["broadcast"]
    done = await until_processed(http, f"/broadcasts/{accepted['id']}")
    assert done["broadcast"]["status"]["summary"]["failures"] == 0
    assert done["broadcast"]["status"]["summary"]["total"] >= len(users)
    listed = await get(http, f"/broadcasts/{accepted['id']}/notifications?per_page=100")
    assert set(users) <= {item["recipient"]["external_id"] for item in listed["notifications"]}
    assert all([len(await items(http, each)) == 2 for each in users])


async def test_a_token_is_valid_until_it_is_revoked_on_every_primary(http: httpx.AsyncClient, user: str) -> None:
    for number in range(6):
        name = f"{user}-{number}"
        body = {"external_id": name, "expiry": 600}
        created = await http.post("/v2/jwt/user", headers=ADMIN, json=body)
        assert created.status_code == 201, created.text
        token = created.json()
        headers = bearer(token["token"])
        assert (await http.get("/notifications", headers=headers)).status_code == 200
        assert (await http.delete(f"/v2/jwt/user/{token['token_id']}", headers=ADMIN)).is_success
        assert (await http.get("/notifications", headers=headers)).status_code == 401


async def test_a_deleted_project_is_erased_on_every_primary(
    cluster: Cluster, gateway: Gateway, http: httpx.AsyncClient
) -> None:
    headers = bearer(workspace_token(gateway))
    path = "/workspaces/default/projects"
    created = await http.post(path, headers=headers, json={"project": {"name": "Doomed"}})
    assert created.is_success, created.text
    project = created.json()["project"]
    secrets = {"X-MAGICBELL-API-KEY": project["api_key"], "X-MAGICBELL-API-SECRET": project["api_secret"]}
    recipients = [{"external_id": f"u{number}"} for number in range(50)]
    body = {"notification": {"title": "Hello", "recipients": recipients}}
    assert (await http.post("/notifications", headers=secrets, json=body)).status_code == 201
    pattern = f"*{{{project['id']}[:}}]*"
    assert len(names_of(cluster, pattern)) > 100
    assert (await http.delete(f"{path}/{project['id']}", headers=headers)).is_success

    def erased() -> bool:
        # Only a tombstone remains of a deleted user, in a key of the user's own.
        return all(name.endswith("}") and ":" in name.rpartition("{")[2] for name in names_of(cluster, pattern))

    await asyncio.to_thread(wait_for, erased, "the project to be erased", FAILOVER_SECONDS)


# ---- moving slots


async def test_inboxes_receive_everything_in_order_while_their_slots_move(
    cluster: Cluster, gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    users = await users_on_every_primary(http, cluster, user)
    inboxes = {name: [ResumingInbox(transport, gateway, name) for transport in TRANSPORTS] for name in users}
    writers = [Writer(http, name) for name in users]
    before = {name: await items(http, name) for name in users}
    async with resuming(*(inbox for those in inboxes.values() for inbox in those)):
        for key in users.values():
            moved = asyncio.create_task(asyncio.to_thread(cluster.move_slot, key), name="move")
            while not moved.done():
                await asyncio.gather(*(writer.acknowledge(5) for writer in writers))
            await moved
        await asyncio.gather(*(writer.acknowledge(10) for writer in writers))
        for name, writer in zip(users, writers, strict=True):
            listed = await items(http, name)
            sent = [item["id"] for item in listed[: len(listed) - len(before[name])]]
            assert writer.refused == []
            assert sorted(sent) == sorted(writer.acknowledged)
            last = await position(http, name)
            for inbox in inboxes[name]:
                await inbox.caught_up(last)
                assert [event["data"]["id"] for event in inbox.events] == sent[::-1]
                assert inbox.connections == 1


# ---- primaries that die or hang


async def test_inboxes_continue_after_a_primary_died(
    cluster: Cluster, gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    users = await users_on_every_primary(http, cluster, user)
    async with contextlib.AsyncExitStack() as stack:
        clients: dict[str, list[LiveClient]] = {}
        for name in users:
            opened = [await stack.enter_async_context(open_inbox(transport, gateway, name)) for transport in TRANSPORTS]
            clients[name] = opened
        victim, key = next(iter(users.items()))
        cluster.kill_primary_of(key)
        for name in users:
            writer = Writer(http, name)
            await writer.acknowledge(3)
            assert name == victim or writer.refused == [], "users of other primaries are not affected"
            for client in clients[name]:
                received = await until_known(client, await position(http, name))
                if "reset" not in {message["type"] for message in received}:
                    assert [message["data"]["id"] for message in received] == writer.acknowledged
                else:
                    assert name == victim
            assert set(writer.acknowledged) <= {item["id"] for item in await items(http, name)}


async def test_clients_that_are_ahead_of_a_promoted_replica_receive_a_reset(
    cluster: Cluster, gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    await send(http, user)
    key = await key_of(http, cluster, user)
    primary = cluster.primary_of(key)
    replica = replica_of(cluster, primary)
    assert replica.process is not None
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(open_inbox(transport, gateway, user)) for transport in TRANSPORTS]
        with redis.Redis(port=primary.port) as client:
            assert client.wait(1, 5000) == 1
            replica.process.send_signal(signal.SIGSTOP)
            try:
                client.execute_command("CLIENT", "KILL", "TYPE", "replica")
                lost = [await send(http, user) for _ in range(2)]
                for each in clients:
                    assert [event["data"]["id"] for event in await each.events(2)] == lost
                primary.stop(signal.SIGKILL)
            finally:
                replica.process.send_signal(signal.SIGCONT)
        writer = Writer(http, user)
        await writer.acknowledge(2)
        assert [item["id"] for item in await items(http, user)][:2] == writer.acknowledged[::-1]
        for each in clients:
            received = await until_known(each, await position(http, user))
            reset = next(message for message in received if message["type"] == "reset")
            assert reset["reason"] in ("position_unknown", "epoch_changed")
            assert epoch(received[-1]["position"]) != epoch(each.position)


async def test_clients_that_resume_after_a_promoted_replica_was_restarted_receive_a_reset(
    cluster: Cluster, gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    await send(http, user)
    key = await key_of(http, cluster, user)
    primary = cluster.primary_of(key)
    replica = replica_of(cluster, primary)
    assert replica.process is not None
    with redis.Redis(port=primary.port) as client:
        assert client.wait(1, 5000) == 1
        replica.process.send_signal(signal.SIGSTOP)
        try:
            client.execute_command("CLIENT", "KILL", "TYPE", "replica")
            lost = [await send(http, user) for _ in range(2)]
            known = await position(http, user)
            before = generation_of(cluster, primary, key)
            primary.stop(signal.SIGKILL)
        finally:
            replica.process.send_signal(signal.SIGCONT)

    def has_generation() -> bool:
        return generation_of(cluster, replica, key) not in ("", before)

    await asyncio.to_thread(wait_for, has_generation, "the generation of the promoted replica", FAILOVER_SECONDS)
    replica.stop()
    replica.start()
    writer = Writer(http, user)
    await writer.acknowledge(3)
    assert not {item["id"] for item in await items(http, user)} & set(lost)
    assert offset(await position(http, user)) > offset(known), "only the epoch shows the loss"
    for transport in TRANSPORTS:
        async with open_inbox(transport, gateway, user, since=known) as client:
            reset = await client.next()
            assert (reset["type"], reset["reason"]) == ("reset", "epoch_changed")


def generation_of(cluster: Cluster, server: RedisServer, key: str) -> str:
    """Return the data generation that a primary stores beside a key, "" if there is none or for a replica."""
    with contextlib.suppress(redis.ResponseError):
        return str(cluster.execute(server, "GET", generation_key(slot_of(key))) or "")
    return ""


async def until_known(client: LiveClient, position: str) -> list[dict[str, Any]]:
    """Return the messages up to one with a position."""
    received = [await client.next()]
    while received[-1]["position"] != position:
        assert offset(received[-1]["position"]) <= offset(position) or received[-1]["type"] == "reset"
        received.append(await client.next())
    return received


async def test_a_primary_that_hangs_does_not_affect_users_of_others(
    cluster: Cluster, gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    users = await users_on_every_primary(http, cluster, user)
    (victim, key), *others = users.items()
    inboxes = [ResumingInbox(transport, gateway, name) for transport in TRANSPORTS for name, _ in others]
    before = {name: len(await items(http, name)) for name, _ in others}
    async with resuming(*inboxes):
        with cluster.hung_primary_of(key):
            refusal = await Writer(http, victim).write_until_refused()
            assert refusal.status_code == 503
            for name, _ in others:
                writer = Writer(http, name)
                await writer.acknowledge(10)
                assert writer.refused == []
                assert (await http.get("/notifications", headers=user_headers(name))).status_code == 200
            assert gateway.ready()
            for inbox in inboxes:
                await inbox.caught_up(await position(http, inbox.user))
            await Writer(http, victim).acknowledge(1)  # the replica was promoted
        await asyncio.to_thread(wait_for, cluster.healthy, "the hung server to recover", FAILOVER_SECONDS)
        await Writer(http, victim).acknowledge(3)
        for inbox in inboxes:
            assert inbox.connections == 1
            assert len(await items(http, inbox.user)) == before[inbox.user] + 10


async def test_no_request_failed_with_an_internal_error(gateway: Gateway) -> None:
    assert "Traceback" not in gateway.log
    assert '"status": 500' not in gateway.log
