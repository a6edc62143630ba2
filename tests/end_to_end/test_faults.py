"""Faults: killed processes, a store that hangs, connections that are cut. Afterwards every inbox is exact."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from websockets.asyncio.client import connect

from gateway.settings import Settings
from tests.live.clients import (
    TRANSPORTS,
    Ended,
    LiveClient,
    Replica,
    ResumingInbox,
    at_offset,
    epoch,
    items,
    offset,
    offsets,
    open_inbox,
    open_raw_websocket,
    position,
    resuming,
    send,
)
from tests.servers import ADMIN, Gateway, RedisServer, running_gateway, running_redis, user_headers, wait_for

BROADCASTS_AT_MOST = 20

HEALED_SECONDS = 30.0
QUEUING = 200


def short_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a short name, because it contains a Unix socket."""
    return tmp_path_factory.mktemp("f") / "data"


@pytest.fixture
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Yield a data directory of the test's own."""
    return short_directory(tmp_path_factory)


@pytest.fixture(scope="module")
def durable_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Yield a gateway whose acknowledged writes are on disk."""
    with running_gateway(short_directory(tmp_path_factory), INBOX_DURABILITY="disk") as gateway:
        yield gateway


@pytest.fixture
def durable(durable_gateway: Gateway) -> Gateway:
    """Return that gateway, running again after the previous test."""
    if durable_gateway.process is None:
        durable_gateway.start()
    return durable_gateway


@contextlib.asynccontextmanager
async def client_of(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a REST client."""
    async with httpx.AsyncClient(base_url=gateway.url, timeout=15) as http:
        yield http


class Writer:
    """A backend that sends notifications and records which were acknowledged."""

    def __init__(self, http: httpx.AsyncClient, user: str):
        self._http = http
        self._user = user
        self.acknowledged: list[str] = []
        self.refused: list[httpx.Response] = []
        self.cut_off = 0

    async def write(self) -> bool:
        """Send a notification. Return whether it was acknowledged."""
        body = {"notification": {"title": "Hello", "recipients": [{"external_id": self._user}]}}
        try:
            response = await self._http.post("/notifications", headers=ADMIN, json=body)
        except httpx.TransportError:
            self.cut_off += 1
            return False
        if response.status_code == 201:
            self.acknowledged.append(response.json()["notification"]["id"])
            return True
        self.refused.append(response)
        return False

    async def acknowledge(self, count: int) -> None:
        """Send until `count` more notifications are acknowledged."""
        wanted = len(self.acknowledged) + count
        async with asyncio.timeout(HEALED_SECONDS):
            while len(self.acknowledged) < wanted:
                if not await self.write():
                    await asyncio.sleep(0.01)

    async def write_until_refused(self) -> httpx.Response:
        """Send until a request fails, and return the response."""
        async with asyncio.timeout(HEALED_SECONDS):
            while not self.refused:
                await self.write()
        return self.refused[0]


async def assert_exact(http: httpx.AsyncClient, user: str, writer: Writer, inboxes: list[ResumingInbox]) -> None:
    """Check that every acknowledged notification is stored once, and that every client has the items of REST."""
    listed = await items(http, user)
    ids = [item["id"] for item in listed]
    assert set(writer.acknowledged) <= set(ids)
    assert len(ids) == len(set(ids))
    last = await position(http, user)
    for inbox in inboxes:
        await inbox.caught_up(last)
        replica = Replica()
        for event in inbox.events:
            replica.apply(event)
        assert replica.items == listed


def is_alive(pid: int) -> bool:
    """Return whether a process is running, which a zombie is not (Linux)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# ---- processes that are killed


async def test_a_killed_worker_is_replaced_and_nothing_is_lost_or_duplicated(durable: Gateway, user: str) -> None:
    inboxes = [ResumingInbox(transport, durable, user) for transport in (*TRANSPORTS, *TRANSPORTS)]
    (worker,) = durable.children("worker")
    async with client_of(durable) as http, resuming(*inboxes):
        writers = [Writer(http, user) for _ in range(3)]
        await asyncio.gather(*(writer.acknowledge(20) for writer in writers))
        rest = asyncio.gather(*(writer.acknowledge(40) for writer in writers))
        await inboxes[0].receive(20)
        os.kill(worker, signal.SIGKILL)
        await rest
        for writer in writers:
            await assert_exact(http, user, writer, inboxes)
    assert all(inbox.connections == 2 for inbox in inboxes)
    (successor,) = durable.children("worker")
    assert successor != worker


async def test_a_killed_valkey_is_started_again_while_connections_stay_open_and_writes_are_refused(
    durable: Gateway, user: str
) -> None:
    (valkey,) = durable.children("valkey")
    inboxes = [ResumingInbox(transport, durable, user) for transport in (*TRANSPORTS, *TRANSPORTS)]
    async with client_of(durable) as http, resuming(*inboxes):
        writer = Writer(http, user)
        await writer.acknowledge(30)
        os.kill(valkey, signal.SIGKILL)
        refusal = await writer.write_until_refused()
        assert refusal.status_code == 503
        assert int(refusal.headers["Retry-After"]) >= 1
        assert refusal.json()["errors"][0]["code"] == "redis_unavailable"
        await writer.acknowledge(30)
        assert {response.status_code for response in writer.refused} == {503}
        assert writer.cut_off == 0
        await assert_exact(http, user, writer, inboxes)
        assert all(inbox.connections == 1 for inbox in inboxes), "connections stayed open"
    (successor,) = durable.children("valkey")
    assert successor != valkey


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_clients_receive_a_reset_if_a_killed_valkey_may_have_lost_events_that_they_received(
    transport: str, user: str, data_dir: Path
) -> None:
    with running_gateway(data_dir) as gateway:
        async with client_of(gateway) as http, open_inbox(transport, gateway, user) as inbox:
            await send(http, user)
            last = (await inbox.next())["position"]
            await asyncio.to_thread(gateway.restart_valkey)
            await send(http, user)
            reset = await inbox.next()
            assert (reset["type"], reset["reason"]) == ("reset", "epoch_changed")
            assert epoch(reset["position"]) != epoch(last)
            await send(http, user)
            assert (await inbox.next())["position"] == at_offset(reset["position"], offset(reset["position"]) + 1)


async def test_the_children_of_a_killed_supervisor_end_and_a_new_one_starts_at_once(
    durable: Gateway, user: str
) -> None:
    children = durable.children("")
    assert len(children) >= 2
    inboxes = [ResumingInbox(transport, durable, user) for transport in TRANSPORTS]
    async with client_of(durable) as http, resuming(*inboxes):
        writer = Writer(http, user)
        await writer.acknowledge(30)
        await asyncio.to_thread(durable.stop, signal.SIGKILL)
        await asyncio.to_thread(durable.start)
        assert not [pid for pid in children if is_alive(pid)]
        await writer.acknowledge(10)
        await assert_exact(http, user, writer, inboxes)


async def test_a_broadcast_whose_worker_is_killed_reaches_everyone_exactly_once(data_dir: Path) -> None:
    users = 4_000
    body: dict[str, Any] = {"import": {"users": [{"external_id": f"u{number}"} for number in range(users)]}}
    with running_gateway(data_dir, INBOX_DURABILITY="disk", INBOX_WORKERS="2") as gateway:
        inboxes = [ResumingInbox(transport, gateway, f"u{number}") for transport in TRANSPORTS for number in (0, 3_999)]
        async with client_of(gateway) as http:
            accepted = (await http.post("/imports", headers=ADMIN, json=body)).json()["import"]
            await until_processed(http, f"/imports/{accepted['id']}")
            async with resuming(*inboxes):
                sent: list[str] = []
                while not sent or not await both_workers_killed_midway(gateway, http, sent[-1]):
                    # If the test was delayed, the broadcast is already done, and another one is started.
                    assert len(sent) < BROADCASTS_AT_MOST
                    body = {"broadcast": {"title": "Hello", "recipients": [{"external_id": "u7"}, {"matches": "*"}]}}
                    sent.append((await http.post("/broadcasts", headers=ADMIN, json=body)).json()["broadcast"]["id"])
                path = f"/broadcasts/{sent[-1]}"
                done = await until_processed(http, path)
                assert done["broadcast"]["status"]["summary"] == {"total": users, "failures": 0}
                for inbox in inboxes:
                    await inbox.caught_up(await position(http, inbox.user))
                    assert [event["data"]["id"] for event in inbox.events] == sent
            names = [
                item["recipient"]["external_id"]
                for page in range(1, users // 100 + 1)
                for item in (await get(http, f"{path}/notifications?per_page=100&page={page}"))["notifications"]
            ]
        with redis.Redis(unix_socket_path=str(Settings(data_dir=data_dir).valkey_socket)) as store:
            logs = [len(store.xrange(key)) for key in store.scan_iter("inbox:1:*:log", count=10_000)]
            offsets_of_users = {store.hget(key[: -len(b":log")], "offset") for key in store.scan_iter("*}:log")}
    assert sorted(names) == sorted(f"u{number}" for number in range(users))
    assert logs == [len(sent)] * users
    assert offsets_of_users == {str(len(sent)).encode()}


async def both_workers_killed_midway(gateway: Gateway, http: httpx.AsyncClient, broadcast: str) -> bool:
    """Kill both workers one after the other while a broadcast runs. Return False if it was done before that."""
    path = f"/broadcasts/{broadcast}"
    for worker, reached in zip(gateway.children("worker"), (300, 1_500), strict=True):
        if not await reached_midway(http, path, reached):
            await until_processed(http, path)
            return False
        os.kill(worker, signal.SIGKILL)
    return True


async def get(http: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """Send a GET request as a backend. Repeat it while workers end."""
    async with asyncio.timeout(HEALED_SECONDS):
        while True:
            with contextlib.suppress(httpx.TransportError):
                found: dict[str, Any] = (await http.get(path, headers=ADMIN)).raise_for_status().json()
                return found


async def until_processed(http: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """Wait until a job is done, and return it."""
    async with asyncio.timeout(HEALED_SECONDS):
        while '"processed"' not in str(found := await get(http, path)).replace("'", '"'):
            await asyncio.sleep(0.05)
    return found


async def reached_midway(http: httpx.AsyncClient, path: str, count: int) -> bool:
    """Wait until a broadcast has reached `count` users. Return whether it is still running."""
    async with asyncio.timeout(HEALED_SECONDS):
        while (status := (await get(http, path))["broadcast"]["status"])["summary"]["total"] < count:
            await asyncio.sleep(0)
    return bool(status["status"] == "processing")


# ---- shutdown


async def test_at_sigterm_every_client_receives_a_goodbye_and_no_data_is_lost(durable: Gateway, user: str) -> None:
    async with client_of(durable) as http:
        sent = await send(http, user)
    async with contextlib.AsyncExitStack() as stack:
        clients: list[LiveClient] = [
            await stack.enter_async_context(open_inbox(transport, durable, user))
            for transport in TRANSPORTS
            for _ in range(20)
        ]
        stopped = asyncio.create_task(asyncio.to_thread(durable.stop), name="stop")
        received = await asyncio.gather(*(client.read_to_end() for client in clients))
        assert await stopped == 0
    goodbyes = [messages[-1] for messages in received]
    assert all(len(messages) == 1 for messages in received)
    assert {(goodbye["type"], goodbye["code"], goodbye["reason"]) for goodbye in goodbyes} == {
        ("goodbye", 4001, "draining")
    }
    retries = [goodbye["retry_after_ms"] for goodbye in goodbyes]
    assert min(retries) > 0
    assert max(retries) - min(retries) > 100, "clients do not all reconnect at once"
    durable.start()
    async with client_of(durable) as http:
        assert [item["id"] for item in await items(http, user)] == [sent]


async def test_a_client_that_never_closes_does_not_delay_the_shutdown(durable: Gateway, user: str) -> None:
    async with open_raw_websocket(durable, user) as stubborn:
        await stubborn.message()
        started = time.monotonic()
        assert await asyncio.to_thread(durable.stop) == 0
        assert time.monotonic() - started < 10
        (goodbye,) = await stubborn.until_goodbye()
        assert goodbye["code"] == 4001


async def test_clients_of_a_gateway_that_restarts_miss_nothing(durable: Gateway, user: str) -> None:
    inboxes = [ResumingInbox(transport, durable, user) for transport in TRANSPORTS]
    async with client_of(durable) as http, resuming(*inboxes):
        writer = Writer(http, user)
        await writer.acknowledge(10)
        rest = asyncio.create_task(writer.acknowledge(100), name="write")
        await inboxes[0].receive(10)
        assert await asyncio.to_thread(durable.stop) == 0
        await asyncio.to_thread(durable.start)
        await rest
        await assert_exact(http, user, writer, inboxes)
    assert [[goodbye["code"] for goodbye in inbox.goodbyes] for inbox in inboxes] == [[4001], [4001]]


def test_a_second_gateway_on_the_same_data_is_refused(data_dir: Path) -> None:
    with running_gateway(data_dir) as first:
        second = Gateway(data_dir)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("INBOX_")},
            "INBOX_DATA_DIR": str(data_dir),
            "INBOX_PORT": str(second.port),
        }
        done = subprocess.run(
            [sys.executable, "-m", "gateway", "serve"], env=environment, capture_output=True, text=True, timeout=30
        )
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr == (
            f"inbox-gateway: another gateway uses {data_dir}: stop it, or set INBOX_DATA_DIR to another directory\n"
        )
        assert first.ready(), "the first one still serves"


def test_clients_that_queued_for_a_stopped_worker_get_responses_and_it_shuts_down_as_usual(data_dir: Path) -> None:
    with running_gateway(data_dir) as gateway:
        (worker,) = gateway.children("worker")
        os.kill(worker, signal.SIGSTOP)
        with contextlib.ExitStack() as stack:
            clients = [
                stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), HEALED_SECONDS))
                for _ in range(QUEUING)
            ]
            for client in clients:
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            os.kill(worker, signal.SIGCONT)
            assert {client.recv(12) for client in clients} == {b"HTTP/1.1 200"}
        assert gateway.stop() == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", gateway.port), 1)


# ---- several workers


async def test_clients_of_every_worker_receive_every_event(data_dir: Path, user: str) -> None:
    with running_gateway(data_dir, INBOX_WORKERS="2", INBOX_MAX_CONNECTIONS_PER_USER="1000") as gateway:
        assert len(gateway.children("worker")) == 2
        async with client_of(gateway) as http, contextlib.AsyncExitStack() as stack:
            clients: dict[str, list[LiveClient]] = {}
            async with asyncio.timeout(HEALED_SECONDS):
                while min(map(len, clients.values()), default=0) < 3 or len(clients) < 2:
                    for transport in TRANSPORTS:
                        client = await stack.enter_async_context(open_inbox(transport, gateway, user))
                        worker = str(client.ready["connection_id"]).partition("-")[0]
                        clients.setdefault(worker, []).append(client)
            assert len(clients) == 2
            for _ in range(20):
                await send(http, user)
            everyone = [client for those in clients.values() for client in those]
            received = await asyncio.gather(*(client.events(20) for client in everyone))
            assert all(events == received[0] for events in received)
            assert offsets(received[0]) == list(range(1, 21))
        assert await asyncio.to_thread(gateway.stop) == 0


async def test_a_killed_worker_of_two_does_not_disconnect_the_clients_of_the_other(data_dir: Path, user: str) -> None:
    with running_gateway(data_dir, INBOX_WORKERS="2") as gateway:
        workers = gateway.children("worker")
        inboxes = [ResumingInbox(transport, gateway, user) for transport in TRANSPORTS * 5]
        async with client_of(gateway) as http, resuming(*inboxes):
            writer = Writer(http, user)
            await writer.acknowledge(10)
            os.kill(workers[0], signal.SIGKILL)
            await writer.acknowledge(10)
            await assert_exact(http, user, writer, inboxes)
            assert all(inbox.connections <= 2 for inbox in inboxes)
        assert await asyncio.to_thread(gateway.stop) == 0


# ---- a separate Redis


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Yield a server that a test may pause or disconnect."""
    with running_redis("valkey", tmp_path_factory.mktemp("r")) as server:
        yield server


@contextlib.contextmanager
def running_on(server: RedisServer, directory: Path) -> Iterator[Gateway]:
    """Yield a gateway on that server, with a short timeout for calls."""
    with running_gateway(
        directory, INBOX_REDIS_URL=server.url, INBOX_REDIS_TIMEOUT_SECONDS="0.5", INBOX_SECRET_KEY="test"
    ) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def on_own_redis(tmp_path_factory: pytest.TempPathFactory, own_redis: RedisServer) -> Iterator[Gateway]:
    """Yield a gateway on the server that a test may pause or disconnect."""
    with running_on(own_redis, short_directory(tmp_path_factory)) as gateway:
        yield gateway


def readyz(gateway: Gateway) -> httpx.Response:
    """Return the response of /readyz."""
    return httpx.get(f"{gateway.url}/readyz", timeout=30)


async def test_a_hung_redis_is_reported_and_everything_is_delivered_once_when_it_continues(
    on_own_redis: Gateway, own_redis: RedisServer, user: str
) -> None:
    assert own_redis.process is not None
    inboxes = [ResumingInbox(transport, on_own_redis, user) for transport in TRANSPORTS]
    async with client_of(on_own_redis) as http, resuming(*inboxes):
        writer = Writer(http, user)
        await writer.acknowledge(10)
        own_redis.process.send_signal(signal.SIGSTOP)
        try:
            refusal = await writer.write_until_refused()
            assert (refusal.status_code, refusal.headers["Retry-After"]) == (503, "1")
            await asyncio.to_thread(wait_for, lambda: readyz(on_own_redis).status_code == 503, "/readyz to return 503")
            assert readyz(on_own_redis).json()["reason"] == "redis_unavailable"
            assert (await http.get("/healthz")).status_code == 200
        finally:
            own_redis.process.send_signal(signal.SIGCONT)
        await writer.acknowledge(10)
        await asyncio.to_thread(wait_for, lambda: readyz(on_own_redis).status_code == 200, "/readyz to return 200")
        await assert_exact(http, user, writer, inboxes)
        assert all(inbox.connections == 1 for inbox in inboxes), "connections stayed open"


async def test_a_client_that_connects_while_redis_hangs_is_closed_with_a_time_to_reconnect(
    on_own_redis: Gateway, own_redis: RedisServer, user: str
) -> None:
    assert own_redis.process is not None
    inboxes = [ResumingInbox(transport, on_own_redis, user) for transport in TRANSPORTS]
    own_redis.process.send_signal(signal.SIGSTOP)
    try:
        for transport in TRANSPORTS:
            with pytest.raises(Ended) as refused:
                async with open_inbox(transport, on_own_redis, user):
                    pass
            goodbye = refused.value.args[0]
            assert (goodbye["code"], goodbye["reason"]) == (4004, "try_again_later")
            assert goodbye["retry_after_ms"] > 0
    finally:
        own_redis.process.send_signal(signal.SIGCONT)
    async with resuming(*inboxes):
        pass


async def test_a_cut_subscription_loses_nothing(on_own_redis: Gateway, own_redis: RedisServer, user: str) -> None:
    inboxes = [ResumingInbox(transport, on_own_redis, user) for transport in (*TRANSPORTS, *TRANSPORTS)]
    with redis.Redis(port=own_redis.port) as admin:
        async with client_of(on_own_redis) as http, resuming(*inboxes):
            writer = Writer(http, user)
            for _ in range(5):
                await writer.acknowledge(5)
                assert admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == 1
                # No event follows these. So no gap shows what was missed while the connection was down.
                await writer.acknowledge(3)
                await assert_exact(http, user, writer, inboxes)
        assert writer.refused == []
        assert all(inbox.connections == 1 for inbox in inboxes), "connections stayed open"


async def test_connected_clients_receive_a_reset_when_redis_has_lost_its_data(
    tmp_path: Path, data_dir: Path, user: str
) -> None:
    with running_redis("valkey", tmp_path) as server, running_on(server, data_dir) as gateway:
        async with client_of(gateway) as http, contextlib.AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(open_inbox(transport, gateway, user)) for transport in TRANSPORTS
            ]
            await send(http, user)
            for client in clients:
                await client.event()
            server.stop(signal.SIGKILL)
            server.start()
            for client in clients:
                reset = await client.next()
                assert (reset["type"], reset["reason"]) == ("reset", "epoch_changed")
                assert epoch(reset["position"]) != epoch(client.position)
                assert offset(reset["position"]) == 0


def test_a_gateway_that_starts_before_its_redis_waits_for_it(data_dir: Path, tmp_path: Path) -> None:
    with running_redis("valkey", tmp_path) as server:
        server.stop()
        gateway = Gateway(data_dir, {"INBOX_REDIS_URL": server.url, "INBOX_REDIS_TIMEOUT_SECONDS": "0.5"})
        with ThreadPoolExecutor(1) as pool:
            starting = pool.submit(gateway.start)
            wait_for(lambda: "trying again" in gateway.log, "the gateway to log that it waits", 30)
            server.start()
            starting.result(60)
        assert gateway.stop() == 0


async def test_a_foreign_message_on_a_users_channel_is_ignored(data_dir: Path, tmp_path: Path) -> None:
    with running_redis("valkey", tmp_path) as server, running_gateway(data_dir, INBOX_REDIS_URL=server.url) as gateway:
        async with connect(gateway.websocket_url, additional_headers=user_headers("joe")) as socket:
            await socket.recv()
            with redis.Redis.from_url(server.url) as client:
                channels = client.execute_command("PUBSUB", "SHARDCHANNELS")
                (channel,) = (name for name in channels if b"{probe" not in name and b"{control" not in name)
                client.execute_command("SPUBLISH", channel, b"what is this")
            async with httpx.AsyncClient(base_url=gateway.url) as http:
                await send(http, "joe")
            assert "notifications/new" in str(await asyncio.wait_for(socket.recv(), 30))
