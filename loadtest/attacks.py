"""The attacks of hostile clients. Each is a function that uses one connection, and returns when that ends.

HTTP requests have no credentials. Some WebSockets and event streams have those of a user.
"""

import asyncio
import contextlib
import random
import socket
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

MASK = b"\0\0\0\0"  # any value is valid (RFC 6455, section 5.3)

Attack = Callable[["HostileClient"], Awaitable[None]]


@dataclass
class HostileClient:
    """A connection, and the request heads that open a stream. `anonymous` opens a WebSocket without credentials."""

    sock: socket.socket
    host: str
    websocket: bytes
    anonymous: bytes
    sse: bytes

    async def send(self, data: bytes) -> None:
        """Send all bytes, however slowly the server reads them."""
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def until_closed(self) -> None:
        """Read until the server closes the connection."""
        while await asyncio.get_running_loop().sock_recv(self.sock, 65536):
            pass

    async def upgrade(self, *, anonymous: bool = False) -> None:
        """Open a WebSocket and read the first message."""
        await self.send(self.anonymous if anonymous else self.websocket)
        await asyncio.get_running_loop().sock_recv(self.sock, 65536)

    async def flood(self, data: bytes) -> None:
        """Send all bytes while reading, until the server closes the connection."""
        reading = asyncio.ensure_future(self.until_closed())
        try:
            await self.send(data)
            await reading
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await reading

    def head(self, method: str, path: str, *fields: str) -> bytes:
        """Return a request head as a proxy sends it, from a random client address."""
        address = f"198.51.100.{random.randrange(256)}"
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}", f"X-Forwarded-For: {address}", *fields]
        return "\r\n".join(lines).encode() + b"\r\n\r\n"


def frame(opcode: int, content: bytes, *, final: bool = True, flags: int = 0) -> bytes:
    """Return a masked frame."""
    if len(content) < 126:
        length = bytes([0x80 | len(content)])
    elif len(content) < 65536:
        length = b"\xfe" + len(content).to_bytes(2, "big")
    else:
        length = b"\xff" + len(content).to_bytes(8, "big")
    return bytes([(0x80 if final else 0) | flags | opcode]) + length + MASK + content


BOMB = frame(1, zlib.compress(b"\0" * 5_000_000, wbits=-15), flags=0x40)
PINGS = frame(9, b"x" * 100) * 10_000
FRAGMENTS = frame(1, b"", final=False) + frame(0, b"x" * 50, final=False) * 5_000


async def never_reads_websocket(client: HostileClient) -> None:
    """Open a WebSocket and read nothing."""
    await client.send(client.websocket)
    await asyncio.sleep(3600)


async def never_reads_sse(client: HostileClient) -> None:
    """Open an event stream and read nothing."""
    await client.send(client.sse)
    await asyncio.sleep(3600)


async def half_open(client: HostileClient) -> None:
    """Open a WebSocket and respond to no ping."""
    await client.upgrade()
    await asyncio.sleep(3600)


async def handshake_byte_by_byte(client: HostileClient) -> None:
    """Send a request head, one byte a second."""
    for byte in client.websocket:
        await client.send(bytes([byte]))
        await asyncio.sleep(1)


async def message_byte_by_byte(client: HostileClient) -> None:
    """Send a message of 10 KB, one byte a second."""
    await client.upgrade()
    for byte in frame(1, b'{"type":"ping"}' + b" " * 10_000):
        await client.send(bytes([byte]))
        await asyncio.sleep(1)


async def handshake_unfinished(client: HostileClient) -> None:
    """Send a large request head without its end."""
    await client.send(client.websocket[:-2] + b"X: " + b"x" * 30_000)
    await client.until_closed()


async def garbage(client: HostileClient) -> None:
    """Send bytes that are no frames."""
    await client.upgrade()
    await client.send(b"\xff" * 300_000)
    await client.until_closed()


async def oversize(client: HostileClient) -> None:
    """Send a frame of the greatest length that a header can declare."""
    await client.upgrade()
    await client.send(b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff" + MASK + b"x" * 300_000)
    await client.until_closed()


async def unmasked(client: HostileClient) -> None:
    """Send a frame without a mask."""
    await client.upgrade()
    await client.send(b"\x81\x05hello")
    await client.until_closed()


async def fragments(client: HostileClient) -> None:
    """Send a message of many fragments without the last one."""
    await client.upgrade()
    await client.send(FRAGMENTS)
    await client.until_closed()


async def bomb(client: HostileClient) -> None:
    """Send a compressed message that expands to 5 MB, though compression was not negotiated."""
    await client.upgrade()
    await client.send(BOMB)
    await client.until_closed()


async def pings(client: HostileClient) -> None:
    """Send ten thousand pings."""
    await client.upgrade()
    await client.send(PINGS)
    await client.until_closed()


PONGS = frame(10, b"") * 300_000
EMPTY = frame(1, b"") * 300_000
FRAGMENTS_OF_A_BYTE = frame(1, b"x", final=False) + frame(0, b"x", final=False) * 300_000
CLOSES = frame(8, b"\x03\xe8") * 200_000


async def pongs(client: HostileClient) -> None:
    """Send 300,000 unsolicited pongs."""
    await client.upgrade()
    await client.flood(PONGS)


async def pongs_before_credentials(client: HostileClient) -> None:
    """Send 300,000 unsolicited pongs before any credentials."""
    await client.upgrade(anonymous=True)
    await client.flood(PONGS)


async def empty_frames(client: HostileClient) -> None:
    """Send empty messages."""
    await client.upgrade()
    await client.flood(EMPTY)


async def fragments_of_a_byte(client: HostileClient) -> None:
    """Send a message in fragments of a byte each."""
    await client.upgrade()
    await client.flood(FRAGMENTS_OF_A_BYTE)


async def closes(client: HostileClient) -> None:
    """Send 200,000 close frames."""
    await client.upgrade()
    await client.flood(CLOSES)


async def alive_without_credentials(client: HostileClient) -> None:
    """Send pings and pongs, and never credentials."""
    await client.upgrade(anonymous=True)
    while True:
        await client.send(frame(random.choice((9, 10)), b""))
        await asyncio.sleep(1)


async def sends_to_a_stream(client: HostileClient) -> None:
    """Send megabytes after the request for an event stream."""
    await client.send(client.sse)
    await client.flood(b"x" * 2_000_000)


async def upgrade_with_body(client: HostileClient) -> None:
    """Send requests for an unsupported upgrade whose bodies look like other requests."""
    hidden = client.head("GET", "/notifications")
    fields = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
    one = client.head("POST", "/notifications", *fields, f"Content-Length: {len(hidden)}") + hidden
    await client.flood(one * 20)  # more would be a flood of requests, which rate limits handle


async def chunks_of_a_byte(client: HostileClient) -> None:
    """Send a body in chunks of a byte to a path that does not exist."""
    head = client.head("POST", "/nowhere", "Transfer-Encoding: chunked")
    await client.flood(head + b"1\r\nx\r\n" * 300_000)


async def endless_trailer(client: HostileClient) -> None:
    """Send a trailer field whose line does not end."""
    head = client.head("POST", "/nowhere", "Transfer-Encoding: chunked")
    await client.flood(head + b"1\r\nx\r\n0\r\nX: " + b"x" * 2_000_000)


async def huge_trailers(client: HostileClient) -> None:
    """Send 300,000 trailer fields."""
    head = client.head("POST", "/nowhere", "Transfer-Encoding: chunked")
    await client.flood(head + b"1\r\nx\r\n0\r\n" + b"X: y\r\n" * 300_000)


async def many_headers(client: HostileClient) -> None:
    """Send a request head of 100,000 fields."""
    await client.flood(client.head("GET", "/healthz", *["X: y"] * 100_000))


ATTACKS: tuple[Attack, ...] = (
    *(never_reads_websocket, never_reads_sse, half_open, handshake_byte_by_byte, message_byte_by_byte),
    *(handshake_unfinished, garbage, oversize, unmasked, fragments, bomb, pings),
    *(pongs, pongs_before_credentials, empty_frames, fragments_of_a_byte, closes, alive_without_credentials),
    *(sends_to_a_stream, upgrade_with_body, chunks_of_a_byte, endless_trailer, huge_trailers, many_headers),
)
