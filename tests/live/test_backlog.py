"""The progress of a peer, measured on real TCP connections."""

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import AsyncIterator

import pytest

from gateway.live import backlog
from gateway.live.backlog import MISSED_EVENTS, Backlog, acknowledged_bytes, is_acknowledging

MUCH = b"x" * 16 * 1024 * 1024


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.Transport, socket.socket]]:
    """Connect a transport and a peer that reads only when a test calls `read`."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.setblocking(False)
        await loop.sock_connect(peer, server.getsockname())
        accepted, _ = server.accept()
        transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, accepted)
        try:
            yield transport, peer
        finally:
            transport.abort()
            await asyncio.sleep(0)


async def read(peer: socket.socket, transport: asyncio.Transport) -> None:
    """Read until something more is acknowledged."""
    before = acknowledged_bytes(transport)
    async with asyncio.timeout(10):
        while acknowledged_bytes(transport) <= before:
            await asyncio.get_running_loop().sock_recv(peer, 1024 * 1024)


async def until_stalled(transport: asyncio.Transport) -> None:
    """Wait until the peer acknowledges nothing more, because the buffers of both ends are full."""
    async with asyncio.timeout(10):
        before = -1
        while (now := acknowledged_bytes(transport)) != before:
            before = now
            await asyncio.sleep(0.1)


@pytest.fixture(params=["kernel", "buffer"])
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Measure by the kernel of Linux, or by the write buffer as on other systems."""
    if request.param == "buffer":
        monkeypatch.setattr(backlog, "_LINUX", False)
    return str(request.param)


async def test_a_peer_that_reads_makes_progress(source: str) -> None:
    async with connected() as (transport, peer):
        transport.write(MUCH)
        waits = Backlog()
        assert not waits.progressed(transport, 1), "nothing to compare with"
        await read(peer, transport)
        assert waits.progressed(transport, 2)
        assert waits.since == 2


async def test_a_peer_that_does_not_read_makes_no_progress(source: str) -> None:
    async with connected() as (transport, _):
        transport.write(MUCH)
        await until_stalled(transport)
        waits = Backlog()
        assert [waits.progressed(transport, now) for now in (1.0, 2.0, 3.0)] == [False] * 3


async def test_a_peer_is_slow_after_many_events_without_progress() -> None:
    async with connected() as (transport, _):
        transport.write(MUCH)
        await until_stalled(transport)
        waits = Backlog()
        assert [waits.miss(transport) for _ in range(MISSED_EVENTS)] == [False] * MISSED_EVENTS
        assert waits.miss(transport)


async def test_progress_lets_a_peer_miss_as_many_events_again() -> None:
    async with connected() as (transport, peer):
        transport.write(MUCH)
        await until_stalled(transport)
        waits = Backlog()
        for _ in range(MISSED_EVENTS):
            assert not waits.miss(transport)
        await read(peer, transport)
        assert [waits.miss(transport) for _ in range(3)] == [False] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports what is acknowledged")
async def test_a_peer_that_acknowledged_data_recently_is_acknowledging() -> None:
    async with connected() as (transport, _):
        assert not is_acknowledging(transport, 60), "nothing waits"
        transport.write(MUCH)
        assert is_acknowledging(transport, 60)
        await until_stalled(transport)
        assert not is_acknowledging(transport, 0.01)


async def test_a_closed_socket_acknowledges_nothing() -> None:
    async with connected() as (transport, _):
        transport.abort()
        await asyncio.sleep(0.01)
        started = time.monotonic()
        assert not is_acknowledging(transport, 60)
        assert time.monotonic() - started < 30
