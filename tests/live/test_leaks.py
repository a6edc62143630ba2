"""However a connection opens and ends, the worker keeps no object, task or subscription of it.

The worker runs in this process, on uvloop as in production, so that the tests can count its objects.
"""

import asyncio
import contextlib
import gc
import re
import signal
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest
import redis.asyncio
import uvloop
from websockets.frames import Opcode

from gateway.app import Worker
from gateway.live.connection import Connection
from gateway.live.hub import Hub
from gateway.settings import load_settings
from tests.live.clients import (
    TRANSPORTS,
    Ended,
    RawWebSocket,
    open_inbox,
    open_raw_websocket,
    raw_socket,
    receive_until,
    request_sse,
    send,
    send_request,
    user_token,
)
from tests.live.test_websocket_frames import frame
from tests.servers import ADMIN, API_KEY, API_SECRET, Gateway, RedisServer, running_redis, user_headers

TIMES = 10
"""How many connections open and end in each way at the same time."""

PATIENCE_SECONDS = 50.0

MOST_CONNECTIONS = 3

USER_CHANNEL = re.compile(rb"inbox:1:\{(?!probe:)[^:{}]+:[^{}]+\}")

ENVIRONMENT = {
    "INBOX_SECRET_KEY": "a key that no other test uses, long enough",
    "INBOX_AUTHENTICATION_SECONDS": "1",
    "INBOX_HEARTBEAT_SECONDS": "0.5",
    "INBOX_MAX_CONNECTIONS_PER_USER": str(MOST_CONNECTIONS),
    "INBOX_DRAIN_SECONDS": "0.5",
    "INBOX_RATE_LIMIT_READS": "0",
    "INBOX_RATE_LIMIT_WRITES": "0",
    "INBOX_ACCESS_LOG": "false",
}

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Yield a Redis that all these workers share."""
    with running_redis("valkey", tmp_path_factory.mktemp("valkey")) as server:
        yield server


class ObservedWorker:
    """A worker in this process, whose objects are counted, and a client of its REST API."""

    def __init__(self, worker: Worker, gateway: Gateway, store: RedisServer, http: httpx.AsyncClient):
        self.worker, self.gateway, self.store, self.http = worker, gateway, store, http
        self.hub: Hub = worker.hub

    async def count_held(self) -> dict[str, int]:
        """Count the connections, deadlines, requests, users, reads, tasks and subscriptions of the worker."""
        hub = self.hub
        gc.collect()
        tasks = [task.get_name() for task in asyncio.all_tasks()]
        return {
            "connections": sum(isinstance(each, Connection) for each in gc.get_objects()),
            "deadlines": len(hub.deadlines),
            "requests": len(self.worker.ingress.deadlines),
            "users": len(hub.subscriptions),
            "reads": hub.replay.pending,
            "tasks": len([name for name in tasks if name.startswith("Task-")]),
            "channels": await self._subscribed(),
        }

    async def _subscribed(self) -> int:
        """Return how many pub/sub channels of users are subscribed at Redis."""
        async with redis.asyncio.Redis(port=self.store.port) as admin:
            channels: list[bytes] = await admin.execute_command("PUBSUB", "SHARDCHANNELS")
        return sum(USER_CHANNEL.fullmatch(channel) is not None for channel in channels)

    async def until_counts_are(self, before: dict[str, int]) -> None:
        """Wait until the counts are those of before."""
        now: dict[str, int] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (now := await self.count_held()) != before:
                    await asyncio.sleep(0.1)
        assert now == before


@contextlib.asynccontextmanager
async def worker(store: RedisServer, data_dir: Path) -> AsyncIterator[ObservedWorker]:
    """Run a worker for a block."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        gateway = Gateway(data_dir, port=sock.getsockname()[1])
        settings = load_settings({**ENVIRONMENT, "INBOX_REDIS_URL": store.url, "INBOX_DATA_DIR": str(data_dir)})
        node = Worker(settings)
        server = node.server()
        await node.projects.ensure("Leaks", API_KEY, API_SECRET, True)
        serving = asyncio.create_task(server.serve([sock]), name="serve")
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            async with httpx.AsyncClient(base_url=gateway.url, timeout=10) as http:
                yield ObservedWorker(node, gateway, store, http)
        finally:
            server.should_exit = True
            await serving


# ---- ways in which connections open and end


Way = Callable[[ObservedWorker, str], Awaitable[None]]


async def opened_and_left(observed: ObservedWorker, user: str) -> None:
    for transport in TRANSPORTS:
        async with open_inbox(transport, observed.gateway, user):
            pass


async def opened_and_reset(observed: ObservedWorker, user: str) -> None:
    async with open_raw_websocket(observed.gateway, user) as peer:
        await peer.message()
        peer.reset()
    async with raw_socket(observed.gateway) as sock:
        await send_request(sock, "/realtime/sse", user_headers(user))
        await receive_until(sock, b"}\n\n")
        reset(sock)


async def half_closed(observed: ObservedWorker, user: str) -> None:
    for path, headers in (("/realtime/sse", {}), ("/realtime/ws", UPGRADE)):
        async with raw_socket(observed.gateway) as sock:
            await send_request(sock, path, {**user_headers(user), **headers})
            sock.shutdown(socket.SHUT_WR)
            await receive_until(sock, b"the end of the connection")


async def left_at_once(observed: ObservedWorker, user: str) -> None:
    """Disconnect at different moments while the connection is admitted."""
    for path, headers in (("/realtime/sse", {}), ("/realtime/ws", UPGRADE)):
        for way_out in (reset, lambda sock: None):
            for seconds in (0, 0.001, 0.003):
                async with raw_socket(observed.gateway) as sock:
                    await send_request(sock, path, {**user_headers(user), **headers})
                    await asyncio.sleep(seconds)
                    way_out(sock)


async def left_within_the_request(observed: ObservedWorker, user: str) -> None:
    for part in (b"", b"G", b"GET /realtime/ws HTTP/1.1\r\nUpgrade: websocket\r\n"):
        for way_out in (reset, lambda sock: None):
            async with raw_socket(observed.gateway) as sock:
                await asyncio.get_running_loop().sock_sendall(sock, part)
                way_out(sock)


async def refused(observed: ObservedWorker, user: str) -> None:
    wrong = {**user_headers(user), "X-MAGICBELL-USER-HMAC": "d3Jvbmc="}
    for headers in ({}, wrong, {"Authorization": f"Bearer {user_token(user, -1)}"}):
        async with request_sse(observed.gateway, headers=headers) as response:
            assert response.status_code == 401
    async with open_raw_websocket(observed.gateway, user) as peer:
        await peer.message()
    async with raw_socket(observed.gateway) as sock:
        peer = RawWebSocket(sock, observed.gateway.websocket_url)
        await peer.shake_hands(wrong)
        assert (await peer.until_goodbye())[-1]["code"] == 4501


async def refused_for_the_handshake(observed: ObservedWorker, user: str) -> None:
    """Send an invalid request, directly followed by a message that would authenticate."""
    message = frame(Opcode.TEXT, b'{"type":"auth","token":"%b"}' % user_token(user).encode())
    for changed in ({"Sec-WebSocket-Key": "short"}, {"Sec-WebSocket-Version": "12"}, {"Upgrade": "h2c"}):
        async with raw_socket(observed.gateway) as sock:
            lines = [f"{name}: {value}" for name, value in {"Host": "localhost", **UPGRADE, **changed}.items()]
            head = "\r\n".join(["GET /realtime/ws HTTP/1.1", *lines]) + "\r\n\r\n"
            await asyncio.get_running_loop().sock_sendall(sock, head.encode() + message)
            response = await receive_until(sock, b"\r\n\r\n")
            assert response.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 426 "))
            assert b" 426 " in response or b"\r\nSec-WebSocket-Version: 13\r\n" in response


async def requested_twice(observed: ObservedWorker, user: str) -> None:
    """Request a stream with an upgrade, which would give the socket another owner, and several in one packet."""
    for upgrade in ("websocket", "h2c", "TLS/1.2"):
        async with raw_socket(observed.gateway) as sock:
            await send_request(sock, "/realtime/sse", {**user_headers(user), **UPGRADE, "Upgrade": upgrade})
            await receive_until(sock, b"\r\n\r\n")
    async with raw_socket(observed.gateway) as sock:
        await send_request(sock, "/realtime/sse", user_headers(user), times=3)
        await receive_until(sock, b"}\n\n")


async def never_authenticated(observed: ObservedWorker, user: str) -> None:
    async with raw_socket(observed.gateway) as sock:
        peer = RawWebSocket(sock, observed.gateway.websocket_url)
        await peer.shake_hands({})
        assert (await peer.until_goodbye())[-1]["code"] == 4502


async def violated_the_protocol(observed: ObservedWorker, user: str) -> None:
    for sent, code in ((b"\xff" * 100_000, 1002), (frame(Opcode.PONG) * 50_000, 4505)):
        async with open_raw_websocket(observed.gateway, user) as peer:
            await peer.message()
            with contextlib.suppress(ConnectionError):
                await peer.send_bytes(sent)
            while (last := await peer.frame()).opcode is not Opcode.CLOSE:
                pass
            assert int.from_bytes(bytes(last.data)[:2]) == code


async def never_read(observed: ObservedWorker, user: str) -> None:
    """Read nothing, while more data is sent than the kernels at both ends buffer."""
    async with (
        open_raw_websocket(observed.gateway, user, 4096) as peer,
        raw_socket(observed.gateway, 4096) as sock,
    ):
        await peer.message()
        await send_request(sock, "/realtime/sse", user_headers(user))
        await receive_until(sock, b"}\n\n")
        for _ in range(2):
            await send(observed.http, user, content="x" * 4_000_000)


async def expired(observed: ObservedWorker, user: str) -> None:
    for transport in TRANSPORTS:
        with contextlib.suppress(Ended):
            async with open_inbox(transport, observed.gateway, query={"token": user_token(user, 1)}) as inbox:
                await inbox.read_to_end()


async def deleted(observed: ObservedWorker, user: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        inboxes = [await stack.enter_async_context(open_inbox(each, observed.gateway, user)) for each in TRANSPORTS]
        found = await observed.http.delete(f"/users/external_id:{user}", headers=ADMIN)
        assert found.status_code in (200, 204), found.text
        for inbox in inboxes:
            assert (await inbox.read_to_end())[-1]["reason"] == "user_deleted"


async def too_many(observed: ObservedWorker, user: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(MOST_CONNECTIONS):
            await stack.enter_async_context(open_inbox("websocket", observed.gateway, user))
        async with request_sse(observed.gateway, user) as response:
            assert response.status_code == 204


async def redis_hung(observed: ObservedWorker, user: str) -> None:
    """Stop Redis while connections are admitted. Some disconnect, and the others are refused or admitted later."""
    assert observed.store.process is not None
    async with contextlib.AsyncExitStack() as stack:
        observed.store.process.send_signal(signal.SIGSTOP)
        try:
            for number in range(6):
                for path, headers in (("/realtime/sse", {}), ("/realtime/ws", UPGRADE)):
                    sock = await stack.enter_async_context(raw_socket(observed.gateway))
                    await send_request(sock, path, {**user_headers(f"{user}{number}"), **headers})
            await asyncio.sleep(0.1)  # at some moment of their admission
            for _ in range(3):
                await left_at_once(observed, user)
            await asyncio.sleep(0.5)
        finally:
            observed.store.process.send_signal(signal.SIGCONT)


ONCE: tuple[Way, ...] = (redis_hung, never_read)
"""Ways that affect all connections, or consist of many."""

WAYS: tuple[Way, ...] = (
    *(opened_and_left, opened_and_reset, half_closed, left_at_once, left_within_the_request, refused),
    *(refused_for_the_handshake, requested_twice, never_authenticated, violated_the_protocol, never_read, expired),
    *(deleted, too_many, redis_hung),
)


def reset(sock: socket.socket) -> None:
    """Make a socket end with a TCP reset when its block ends."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_nothing_is_left_of_connections_that(store: RedisServer, tmp_path: Path, way: Way) -> None:
    async def go() -> None:
        async with worker(store, tmp_path) as observed:
            before = await observed.count_held()
            assert not any(before[name] for name in ("connections", "deadlines", "users", "channels")), before
            times = 1 if way in ONCE else TIMES
            await asyncio.gather(*(way(observed, f"{way.__name__}{number}") for number in range(times)))
            await observed.until_counts_are(before)

    uvloop.run(go())


def test_nothing_is_left_after_a_drain(store: RedisServer, tmp_path: Path) -> None:
    async def go() -> None:
        async with contextlib.AsyncExitStack() as stack, worker(store, tmp_path) as observed:
            before = await observed.count_held()
            for number in range(TIMES):
                for transport in TRANSPORTS:
                    await stack.enter_async_context(open_inbox(transport, observed.gateway, f"drained{number}"))
            await observed.hub.drain(0.5)
            await stack.aclose()
            await observed.until_counts_are(before)

    uvloop.run(go())
