"""Peers that mean harm, without pause: `python -m loadtest.siege`, a process of its own, because it is not measured.

It takes a JSON object on its standard input: `host`, `port`, `websocket` and `sse` (request heads with credentials),
`anonymous` (a WebSocket's without), `peers` of each kind, and `seconds`. A peer that was cut comes back. At the end it
prints how often each kind came.
"""

import asyncio
import contextlib
import json
import os
import random
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from loadtest.attacks import ATTACKS, Attack, Peer

COME_BACK_SECONDS = 0.5
SMALL_BUFFER_BYTES = 4096
Told = dict[str, Any]


@contextlib.asynccontextmanager
async def connected(told: Told) -> AsyncIterator[Peer]:
    """Connect one peer for a block."""
    with socket.socket() as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        await asyncio.get_running_loop().sock_connect(sock, (told["host"], int(told["port"])))
        heads = {name: told[name].encode() for name in ("websocket", "anonymous", "sse")}
        yield Peer(sock, told["host"], **heads)


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
