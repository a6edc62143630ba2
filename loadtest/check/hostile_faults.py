"""Hostile clients at every gateway. Deliveries to other users must stay fast."""

import asyncio
import json
import random
import sys
import time
from asyncio.subprocess import PIPE

import httpx
from websockets.asyncio.client import connect

from loadtest.check.topologies import RunningTopology
from loadtest.clients import request_head, websocket_head
from loadtest.journal import percentiles
from loadtest.servers.gateway import ADMIN, Gateway, user_headers

PEERS = 1
"""The clients for each attack, at each gateway."""

MOST_P99_SECONDS = 5.0
"""The limit of a delivery to other users.

The load tests require milliseconds, but during this check the processes of the clients compete for the cores. A single
attack whose cost was not limited delayed all other users by 3 to 10 seconds, and this fault makes many attacks at once.
"""

PAUSE_SECONDS = 0.05
LEAST_SECONDS = 4.0
"""The shortest duration, because the process of the clients has to start."""


async def hostile_peers(topology: RunningTopology, choice: random.Random, seconds: float) -> str:
    """Hostile clients attack continuously. Raise AssertionError if deliveries to other users are late."""
    seconds = max(LEAST_SECONDS, seconds)
    user = f"hostile-{choice.random()}"
    attacks = [asyncio.create_task(_attack(gateway, user, seconds), name="attack") for gateway in topology.gateways]
    try:
        others = [f"{user}-other{number}" for number in range(len(topology.gateways))]
        found = await asyncio.gather(*map(_deliveries, topology.gateways, others, [seconds] * len(others)))
        await asyncio.gather(*attacks)
    finally:
        for attack in attacks:
            attack.cancel()
    latency = percentiles([took for each in found for took in each])
    assert latency["p99"] <= MOST_P99_SECONDS * 1000, f"deliveries to other users took {latency} ms"
    return f"deliveries to other users took {latency['p50']:.0f} ms at p50, {latency['p99']:.0f} at p99"


async def _attack(gateway: Gateway, user: str, seconds: float) -> None:
    host, fields = "127.0.0.1", user_headers(user)
    order = {
        "host": host,
        "port": gateway.port,
        "websocket": websocket_head(host, "/realtime/ws", fields).decode(),
        "anonymous": websocket_head(host, "/realtime/ws", {}).decode(),
        "sse": request_head("GET", host, "/realtime/sse", fields).decode(),
        "peers": PEERS,
        "seconds": seconds,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loadtest.hostile_load", stdin=PIPE, stdout=PIPE
    )
    try:
        counts, _ = await process.communicate(json.dumps(order).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert json.loads(counts), "no client connected"


async def _deliveries(gateway: Gateway, user: str, seconds: float) -> list[float]:
    """Send to a user until the time is over. Return the latency of each event, in seconds."""
    took = []
    end = time.monotonic() + seconds
    body = {"notification": {"title": "beside hostile clients", "recipients": [{"external_id": user}]}}
    async with (
        httpx.AsyncClient(base_url=gateway.url, timeout=20, headers=ADMIN) as http,
        connect(gateway.websocket_url, additional_headers=user_headers(user), compression=None, proxy=None) as inbox,
    ):
        await inbox.recv()
        while time.monotonic() < end:
            started = time.monotonic()
            (await http.post("/notifications", json=body)).raise_for_status()
            await asyncio.wait_for(inbox.recv(), 20)
            took.append(time.monotonic() - started)
            await asyncio.sleep(PAUSE_SECONDS)
    return took
