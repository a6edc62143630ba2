"""Large events on slow networks arrive, however long that takes, as long as the peer acknowledges data."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.live.clients import (
    TRANSPORTS,
    LiveClient,
    offsets,
    open_inbox,
    open_raw_websocket,
    send,
)
from tests.live.test_delivery import metric
from tests.servers import Gateway, running_gateway

HEARTBEAT_SECONDS = 0.25
BYTES_PER_SECOND = 3_000_000
SMALL_BUFFER = 16_384
LARGE = "x" * 4_000_000
"""It takes five heartbeats on that network. Two and a half heartbeats of silence end a connection."""


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Yield a gateway with short heartbeats: a transfer may take many of them in a quick test."""
    directory: Path = tmp_path_factory.mktemp("quick")
    with running_gateway(directory / "data", INBOX_HEARTBEAT_SECONDS=str(HEARTBEAT_SECONDS)) as gateway:
        yield gateway


@pytest.fixture
async def quick_http(quick: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of that gateway."""
    async with httpx.AsyncClient(base_url=quick.url, timeout=10) as client:
        yield client


@contextlib.asynccontextmanager
async def slow_network(gateway: Gateway) -> AsyncIterator[Gateway]:
    """Forward the gateway at another port, and its responses slowly. Yield the gateway at that port."""
    tasks: set[asyncio.Task[None]] = set()

    async def carry(source: socket.socket, target: socket.socket, bytes_a_second: float) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while data := await loop.sock_recv(source, SMALL_BUFFER):
                await loop.sock_sendall(target, data)
                await asyncio.sleep(len(data) / bytes_a_second)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    async def serve(client: socket.socket) -> None:
        with client, socket.socket() as server:
            for sock in (client, server):
                sock.setblocking(False)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            await asyncio.get_running_loop().sock_connect(server, ("127.0.0.1", gateway.port))
            await asyncio.gather(carry(server, client, BYTES_PER_SECOND), carry(client, server, 1e9))

    async def accept(listener: socket.socket) -> None:
        while True:
            client, _ = await asyncio.get_running_loop().sock_accept(listener)
            tasks.add(asyncio.create_task(serve(client), name="slow-network"))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        tasks.add(asyncio.create_task(accept(listener), name="accept"))
        yield Gateway(gateway.data_dir, port=listener.getsockname()[1])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def texts(inbox: LiveClient, count: int) -> list[str]:
    """Read this many events, for at most a minute. Return the content of each."""
    async with asyncio.timeout(60):
        found: list[str] = []
        while len(found) < count:
            with contextlib.suppress(TimeoutError):
                found.append((await inbox.event())["data"]["notification"]["content"])
        return found


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_large_events_arrive_on_a_slow_network_without_a_disconnect(
    quick: Gateway, quick_http: httpx.AsyncClient, user: str, transport: str
) -> None:
    async with slow_network(quick) as slow, open_inbox(transport, slow, user) as inbox:
        for number in range(2):
            await send(quick_http, user, content=LARGE + str(number))
        await send(quick_http, user, content="small")
        assert [text[-8:] for text in await texts(inbox, 3)] == ["xxxxxxx0", "xxxxxxx1", "small"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_large_events_are_replayed_on_a_slow_network_without_a_disconnect(
    quick: Gateway, quick_http: httpx.AsyncClient, user: str, transport: str
) -> None:
    async with open_inbox(transport, quick, user) as before:
        start = before.position
    for number in range(2):
        await send(quick_http, user, content=LARGE + str(number))
    async with slow_network(quick) as slow, open_inbox(transport, slow, user, since=start) as inbox:
        for _ in range(50):  # events that are published meanwhile must not disconnect it either
            await send(quick_http, user)
        assert [text and text[-8:] for text in await texts(inbox, 52)] == ["xxxxxxx0", "xxxxxxx1", *[None] * 50]


async def test_a_peer_that_acknowledges_nothing_of_a_large_event_is_disconnected_after_some_heartbeats(
    quick: Gateway, quick_http: httpx.AsyncClient, user: str
) -> None:
    # By the gateway, or by the TCP user timeout of the kernel, whichever is first.
    before = await metric(quick_http, "inbox_subscribed_users")
    async with open_raw_websocket(quick, user, SMALL_BUFFER) as peer:
        await peer.message()
        for _ in range(2):
            await send(quick_http, user, content=LARGE)
        async with asyncio.timeout(60):
            while await metric(quick_http, "inbox_subscribed_users") > before:
                await asyncio.sleep(0.1)


async def test_a_peer_that_reads_but_responds_to_nothing_is_disconnected(
    quick: Gateway, quick_http: httpx.AsyncClient, user: str
) -> None:
    async with open_raw_websocket(quick, user) as peer:
        await peer.message()
        await send(quick_http, user, content=LARGE)
        messages = await peer.until_goodbye()
        assert offsets(messages[:1]) == [1]
        assert messages[-1]["reason"] == "heartbeat_timeout"
