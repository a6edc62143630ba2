"""What hostile peers do: each attack is a function that gets one connection, and ends when that does.

Over HTTP they come without credentials; over WebSocket and server-sent events some have a user's, some none.
"""

import asyncio
import contextlib
import random
import socket
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

MASK = b"\0\0\0\0"  # as valid as any

Attack = Callable[["Peer"], Awaitable[None]]


@dataclass
class Peer:
    """One connection, and the heads with which it may ask for a stream; `anonymous` is a WebSocket's, unproven."""

    sock: socket.socket
    host: str
    websocket: bytes
    anonymous: bytes
    sse: bytes

    async def say(self, data: bytes) -> None:
        """Send all of it, however slowly it is taken."""
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def until_cut(self) -> None:
        """Read until the server ends it."""
        while await asyncio.get_running_loop().sock_recv(self.sock, 65536):
            pass

    async def upgrade(self, *, anonymous: bool = False) -> None:
        """Become an open WebSocket, up to what comes first."""
        await self.say(self.anonymous if anonymous else self.websocket)
        await asyncio.get_running_loop().sock_recv(self.sock, 65536)

    async def flood(self, data: bytes) -> None:
        """Send all of it while reading what comes back, until the server ends it."""
        reading = asyncio.ensure_future(self.until_cut())
        try:
            await self.say(data)
            await reading
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await reading

    def head(self, method: str, path: str, *fields: str) -> bytes:
        """Write a request's head, as it comes through a proxy from an address of the peer's own."""
        address = f"198.51.100.{random.randrange(256)}"
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}", f"X-Forwarded-For: {address}", *fields]
        return "\r\n".join(lines).encode() + b"\r\n\r\n"


def frame(opcode: int, content: bytes, *, final: bool = True, flags: int = 0) -> bytes:
    """Write a masked frame."""
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


async def never_reads_websocket(peer: Peer) -> None:
    """A reader that stops reading right after it asked."""
    await peer.say(peer.websocket)
    await asyncio.sleep(3600)


async def never_reads_sse(peer: Peer) -> None:
    """The same over server-sent events."""
    await peer.say(peer.sse)
    await asyncio.sleep(3600)


async def half_open(peer: Peer) -> None:
    """An open WebSocket that answers nothing any more."""
    await peer.upgrade()
    await asyncio.sleep(3600)


async def handshake_byte_by_byte(peer: Peer) -> None:
    """A request's head, one byte a second."""
    for byte in peer.websocket:
        await peer.say(bytes([byte]))
        await asyncio.sleep(1)


async def message_byte_by_byte(peer: Peer) -> None:
    """A message, one byte a second."""
    await peer.upgrade()
    for byte in frame(1, b'{"type":"ping"}' + b" " * 10_000):
        await peer.say(bytes([byte]))
        await asyncio.sleep(1)


async def handshake_unfinished(peer: Peer) -> None:
    """A large head whose end never comes."""
    await peer.say(peer.websocket[:-2] + b"X: " + b"x" * 30_000)
    await peer.until_cut()


async def garbage(peer: Peer) -> None:
    """Bytes that are no frames."""
    await peer.upgrade()
    await peer.say(b"\xff" * 300_000)
    await peer.until_cut()


async def oversize(peer: Peer) -> None:
    """A frame that claims to be endless."""
    await peer.upgrade()
    await peer.say(b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff" + MASK + b"x" * 300_000)
    await peer.until_cut()


async def unmasked(peer: Peer) -> None:
    """A frame without a mask."""
    await peer.upgrade()
    await peer.say(b"\x81\x05hello")
    await peer.until_cut()


async def fragments(peer: Peer) -> None:
    """A message in fragments without end."""
    await peer.upgrade()
    await peer.say(FRAGMENTS)
    await peer.until_cut()


async def bomb(peer: Peer) -> None:
    """A compressed bomb, though compression was not agreed to."""
    await peer.upgrade()
    await peer.say(BOMB)
    await peer.until_cut()


async def pings(peer: Peer) -> None:
    """Ten thousand pings."""
    await peer.upgrade()
    await peer.say(PINGS)
    await peer.until_cut()


PONGS = frame(10, b"") * 300_000
EMPTY = frame(1, b"") * 300_000
FRAGMENTS_OF_A_BYTE = frame(1, b"x", final=False) + frame(0, b"x", final=False) * 300_000
CLOSES = frame(8, b"\x03\xe8") * 200_000


async def pongs(peer: Peer) -> None:
    """Pongs that nobody asked for."""
    await peer.upgrade()
    await peer.flood(PONGS)


async def pongs_before_credentials(peer: Peer) -> None:
    """The same of somebody who did not say who it is."""
    await peer.upgrade(anonymous=True)
    await peer.flood(PONGS)


async def empty_frames(peer: Peer) -> None:
    """Messages without a byte."""
    await peer.upgrade()
    await peer.flood(EMPTY)


async def fragments_of_a_byte(peer: Peer) -> None:
    """A message whose fragments have a byte each."""
    await peer.upgrade()
    await peer.flood(FRAGMENTS_OF_A_BYTE)


async def closes(peer: Peer) -> None:
    """Closes without end."""
    await peer.upgrade()
    await peer.flood(CLOSES)


async def alive_without_credentials(peer: Peer) -> None:
    """Somebody who shows signs of life, and never says who it is."""
    await peer.upgrade(anonymous=True)
    while True:
        await peer.say(frame(random.choice((9, 10)), b""))
        await asyncio.sleep(1)


async def talks_to_a_stream(peer: Peer) -> None:
    """Megabytes after the request for an event stream."""
    await peer.say(peer.sse)
    await peer.flood(b"x" * 2_000_000)


async def upgrade_with_body(peer: Peer) -> None:
    """Requests to upgrade to what is not taken, with a body each that looks like another request."""
    hidden = peer.head("GET", "/notifications")
    fields = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
    one = peer.head("POST", "/notifications", *fields, f"Content-Length: {len(hidden)}") + hidden
    await peer.flood(one * 20)  # more would be a flood of requests, which is another matter


async def chunks_of_a_byte(peer: Peer) -> None:
    """A body for nobody, in chunks of a byte."""
    head = peer.head("POST", "/nowhere", "Transfer-Encoding: chunked")
    await peer.flood(head + b"1\r\nx\r\n" * 300_000)


async def endless_trailer(peer: Peer) -> None:
    """A trailer whose line has no end."""
    head = peer.head("POST", "/nowhere", "Transfer-Encoding: chunked")
    await peer.flood(head + b"1\r\nx\r\n0\r\nX: " + b"x" * 2_000_000)


async def huge_trailers(peer: Peer) -> None:
    """Trailers without end."""
    head = peer.head("POST", "/nowhere", "Transfer-Encoding: chunked")
    await peer.flood(head + b"1\r\nx\r\n0\r\n" + b"X: y\r\n" * 300_000)


async def many_headers(peer: Peer) -> None:
    """A head of a hundred thousand fields."""
    await peer.flood(peer.head("GET", "/healthz", *["X: y"] * 100_000))


ATTACKS: tuple[Attack, ...] = (
    *(never_reads_websocket, never_reads_sse, half_open, handshake_byte_by_byte, message_byte_by_byte),
    *(handshake_unfinished, garbage, oversize, unmasked, fragments, bomb, pings),
    *(pongs, pongs_before_credentials, empty_frames, fragments_of_a_byte, closes, alive_without_credentials),
    *(talks_to_a_stream, upgrade_with_body, chunks_of_a_byte, endless_trailer, huge_trailers, many_headers),
)
