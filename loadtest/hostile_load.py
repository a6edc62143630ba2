"""Hostile clients that attack continuously: `python -m loadtest.hostile_load`.

It is a separate process, because it is not measured.

It reads a JSON object from its standard input: `host`, `port`, `websocket` and `sse` (request heads with credentials),
`anonymous` (the head of a WebSocket request without credentials), `peers` (the number of clients for each attack), and
`seconds`. A client that is disconnected reconnects. At its end it prints how often each attack was made, as JSON.
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

from loadtest.attacks import ATTACKS, Attack, HostileClient

RECONNECT_SECONDS = 0.5
SMALL_BUFFER_BYTES = 4096
Order = dict[str, Any]
"""The content of standard input."""


@contextlib.asynccontextmanager
async def connected(order: Order) -> AsyncIterator[HostileClient]:
    """Connect a hostile client for a block."""
    with socket.socket() as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        await asyncio.get_running_loop().sock_connect(sock, (order["host"], int(order["port"])))
        heads = {name: order[name].encode() for name in ("websocket", "anonymous", "sse")}
        yield HostileClient(sock, order["host"], **heads)


async def attack_all(order: Order) -> Counter[str]:
    """Make every attack for the ordered time. Return how often each was made, by name."""
    made: Counter[str] = Counter()

    async def repeat(attack: Attack) -> None:
        while True:
            # At a random moment, even if many were disconnected together.
            await asyncio.sleep(random.uniform(0, 2 * RECONNECT_SECONDS))
            made[attack.__name__] += 1
            with contextlib.suppress(OSError):
                async with connected(order) as client:
                    await attack(client)

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(float(order["seconds"])), asyncio.TaskGroup() as tasks:
            for attack in ATTACKS:
                for _ in range(int(order["peers"])):
                    tasks.create_task(repeat(attack))
    return made


if __name__ == "__main__":
    os.nice(10)  # it shares a core with the clients whose times are measured
    sys.stdout.write(json.dumps(asyncio.run(attack_all(json.load(sys.stdin)))) + "\n")
