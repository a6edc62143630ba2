"""Everything that a peer sends, allowed or not, counts towards its limit and delays no other peer."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from websockets.frames import Close, Opcode

from tests.live import limits
from tests.live.clients import (
    PATIENCE_SECONDS,
    Ended,
    RawWebSocket,
    open_raw_websocket,
    raw_socket,
    receive_until,
    send_request,
)
from tests.live.node import running_node
from tests.live.test_websocket_frames import frame
from tests.servers import Gateway, RedisServer, running_gateway, user_headers

PING_MESSAGE = b'{"type":"ping"}'

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}

NO_CREDENTIALS = b'{"type":"auth"}'

FRAMES = {
    "pongs": frame(Opcode.PONG),
    "long pongs": frame(Opcode.PONG, b"x" * 125),
    "pings": frame(Opcode.PING),
    "empty texts": frame(Opcode.TEXT),
    "empty binaries": frame(Opcode.BINARY),
    "empty fragments": frame(Opcode.CONT, fin=False),
    "fragments of a byte": frame(Opcode.CONT, b" ", fin=False),
    "messages": frame(Opcode.TEXT, PING_MESSAGE),
    "messages without credentials": frame(Opcode.TEXT, NO_CREDENTIALS),
}
"""Frames that a peer repeats. Fragments must follow the first fragment of a message."""

KINDS = pytest.mark.parametrize("kind", FRAMES)


def beginning(kind: str) -> bytes:
    """Return the bytes that must precede frames of a kind."""
    return frame(Opcode.TEXT, b" ", fin=False) if "fragments" in kind else b""


@contextlib.asynccontextmanager
async def unauthenticated(gateway: Gateway) -> AsyncIterator[RawWebSocket]:
    """Open a WebSocket without credentials."""
    async with raw_socket(gateway) as sock:
        peer = RawWebSocket(sock, gateway.websocket_url)
        await peer.shake_hands({})
        yield peer


async def close_code(peer: RawWebSocket) -> int:
    """Read up to the close frame and return its code. Raise Ended if there is none."""
    while (found := await peer.frame()).opcode is not Opcode.CLOSE:
        pass
    return Close.parse(bytes(found.data)).code


@pytest.fixture(scope="module")
def quick_to_refuse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Yield a gateway that waits three seconds for credentials. All other settings are the defaults."""
    directory: Path = tmp_path_factory.mktemp("quick")
    with running_gateway(directory / "data", INBOX_AUTHENTICATION_SECONDS="3") as gateway:
        yield gateway


# ---- the deadline of credentials


async def test_no_frame_extends_the_deadline_for_credentials(quick_to_refuse: Gateway) -> None:
    unfinished = frame(Opcode.TEXT, b" " * 1000)

    async def seconds_until_refused(kind: str) -> float:
        async with unauthenticated(quick_to_refuse) as peer:
            started = time.monotonic()
            await peer.send_bytes(beginning(kind))

            async def continue_to_send() -> None:
                for number in range(200):
                    await peer.send_bytes(FRAMES.get(kind) or unfinished[number : number + 1])
                    await asyncio.sleep(0.1)

            sending = asyncio.create_task(continue_to_send(), name="send")
            assert await close_code(peer) == 4502, kind
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await sending
            return time.monotonic() - started

    kinds = [*FRAMES, "bytes of an unfinished frame"]
    took = dict(zip(kinds, await asyncio.gather(*map(seconds_until_refused, kinds)), strict=True))
    assert max(took.values()) < 15, took


async def test_the_time_of_a_slow_request_head_counts_towards_the_time_limit_for_credentials(
    quick_to_refuse: Gateway,
) -> None:
    async with raw_socket(quick_to_refuse) as sock:
        peer = RawWebSocket(sock, quick_to_refuse.websocket_url)
        await peer.send_bytes(b"GET /realtime/ws HTTP/1.1\r\n")
        await asyncio.sleep(1.5)
        lines = [f"{name}: {value}\r\n" for name, value in {"Host": "localhost", **UPGRADE}.items()]
        started = time.monotonic()
        await peer.send_bytes("".join([*lines, "\r\n"]).encode())
        assert b"authentication_timeout" in await receive_until(sock, b"authentication_timeout")
        assert time.monotonic() - started < 2.8, "three seconds after the beginning of the head, not after its end"


async def test_a_later_request_on_a_connection_has_its_own_time_limit(quick_to_refuse: Gateway) -> None:
    async with raw_socket(quick_to_refuse) as sock:
        await send_request(sock, "/healthz", {})
        await receive_until(sock, b"}")
        await asyncio.sleep(0.9)
        peer = RawWebSocket(sock, quick_to_refuse.websocket_url)
        requested = time.monotonic()
        await peer.shake_hands({})
        assert await close_code(peer) == 4502
        assert time.monotonic() - requested > 2.5


# ---- frames


@KINDS
async def test_frames_of_any_kind_count_before_the_credentials(gateway: Gateway, kind: str) -> None:
    async with unauthenticated(gateway) as peer:
        await peer.send_bytes(beginning(kind) + FRAMES[kind] * 200)
        assert await close_code(peer) == 4505


@KINDS
async def test_frames_of_any_kind_count_on_an_open_connection(gateway: Gateway, user: str, kind: str) -> None:
    async with open_raw_websocket(gateway, user) as peer:
        await peer.message()
        await peer.send_bytes(beginning(kind) + FRAMES[kind] * 200)
        assert await close_code(peer) == 4505


async def test_pongs_for_heartbeats_do_not_count(strict_gateway: Gateway, user: str) -> None:
    async with open_raw_websocket(strict_gateway, user) as peer:
        pongs_sent = 0
        while pongs_sent <= limits.MESSAGES_PER_MINUTE:
            if (await peer.frame()).opcode is Opcode.PING:
                await peer.send(Opcode.PONG, b"")
                pongs_sent += 1
        await peer.send(Opcode.TEXT, PING_MESSAGE)
        assert await peer.message() == {"type": "pong"}


async def test_an_unfinished_frame_that_grows_by_a_byte_at_a_time_ends_the_connection(
    node_store: RedisServer, tmp_path: Path, user: str
) -> None:
    message = frame(Opcode.TEXT, b" " * 8000)
    async with (
        running_node(node_store, tmp_path, INBOX_MAX_MESSAGES_PER_MINUTE="10") as node,
        open_raw_websocket(node.gateway, user) as peer,
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        await peer.message()
        (connection,) = node.connections
        for byte in message:
            counted = connection.session.messages
            await peer.send_bytes(bytes([byte]))
            # On a busy machine the kernel may deliver a byte late, together with the next one.
            while connection.session.messages == counted and not connection.session.closed:
                await asyncio.sleep(0)
            if connection.session.closed:
                break
        assert await close_code(peer) == 4505


async def test_a_flood_of_close_frames_gets_one_close_frame(gateway: Gateway, user: str) -> None:
    async with open_raw_websocket(gateway, user) as peer:
        await peer.message()
        with contextlib.suppress(ConnectionError):
            await peer.send_bytes(frame(Opcode.CLOSE, b"\x03\xe8") * 500_000)
        assert (await peer.frame()).opcode is Opcode.CLOSE
        with pytest.raises(Ended):
            await peer.frame()


# ---- megabytes at once


async def longest_healthz(http: httpx.AsyncClient, done: "asyncio.Future[None]") -> float:
    """Request `/healthz` repeatedly until `done` is. Return the longest response time in seconds."""
    longest = 0.0
    while not done.done():
        started = time.monotonic()
        assert (await http.get("/healthz")).status_code == 200
        longest = max(longest, time.monotonic() - started)
    return longest


MUCH = 12_000_000
MOST_SECONDS = 4.0
"""On a machine that is otherwise idle it takes milliseconds. In an earlier version it took ten seconds."""


@pytest.mark.parametrize("authenticated", [False, True], ids=["before-the-credentials", "on-an-open-connection"])
@pytest.mark.parametrize("kind", ["pongs", "pings", "empty fragments", "garbage"])
async def test_twelve_megabytes_at_once_are_refused_with_a_code_and_delay_no_other_request(
    gateway: Gateway, http: httpx.AsyncClient, user: str, kind: str, authenticated: bool
) -> None:
    one = FRAMES.get(kind, b"\xff")
    flood = beginning(kind) + one * (MUCH // len(one))
    opened = open_raw_websocket(gateway, user) if authenticated else unauthenticated(gateway)
    async with opened as peer:

        async def attack() -> None:
            with contextlib.suppress(ConnectionError):
                await peer.send_bytes(flood)

        attacking = asyncio.ensure_future(attack())
        assert await longest_healthz(http, attacking) < MOST_SECONDS
        assert await close_code(peer) == (1002 if kind == "garbage" else 4505)


@pytest.fixture(scope="module")
def generous(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Yield a gateway that accepts any number of messages."""
    directory: Path = tmp_path_factory.mktemp("generous")
    with running_gateway(directory / "data", INBOX_MAX_MESSAGES_PER_MINUTE="10000000") as gateway:
        yield gateway


@pytest.mark.parametrize("kind", ["pongs", "pings", "messages"])
async def test_allowed_frames_are_processed_in_order_without_delaying_other_requests(
    generous: Gateway, user: str, kind: str
) -> None:
    flood = FRAMES[kind] * 20_000 + frame(Opcode.PING, b"the last")
    loop = asyncio.get_running_loop()
    async with (
        raw_socket(generous) as sock,
        httpx.AsyncClient(base_url=generous.url, timeout=10) as http,
    ):
        await send_request(sock, "/realtime/ws", {**user_headers(user), **UPGRADE})
        await receive_until(sock, b'"type":"ready"')

        async def until_last() -> None:
            tail = b""
            while b"the last" not in tail:
                tail = tail[-8:] + await loop.sock_recv(sock, 65536)

        attacking = asyncio.ensure_future(loop.sock_sendall(sock, flood))
        assert await longest_healthz(http, asyncio.ensure_future(until_last())) < MOST_SECONDS
        await attacking


async def test_a_client_that_floods_an_event_stream_is_closed(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    async with raw_socket(gateway) as sock:
        await send_request(sock, "/realtime/sse", user_headers(user))
        await receive_until(sock, b"}\n\n")

        async def attack() -> None:
            with contextlib.suppress(ConnectionError):
                await asyncio.get_running_loop().sock_sendall(sock, b"x" * MUCH)

        attacking = asyncio.ensure_future(attack())
        assert await longest_healthz(http, attacking) < MOST_SECONDS
        assert b"too_many_messages" in await receive_until(sock, b"the end of the connection")
