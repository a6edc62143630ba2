"""Hostile peers at every gateway, and what others notice of them: they connect, ask and are told as ever."""

import asyncio
import json
import random
import sys
import time
from asyncio.subprocess import PIPE

import httpx
from websockets.asyncio.client import connect

from loadtest.check.sites import Site
from loadtest.clients import request_head, websocket_head
from loadtest.journal import percentiles
from loadtest.servers.gateway import ADMIN, Gateway, user_headers

PEERS = 1
"""Of each kind, at each gateway."""

MOST_P99_SECONDS = 5.0
"""Of a delivery to others. Milliseconds is what the load tests hold it to; here the peers' own programs compete for the
cores. One such peer that was not counted kept everybody waiting for 3 to 10 seconds, and there are many at once."""

PAUSE_SECONDS = 0.05
LEAST_SECONDS = 4.0
"""How long it lasts at least: the peers' process has to start."""


async def hostile_peers(site: Site, choice: random.Random, seconds: float) -> str:
    """Peers that mean harm come without pause. Raises AssertionError if others are told late."""
    seconds = max(LEAST_SECONDS, seconds)
    user = f"hostile-{choice.random()}"
    sieges = [asyncio.create_task(_besiege(gateway, user, seconds), name="siege") for gateway in site.gateways]
    try:
        innocents = [f"{user}-innocent{number}" for number in range(len(site.gateways))]
        found = await asyncio.gather(*map(_deliveries, site.gateways, innocents, [seconds] * len(innocents)))
        await asyncio.gather(*sieges)
    finally:
        for siege in sieges:
            siege.cancel()
    latency = percentiles([took for each in found for took in each])
    assert latency["p99"] <= MOST_P99_SECONDS * 1000, f"others' deliveries took {latency} ms"
    return f"others' deliveries took {latency['p50']:.0f} ms at p50, {latency['p99']:.0f} at p99"


async def _besiege(gateway: Gateway, user: str, seconds: float) -> None:
    host, fields = "127.0.0.1", user_headers(user)
    told = {
        "host": host,
        "port": gateway.port,
        "websocket": websocket_head(host, "/realtime/ws", fields).decode(),
        "anonymous": websocket_head(host, "/realtime/ws", {}).decode(),
        "sse": request_head("GET", host, "/realtime/sse", fields).decode(),
        "peers": PEERS,
        "seconds": seconds,
    }
    siege = await asyncio.create_subprocess_exec(sys.executable, "-m", "loadtest.siege", stdin=PIPE, stdout=PIPE)
    try:
        said, _ = await siege.communicate(json.dumps(told).encode())
    finally:
        if siege.returncode is None:
            siege.kill()
            await siege.wait()
    assert json.loads(said), "no peer came"


async def _deliveries(gateway: Gateway, user: str, seconds: float) -> list[float]:
    """Send to a user until the time is over; return how long each event took, in seconds."""
    took = []
    end = time.monotonic() + seconds
    order = {"notification": {"title": "beside hostile peers", "recipients": [{"external_id": user}]}}
    async with (
        httpx.AsyncClient(base_url=gateway.url, timeout=20, headers=ADMIN) as http,
        connect(gateway.websocket_url, additional_headers=user_headers(user), compression=None, proxy=None) as inbox,
    ):
        await inbox.recv()
        while time.monotonic() < end:
            started = time.monotonic()
            (await http.post("/notifications", json=order)).raise_for_status()
            await asyncio.wait_for(inbox.recv(), 20)
            took.append(time.monotonic() - started)
            await asyncio.sleep(PAUSE_SECONDS)
    return took
