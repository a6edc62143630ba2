"""Sockets that are handed over to live connections: one owner at a time, and every socket is released."""

import asyncio
import contextlib
import gc
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

import httpx
import pytest

from gateway.app import Worker
from gateway.live.connection import Connection
from gateway.server.http import HttpProtocol
from gateway.server.worker_server import WorkerServer
from gateway.settings import load_settings
from tests.live.clients import raw_socket, receive_until
from tests.server.http_requests import (
    PATIENCE_SECONDS,
    PING,
    UPGRADES,
    WEBSOCKET,
    conversation,
    read_head,
    read_response,
    request,
    sending,
    statuses,
)
from tests.servers import ADMIN, Gateway, user_headers

TIMES = 6
"""The connections of each way. A user may have 4 open ones here, so one that is not released blocks others."""

MASKED_CLOSE = b"\x88\x82\0\0\0\0\x03\xe8"
MASKED_PING = b"\x89\x80\0\0\0\0"


@dataclass
class Node:
    """A worker in this process, on the store of the shared gateway."""

    worker: Worker
    server: WorkerServer
    port: int

    @property
    def held(self) -> dict[str, int]:
        """The number of objects that each part of the worker keeps for connections."""
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
        """Wait until the worker holds what it held before."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while self.held != before:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{self.held} is held, and it was {before}") from None


def _files() -> list[str]:
    files = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the directory's own
            os.readlink(f"/proc/self/fd/{fd}")
            files.append(fd)
    return files


@contextlib.asynccontextmanager
async def running_node(gateway: Gateway) -> AsyncIterator[Node]:
    """Run a worker until the block ends."""
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
    """Read until some bytes were received."""
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
    """Return the headers of a user."""
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
        f"a stream with an Upgrade to {name}": (lambda who, upgrade=upgrade: SSE({**who, **upgrade}), READY)  # type: ignore[misc]
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
    "a websocket that sends nothing": (lambda who: WS(WEBSOCKET), b"\r\n\r\n"),
    "a refused websocket": (lambda who: WS({**REFUSED, **WEBSOCKET}), b"unauthorized"),
    "a handshake without a key": (lambda who: WS({**who, **UPGRADES["websocket"]}), b"\r\n\r\n"),
    "a websocket elsewhere": (lambda who: request("GET", "/healthz", WEBSOCKET), b"}"),
    "an ignored upgrade": (lambda who: request("POST", "/nowhere", UPGRADES["h2c"], b"hello") + PING, b"ok"),
    "a request": (lambda who: PING, b"ok"),
    "a write": (lambda who: request("POST", "/notifications", ADMIN, sending("owner-of-none")), b"}"),
    "many requests": (lambda who: PING * 50, b"ok"),
    "the last request": (lambda who: request("GET", "/healthz", {"Connection": "close"}) + PING, b"ok"),
    "a malformed request": (lambda who: b"GET / HTTP/1.1\r\n\r\n", b"}"),
    "malformed chunks": (
        lambda who: request("POST", "/notifications", {**ADMIN, "Transfer-Encoding": "chunked"}, b"x"),
        b"}",
    ),
    "half a head": (lambda who: b"GET /realtime/sse HTTP/1.1\r\nHost: a\r\n", b""),
    "half a head behind a request": (lambda who: PING + b"GET /real", b"ok"),
    "half a body": (lambda who: request("POST", "/notifications", SLOW_BODY, b"{"), b""),
    "half an ignored body": (lambda who: request("POST", "/nowhere", {"Content-Length": "9"}, b"{"), b"}"),
    "a million small chunks": (
        lambda who: request("POST", "/nowhere", {"Transfer-Encoding": "chunked"}, b"1\r\n \r\n" * 100_000),
        b"}",
    ),
    "nothing": (lambda who: b"", b""),
}
"""What a client sends, and the end of what it has received once that was processed."""


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
async def test_everything_of_a_socket_is_released(gateway: Gateway, way_out: str) -> None:
    async with running_node(gateway) as node:
        before = node.held
        for number, (sent_bytes, understood) in enumerate(WAYS_IN.values()):
            who = user(f"{way_out}-{number}")
            for at_once in (False, True):
                for _ in range(TIMES):
                    peer = await asyncio.open_connection("127.0.0.1", node.port)
                    peer[1].write(sent_bytes(who))
                    if understood and not at_once:
                        await until(peer, understood)
                    await WAYS_OUT[way_out](peer)
                    peer[1].close()
                    with contextlib.suppress(ConnectionError):
                        await peer[1].wait_closed()
                    if not at_once:
                        await disconnected(node)
            del peer
        await node.is_empty(before)


async def disconnected(node: Node) -> None:
    """Wait until the hub has no connection of any user."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(node.worker.hub.subscriptions):
            await asyncio.sleep(0.005)


async def test_a_user_can_connect_again_after_every_way_of_closing(gateway: Gateway) -> None:
    async with running_node(gateway) as node:
        before = node.held
        who = user("again")
        for sent_bytes in (
            SSE({**who, **UPGRADES["h2c"]}),
            SSE({**who, **UPGRADES["websocket"]}),
            WS({**who, **WEBSOCKET}),
        ):
            for _ in range(20):
                peer = await asyncio.open_connection("127.0.0.1", node.port)
                peer[1].write(sent_bytes)
                await until(peer, READY)
                peer[1].close()
                await disconnected(node)
                await peer[1].wait_closed()
        del peer
        await node.is_empty(before)


@pytest.mark.parametrize(
    "last", [b"", request("GET", "/healthz", {"Connection": "close"}), SSE({"Connection": "close"})]
)
async def test_a_client_that_reads_no_responses_is_disconnected_in_time(gateway: Gateway, last: bytes) -> None:
    async with running_node(gateway) as node:
        before = node.held
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


async def test_clients_that_send_nothing_more_are_disconnected_in_time(gateway: Gateway) -> None:
    async with running_node(gateway) as node:
        before = node.held
        peers = []
        for name in (
            "nothing",
            "half a head",
            "half a head behind a request",
            "half a body",
            "a websocket that sends nothing",
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


# ---- the live paths


@pytest.mark.parametrize("path", ["/realtime/ws", "/realtime/ws/", "/realtime//ws", "/realtime/ws?api_key=k"])
@pytest.mark.parametrize("headers", [{}, {"Upgrade": "websocket"}, UPGRADES["h2c"]], ids=["plain", "half", "h2c"])
def test_the_path_of_the_websocket_requires_an_upgrade(gateway: Gateway, path: str, headers: dict[str, str]) -> None:
    with conversation(gateway) as peer:
        for method in ("GET", "HEAD", "GET"):
            peer.send(request(method, path, headers))
            response = read_response(peer, method)
            assert (response.status, response.headers["upgrade"]) == (426, "websocket")
            assert "upgrade" in response.headers["connection"].lower()
            assert method == "HEAD" or json.loads(response.body)["errors"][0]["code"] == "upgrade_required"


def test_http_1_0_cannot_open_a_websocket(gateway: Gateway) -> None:
    assert statuses(gateway, [request("GET", "/realtime/ws", WEBSOCKET, version="1.0")], ["GET"]) == [426]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_head_of_a_stream_responds_as_get_does_and_closes(gateway: Gateway, user: str, version: str) -> None:
    with conversation(gateway) as peer:
        peer.send(request("HEAD", "/realtime/sse", user_headers(user), version=version))
        response = read_head(peer)
        assert response.status == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert not peer.sock.recv(1)


def test_head_of_a_stream_that_would_be_refused_is_refused(gateway: Gateway, user: str) -> None:
    wrong = {**user_headers(user), "X-MAGICBELL-USER-HMAC": "wrong"}
    for headers in ({}, wrong):
        with conversation(gateway) as peer:
            peer.send(request("HEAD", "/realtime/sse", headers))
            assert read_response(peer, "HEAD").status == 401
            assert peer.next_response(lambda _: "HEAD") is None


async def test_head_of_a_stream_leaves_no_stream_open(gateway: Gateway) -> None:
    async with running_node(gateway) as node, httpx.AsyncClient(base_url=f"http://127.0.0.1:{node.port}") as http:
        for _ in range(10):  # a user may have 4 connections
            response = await http.head("/realtime/sse", headers=user("head"))
            assert response.status_code == 200
            await disconnected(node)


async def until_metric(http: httpx.AsyncClient, name: str, value: float) -> None:
    """Wait until a metric has a value, summed over its labels."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            lines = (await http.get("/metrics")).text.splitlines()
            found = [float(line.split(" ")[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
            if sum(found) == value:
                return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("before", [b"", PING, PING * 5, request("POST", "/nowhere", None, b"x" * 70_000)])
@pytest.mark.parametrize("base", ["", "http://inbox", "HTTPS://other:8443"])
async def test_a_stream_may_follow_other_requests_and_have_an_absolute_target(
    gateway: Gateway, user: str, before: bytes, base: str
) -> None:
    async with raw_socket(gateway) as sock:
        sent_bytes = before + request("GET", f"{base}/realtime/sse", user_headers(user)) + PING * 3
        await asyncio.get_running_loop().sock_sendall(sock, sent_bytes)
        received = await receive_until(sock, b"event: ready")
        heads = received.count(b"HTTP/1.1 ")
        assert heads == before.count(b" HTTP/1.1\r\n") + 1
        assert received.rindex(b"HTTP/1.1 200") == received.rindex(b"HTTP/1.1 ")
        assert b"event: ready" in received


@pytest.mark.parametrize("before", [b"", PING * 3])
@pytest.mark.parametrize("base", ["", "http://inbox"])
async def test_a_websocket_may_follow_other_requests_together_with_its_first_frames(
    gateway: Gateway, user: str, before: bytes, base: str
) -> None:
    async with raw_socket(gateway) as sock:
        ping = b"\x89\x83\0\0\0\0abc"
        sent_bytes = before + request("GET", f"{base}/realtime/ws", {**WEBSOCKET, **user_headers(user)}) + ping
        await asyncio.get_running_loop().sock_sendall(sock, sent_bytes)
        received = await receive_until(sock, b"\x8a\x03abc")
        assert received.count(b"HTTP/1.1 200 OK") == before.count(b" HTTP/1.1\r\n")
        assert received.count(b"HTTP/1.1 101 ") == 1


async def test_a_stream_behind_unread_responses_opens_once_they_are_read(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    async with raw_socket(gateway, 4096) as sock:
        sent_bytes = request("GET", "/openapi.json") * 40 + request("GET", "/realtime/sse", user_headers(user))
        await asyncio.get_running_loop().sock_sendall(sock, sent_bytes)
        await until_metric(http, "inbox_subscribed_users", await subscribed(http))
        received = await receive_until(sock, b"event: ready")
        assert received.count(b"HTTP/1.1 200 ") == 41


async def subscribed(http: httpx.AsyncClient) -> float:
    """Return how many users are connected."""
    lines = (await http.get("/metrics")).text.splitlines()
    return next(float(line.split(" ")[1]) for line in lines if line.startswith("inbox_subscribed_users "))
