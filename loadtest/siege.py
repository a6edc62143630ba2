"""Peers that mean harm, without pause: `python -m loadtest.siege`, a process of its own, because it is not measured.

It takes a JSON object on its standard input: `host`, `port`, `websocket` and `sse` (request heads with credentials),
`peers` of each kind, and `seconds`. A peer that was cut comes back. At the end it prints how often each kind came.
"""

import asyncio
import contextlib
import json
import os
import random
import socket
import sys
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

COME_BACK_SECONDS = 0.5
SMALL_BUFFER_BYTES = 4096
MASK = b"\0\0\0\0"  # as valid as any

Told = dict[str, Any]
Attack = Callable[["Peer"], Awaitable[None]]


@dataclass
class Peer:
    """One connection, and the heads with which it may ask for a stream."""

    sock: socket.socket
    websocket: bytes
    sse: bytes

    async def say(self, data: bytes) -> None:
        """Send all of it, however slowly it is taken."""
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def until_cut(self) -> None:
        """Read until the server ends it."""
        while await asyncio.get_running_loop().sock_recv(self.sock, 65536):
            pass

    async def upgrade(self) -> None:
        """Become an open WebSocket, up to what comes first."""
        await self.say(self.websocket)
        await asyncio.get_running_loop().sock_recv(self.sock, 65536)


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


ATTACKS: tuple[Attack, ...] = (
    *(never_reads_websocket, never_reads_sse, half_open, handshake_byte_by_byte, message_byte_by_byte),
    *(handshake_unfinished, garbage, oversize, unmasked, fragments, bomb, pings),
)


@contextlib.asynccontextmanager
async def connected(told: Told) -> AsyncIterator[Peer]:
    """Connect one peer for a block."""
    with socket.socket() as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        await asyncio.get_running_loop().sock_connect(sock, (told["host"], int(told["port"])))
        yield Peer(sock, told["websocket"].encode(), told["sse"].encode())


async def besiege(told: Told) -> Counter[str]:
    """Attack for as long as was told; give how often peers of each kind came."""
    came: Counter[str] = Counter()

    async def again_and_again(attack: Attack) -> None:
        while True:
            # Each in its own time, also those that were cut together.
            await asyncio.sleep(random.uniform(0, 2 * COME_BACK_SECONDS))
            came[attack.__name__] += 1
            with contextlib.suppress(OSError):
                async with connected(told) as peer:
                    await attack(peer)

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(float(told["seconds"])), asyncio.TaskGroup() as tasks:
            for attack in ATTACKS:
                for _ in range(int(told["peers"])):
                    tasks.create_task(again_and_again(attack))
    return came


if __name__ == "__main__":
    os.nice(10)  # it shares a core with the clients whose times are measured
    sys.stdout.write(json.dumps(asyncio.run(besiege(json.load(sys.stdin)))) + "\n")
