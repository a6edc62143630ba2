"""Groups of connections, and the numbers that the kernel counts for them."""

import asyncio
import socket
import struct
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from loadtest.clients import Client, Make
from loadtest.journal import EventJournal

CONNECTS_AT_ONCE = 100
CONNECT_SECONDS = 60.0
SOURCES = [f"127.0.0.{number}" for number in range(1, 9)]
CONNECTIONS_PER_SOURCE = 20_000
"""A source address has about 28,000 ports for one destination."""

_DATA_SEGMENTS_IN = 152
"""Offset of tcpi_data_segs_in in Linux's struct tcp_info (since 4.6)."""


@dataclass
class Crowd:
    """A group of connections."""

    clients: list[Client] = field(default_factory=list)
    refused: int = 0

    async def add(
        self, make: Make, users: Iterable[str], journal: EventJournal | None, at_once: int = 0
    ) -> list[Client]:
        """Open a connection for each user, and return the new ones. Raise ConnectionError if one is refused."""
        loop = asyncio.get_running_loop()
        slots = asyncio.Semaphore(at_once or CONNECTS_AT_ONCE)
        number = len(self.clients)

        async def one(user: str, source: str) -> Client:
            async with slots:
                client = make(user, journal)
                local = source and client.address.host.startswith("127.")
                await loop.create_connection(
                    lambda: client,
                    client.address.host,
                    client.address.port,
                    local_addr=(source, 0) if local else None,
                )
                await asyncio.wait_for(asyncio.shield(client.ready), CONNECT_SECONDS)
                return client

        def source(index: int) -> str:
            group = (number + index) // CONNECTIONS_PER_SOURCE
            return SOURCES[group % len(SOURCES)] if group else ""

        added = await asyncio.gather(*(one(user, source(index)) for index, user in enumerate(users)))
        self.clients += added
        return list(added)

    async def close(self) -> None:
        """Abort every connection and wait for the end of all."""
        for client in self.clients:
            client.cut()
        while any(not client.closed for client in self.clients):
            await asyncio.sleep(0.01)

    @property
    def ended(self) -> int:
        """The number of connections that ended though the client did not close them."""
        return sum(client.closed and not client.closing for client in self.clients)

    @property
    def resets(self) -> int:
        """The number of `reset` messages."""
        return sum(client.resets for client in self.clients)

    @property
    def messages(self) -> int:
        """The number of all messages received."""
        return sum(client.messages for client in self.clients)

    @property
    def bytes_received(self) -> int:
        """The number of all bytes received."""
        return sum(client.bytes_received for client in self.clients)


def data_segments(clients: Sequence[Client]) -> int:
    """Return the number of received TCP segments with data. On loopback, each write of the server is one segment."""
    total = 0
    for client in clients:
        sock = client.transport.get_extra_info("socket")
        information = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        total += struct.unpack_from("=I", information, _DATA_SEGMENTS_IN)[0]
    return total


async def idle_for(seconds: float) -> None:
    """Wait while servers finish the work that follows the opening of connections."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(0.05)
