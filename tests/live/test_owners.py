"""A socket has one owner at any moment, and nothing of it stays behind, whichever way it came in and went out."""

import asyncio
import contextlib
import gc
import os
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

import pytest

from gateway.app import Worker
from gateway.live.connection import Connection
from gateway.server.http import HttpProtocol
from gateway.server.worker_server import WorkerServer
from gateway.settings import load_settings
from tests.live.test_http import PING, UPGRADES, WEBSOCKET, request, sending
from tests.servers import ADMIN, Gateway, user_headers

PATIENCE_SECONDS = 10.0
TIMES = 6
"""Of each way. A user may have 4 open connections here, so whoever stays behind locks the others out."""

MASKED_CLOSE = b"\x88\x82\0\0\0\0\x03\xe8"
MASKED_PING = b"\x89\x80\0\0\0\0"


@dataclass
class Node:
    """A worker in this process, on the store of the shared gateway."""

    worker: Worker
    server: WorkerServer
    port: int

    @property
    def left_behind(self) -> dict[str, int]:
        """Count what there is of connections, by who keeps it."""
        hub, ingress = self.worker.hub, self.worker.ingress
        gc.collect()
        objects = gc.get_objects()
        return {
            "deadlines": len(hub.deadlines) + len(ingress.deadlines),
            "subscriptions": len(hub.subscriptions),
            "work slices": len(hub.scheduler),
            "uvicorn's connections": len(self.server.server_state.connections),
            "uvicorn's tasks": len(self.server.server_state.tasks),
            "HTTP objects": sum(isinstance(each, HttpProtocol) for each in objects),
            "live objects": sum(isinstance(each, Connection) for each in objects),
            "sockets": sum(os.readlink(f"/proc/self/fd/{fd}").startswith("socket:") for fd in _files()),
        }

    async def is_empty(self, before: dict[str, int]) -> None:
        """Wait until all is as it was before."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while self.left_behind != before:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{self.left_behind} is left, and it was {before}") from None


def _files() -> list[str]:
    files = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the directory's own
            os.readlink(f"/proc/self/fd/{fd}")
            files.append(fd)
    return files


@contextlib.asynccontextmanager
async def running_node(gateway: Gateway) -> AsyncIterator[Node]:
    """Serve for a block."""
    settings = load_settings(
        {
            "INBOX_DATA_DIR": str(gateway.data_dir),
            "INBOX_SECRET_KEY": (gateway.data_dir / "secret.key").read_text().strip(),
            "INBOX_MAX_CONNECTIONS_PER_USER": "4",
            "INBOX_AUTHENTICATION_SECONDS": "1",
            "INBOX_BODY_SECONDS": "1",
            "INBOX_RATE_LIMIT_READS": "0",
            "INBOX_RATE_LIMIT_WRITES": "0",
            "INBOX_DRAIN_SECONDS": "0.1",
        }
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        worker = Worker(settings)
        server = worker.server()
        serving = asyncio.create_task(server.serve([listening]))
        try:
            while not server.started:
                await asyncio.sleep(0.01)
            yield Node(worker, server, listening.getsockname()[1])
        finally:
            server.should_exit = True
            await serving
            gc.unfreeze()


Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def until(peer: Peer, end: bytes) -> None:
    """Read until something came."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        await peer[0].readuntil(end)


async def to_the_end(peer: Peer) -> None:
    """Read until the server closes."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        with contextlib.suppress(ConnectionError):
            while await peer[0].read(65536):
                pass


SSE = partial(request, "GET", "/realtime/sse")
WS = partial(request, "GET", "/realtime/ws")


def user(name: str) -> dict[str, str]:
    """The headers of a user."""
    return user_headers(f"owner-{name}")


READY = b"ready"
REFUSED = {**user("x"), "X-MAGICBELL-USER-HMAC": "wrong"}
SLOW_BODY = {**ADMIN, "Content-Length": "50"}

WAYS_IN: dict[str, tuple[Callable[[dict[str, str]], bytes], bytes]] = {
    "a stream": (lambda who: SSE(who), READY),
    "a stream of HTTP/1.0": (lambda who: SSE(who, version="1.0"), READY),
    "a stream behind requests": (lambda who: PING * 3 + SSE(who), READY),
    "a stream before requests": (lambda who: SSE(who) + PING * 3, READY),
    "two streams": (lambda who: SSE(who) * 2, READY),
    "a stream with a body": (lambda who: SSE(who, body=b"hello"), READY),
    **{
        f"a stream that asks for {name}": (lambda who, upgrade=upgrade: SSE({**who, **upgrade}), READY)  # type: ignore[misc]
        for name, upgrade in UPGRADES.items()
    },
    "the address of the stream for a websocket": (lambda who: SSE({**who, **WEBSOCKET}), b"}"),
    "a refused stream": (lambda who: SSE(REFUSED), b"}"),
    "a stream without credentials": (lambda who: SSE(UPGRADES["h2c"]), b"}"),
    "the head of a stream": (lambda who: request("HEAD", "/realtime/sse", who), b"\r\n\r\n"),
    "a websocket": (lambda who: WS({**who, **WEBSOCKET}), READY),
    "a websocket behind requests": (lambda who: PING * 3 + WS({**who, **WEBSOCKET}), READY),
    "a websocket with frames": (lambda who: WS({**who, **WEBSOCKET}) + MASKED_PING * 3, READY),
    "a websocket with garbage": (lambda who: WS({**who, **WEBSOCKET}) + b"\xff" * 100, b"\r\n\r\n"),
    "a websocket that is closed at once": (lambda who: WS({**who, **WEBSOCKET}) + MASKED_CLOSE, b"\r\n\r\n"),
    "a websocket that says nothing": (lambda who: WS(WEBSOCKET), b"\r\n\r\n"),
    "a refused websocket": (lambda who: WS({**REFUSED, **WEBSOCKET}), b"unauthorized"),
    "a handshake without a key": (lambda who: WS({**who, **UPGRADES["websocket"]}), b"\r\n\r\n"),
    "a websocket elsewhere": (lambda who: request("GET", "/healthz", WEBSOCKET), b"}"),
    "an upgrade that is not taken": (lambda who: request("POST", "/nowhere", UPGRADES["h2c"], b"hello") + PING, b"ok"),
    "a request": (lambda who: PING, b"ok"),
    "a write": (lambda who: request("POST", "/notifications", ADMIN, sending("owner-of-none")), b"}"),
    "many requests": (lambda who: PING * 50, b"ok"),
    "the last request": (lambda who: request("GET", "/healthz", {"Connection": "close"}) + PING, b"ok"),
    "a request that is none": (lambda who: b"GET / HTTP/1.1\r\n\r\n", b"}"),
    "chunks that are none": (
        lambda who: request("POST", "/notifications", {**ADMIN, "Transfer-Encoding": "chunked"}, b"x"),
        b"}",
    ),
    "half a head": (lambda who: b"GET /realtime/sse HTTP/1.1\r\nHost: a\r\n", b""),
    "half a head behind a request": (lambda who: PING + b"GET /real", b"ok"),
    "half a body": (lambda who: request("POST", "/notifications", SLOW_BODY, b"{"), b""),
    "half a body that nobody wants": (lambda who: request("POST", "/nowhere", {"Content-Length": "9"}, b"{"), b"}"),
    "a million small chunks": (
        lambda who: request("POST", "/nowhere", {"Transfer-Encoding": "chunked"}, b"1\r\n \r\n" * 100_000),
        b"}",
    ),
    "nothing": (lambda who: b"", b""),
}
"""What is said, and what has come when that was understood."""


async def _close(peer: Peer) -> None:
    peer[1].close()


async def _abort(peer: Peer) -> None:
    peer[1].get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer[1].transport.abort()


async def _send_no_more(peer: Peer) -> None:
    peer[1].write_eof()
    await to_the_end(peer)


WAYS_OUT = {"closed": _close, "reset": _abort, "half closed": _send_no_more}


@pytest.mark.parametrize("way_out", WAYS_OUT)
async def test_nothing_stays_behind_of_a_socket(gateway: Gateway, way_out: str) -> None:
    async with running_node(gateway) as node:
        before = node.left_behind
        for number, (said, understood) in enumerate(WAYS_IN.values()):
            who = user(f"{way_out}-{number}")
            for at_once in (False, True):
                for _ in range(TIMES):
                    peer = await asyncio.open_connection("127.0.0.1", node.port)
                    peer[1].write(said(who))
                    if understood and not at_once:
                        await until(peer, understood)
                    await WAYS_OUT[way_out](peer)
                    peer[1].close()
                    with contextlib.suppress(ConnectionError):
                        await peer[1].wait_closed()
                    if not at_once:
                        await gone(node, who)
            del peer
        await node.is_empty(before)


async def gone(node: Node, who: dict[str, str]) -> None:
    """Wait until no connection of any user is left in the hub."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(node.worker.hub.subscriptions):
            await asyncio.sleep(0.005)


async def test_a_user_can_always_come_in_again(gateway: Gateway) -> None:
    async with running_node(gateway) as node:
        before = node.left_behind
        who = user("again")
        for said in (SSE({**who, **UPGRADES["h2c"]}), SSE({**who, **UPGRADES["websocket"]}), WS({**who, **WEBSOCKET})):
            for _ in range(20):
                peer = await asyncio.open_connection("127.0.0.1", node.port)
                peer[1].write(said)
                await until(peer, READY)
                peer[1].close()
                await gone(node, who)
                await peer[1].wait_closed()
        del peer
        await node.is_empty(before)


@pytest.mark.parametrize(
    "last", [b"", request("GET", "/healthz", {"Connection": "close"}), SSE({"Connection": "close"})]
)
async def test_who_does_not_read_the_answers_is_cut_in_time(gateway: Gateway, last: bytes) -> None:
    async with running_node(gateway) as node:
        before = node.left_behind
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", node.port))
            for count in (1, 60):
                sock.sendall(request("GET", "/openapi.json") * count)
            sock.sendall(last)
            connections = node.server.server_state.connections
            for is_there in (True, False):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while bool(connections) is not is_there:
                        await asyncio.sleep(0.01)
        await node.is_empty(before)


async def test_deadlines_take_away_who_says_nothing_more(gateway: Gateway) -> None:
    async with running_node(gateway) as node:
        before = node.left_behind
        peers = []
        for name in (
            "nothing",
            "half a head",
            "half a head behind a request",
            "half a body",
            "a websocket that says nothing",
        ):
            peers.append(await asyncio.open_connection("127.0.0.1", node.port))
            peers[-1][1].write(WAYS_IN[name][0](user("late")))
        for peer in peers:
            await to_the_end(peer)
            peer[1].close()
            with contextlib.suppress(ConnectionError):
                await peer[1].wait_closed()
        del peers, peer
        await node.is_empty(before)
