"""The effect of hostile clients on other users: delivery times and memory before, during and after hostile load.

Events are sent to random ordinary users at a constant rate, in periods of the same length. Large events are sent to one
more user all the time. The clients that stop reading have connections of that user. The hostile clients run in a
separate process (`loadtest/hostile_load.py`). The attacks are in `loadtest/attacks.py`.
"""

import asyncio
import json
import random
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from loadtest import machine
from loadtest.attacks import ATTACKS
from loadtest.bench import Bench
from loadtest.clients import request_head, websocket_head
from loadtest.crowd import Crowd, idle_for
from loadtest.journal import EventJournal, Faults, percentiles
from loadtest.machine import SERVER
from loadtest.meter import DELIVERY_SECONDS, Meter, no_garbage_collection, verdict
from loadtest.publisher import Publisher, at_constant_rate
from loadtest.targets.gateway import GatewayTarget

VICTIM = "victim"
LARGE_BYTES = 30_000
LARGE_RATE = 5.0
LEAD_SECONDS = 1.0
"""How long the hostile load lasts before the measurement, because its process has to start."""

SAMPLE_SECONDS = 0.1
KB_A_PEER = 512
"""The memory that a hostile client may cost: twice its write buffer, because the allocator keeps some for a while."""


async def run(bench: Bench) -> None:
    """Measure the gateway. No peer limits what a client may do."""
    if bench.with_gateway:
        for transport in bench.transports:
            async with bench.own() as target:
                await _measure(bench, target, transport)


async def _measure(bench: Bench, target: GatewayTarget, transport: str) -> None:
    load = _OrdinaryLoad(bench, target, transport)
    await load.crowd.add(target.make(transport), load.users, load.journal)
    await idle_for(0.5)
    peers = bench.sizes.hostile.peers * len(ATTACKS)
    await load.period()
    before_kb = (await target.memory())[SERVER]

    def add(when: str, attacks: int, faults: Faults, figures: dict[str, Any]) -> None:
        grown_kb = figures.pop("most_kb") - before_kb
        figures |= {"grown_mb": grown_kb / 1024, "flat": grown_kb <= KB_A_PEER * peers}
        bench.add(
            "hostile", target, transport, len(load.users), faults, when=when, peers=peers, attacks=attacks, **figures
        )

    add("before", 0, *await load.period())
    async with _hostile_load(bench, target) as load_counts:
        found = await load.period()
    add("under attack", sum(json.loads(load_counts.printed).values()), *found)
    add("after", 0, *await load.period())
    await load.pool.close()
    await load.crowd.close()


class _OrdinaryLoad:
    """Ordinary users and the events that they receive."""

    def __init__(self, bench: Bench, target: GatewayTarget, transport: str):
        self.users = [f"{transport}{number}" for number in range(bench.sizes.hostile.users)]
        self.crowd, self.journal, self.pool = Crowd(), EventJournal(), target.pool()
        self._sizes, self._target = bench.sizes.hostile, target
        self._large = EventJournal()
        self._publisher = Publisher(self.pool, target.request, self.journal)
        self._large_publisher = Publisher(
            self.pool, lambda user, number: target.request(user, number, LARGE_BYTES), self._large
        )

    async def period(self) -> tuple[Faults, dict[str, Any]]:
        """Send events for one period. Return the faults so far, and the figures of the period."""
        sizes, journal, first = self._sizes, self.journal, len(self.journal.latencies)
        count, large_count = (int(rate * sizes.seconds) for rate in (sizes.rate, LARGE_RATE))
        async with _most_kb(self._target) as most_kb:
            with no_garbage_collection():
                meter = Meter(self._target)
                await asyncio.gather(
                    at_constant_rate(sizes.rate, count, self._one),
                    at_constant_rate(LARGE_RATE, large_count, self._large_one),
                )
                await journal.until(journal.next_number, DELIVERY_SECONDS)
                await meter.trailing()
                figures = meter.figures(count)
        latency = percentiles(journal.latencies[first:])
        faults = await verdict(self.crowd, journal) + self._large.verify(())
        return faults, {
            "delivered": journal.received,
            "rate": sizes.rate,
            "latency_ms": latency,
            "most_kb": max(most_kb),
            **figures,
        }

    async def _one(self, number: int, due: float) -> None:
        await self._publisher.publish(random.choice(self.users), due)

    async def _large_one(self, number: int, due: float) -> None:
        await self._large_publisher.publish(VICTIM, due)


@asynccontextmanager
async def _most_kb(target: GatewayTarget) -> AsyncIterator[list[int]]:
    """Sample the memory of the server in KB, without its Redis, for a block."""
    pids = [pid for pid, role in target.pids().items() if role == SERVER]
    samples = [sum(map(machine.resident_kb, pids))]

    async def sample() -> None:
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            samples.append(sum(map(machine.resident_kb, pids)))

    sampling = asyncio.create_task(sample(), name="sample-memory")
    try:
        yield samples
    finally:
        sampling.cancel()
        with suppress(asyncio.CancelledError):
            await sampling


class _AttackCounts:
    """How often each attack was made, as JSON. It is known after the block."""

    printed: bytes = b"{}"


@asynccontextmanager
async def _hostile_load(bench: Bench, target: GatewayTarget) -> AsyncIterator[_AttackCounts]:
    """Run hostile clients for a block."""
    fields = target.user_fields(VICTIM)
    order = {
        "host": target.host,
        "port": target.port,
        "websocket": websocket_head(target.host, "/realtime/ws", fields).decode(),
        "anonymous": websocket_head(target.host, "/realtime/ws", {}).decode(),
        "sse": request_head("GET", target.host, "/realtime/sse", fields).decode(),
        "peers": bench.sizes.hostile.peers,
        "seconds": bench.sizes.hostile.seconds + LEAD_SECONDS,
    }
    process: Process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loadtest.hostile_load", cwd=machine.ROOT, stdin=PIPE, stdout=PIPE
    )
    counts = _AttackCounts()
    try:
        attacking = asyncio.create_task(process.communicate(json.dumps(order).encode()), name="hostile load")
        await asyncio.sleep(LEAD_SECONDS)
        yield counts
        counts.printed, _ = await attacking
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
