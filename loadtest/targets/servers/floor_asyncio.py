"""The floor of asyncio: uvloop, a protocol without state per connection, and `transport.write` in a loop.

It accepts connections on one port and, on the next, minimal HTTP: every posted body is sent to every connection.
"""

import asyncio
import sys
from typing import cast

import uvloop

connections: set[asyncio.Transport] = set()


class FloorReceiver(asyncio.Protocol):
    """A connection that receives events."""

    __slots__ = ("transport",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection."""
        self.transport = cast(asyncio.Transport, transport)
        connections.add(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection."""
        connections.discard(self.transport)


class FloorPublisher(asyncio.Protocol):
    """A connection that posts events."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection."""
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        """Write a body to all connections once it is complete."""
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator or len(body) < int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]):
            return
        self.buffer = b""
        for connection in connections:
            connection.write(body)
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")  # type: ignore[attr-defined]


async def main(port: int) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    await loop.create_server(FloorReceiver, "127.0.0.1", port, backlog=4096)
    await loop.create_server(FloorPublisher, "127.0.0.1", port + 1)
    await asyncio.Event().wait()


uvloop.run(main(int(sys.argv[1])))
