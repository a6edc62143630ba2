"""The proxy forwards bytes unless a fault is injected."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from loadtest.check.proxy import Proxy

SOON = 0.2


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """Yield a proxy before a server that echoes. The first of its targets does not exist."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(100):
                writer.write(data)
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        proxy = Proxy([1, server.sockets[0].getsockname()[1]])
        await proxy.start()
        yield proxy
        await proxy.stop()


class Client:
    """A connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.reader = reader
        self.writer = writer

    async def exchange(self, data: bytes) -> bytes:
        self.writer.write(data)
        async with asyncio.timeout(5):
            return await self.reader.read(100)


@contextlib.asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    with contextlib.closing(writer):
        yield Client(reader, writer)


async def test_connections_are_forwarded_to_the_target_that_accepts(proxy: Proxy) -> None:
    for _ in range(3):
        async with connected(proxy) as client:
            assert await client.exchange(b"hello") == b"hello"


async def test_a_cut_connection_is_reset(proxy: Proxy) -> None:
    async with connected(proxy) as client:
        await client.exchange(b"hello")
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            await client.exchange(b"again")


async def test_a_new_connection_is_closed_while_the_proxy_refuses(proxy: Proxy) -> None:
    proxy.refusing = True
    async with connected(proxy) as client:
        with contextlib.suppress(ConnectionResetError):
            assert await client.exchange(b"hello") == b""


async def test_a_slow_connection_delays_both_directions(proxy: Proxy) -> None:
    proxy.delay_seconds = 0.1
    async with connected(proxy) as client:
        started = asyncio.get_running_loop().time()
        assert await client.exchange(b"hello") == b"hello"
        assert asyncio.get_running_loop().time() - started >= 0.19


async def test_a_silent_connection_that_lost_data_is_reset_afterwards(proxy: Proxy) -> None:
    async with connected(proxy) as used, connected(proxy) as idle:
        assert await used.exchange(b"hello") == b"hello"
        assert await idle.exchange(b"hello") == b"hello"
        proxy.stop_forwarding()
        used.writer.write(b"lost")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON):
                await used.reader.read(100)
        proxy.resume_forwarding()
        with pytest.raises(ConnectionResetError):
            await used.exchange(b"again")
        assert await idle.exchange(b"again") == b"again"
