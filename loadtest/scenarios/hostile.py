"""What others notice of peers that mean harm: times of delivery and memory, before, during and after a siege.

Events go to random good users at a constant rate, in stretches of the same length. Large events go to one more user
all the time, on whom the readers that stop reading hang. The peers are a process of their own (`loadtest/siege.py`),
and what they do is in `loadtest/attacks.py`.
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
from loadtest.bench import DELIVERY_SECONDS, Bench, Meter, no_garbage_collection, verdict
from loadtest.clients import Crowd, request_head, settle, websocket_head
from loadtest.journal import Faults, Journal, percentiles
from loadtest.machine import SERVER
from loadtest.publisher import Publisher, at_constant_rate
from loadtest.targets.gateway import GatewayTarget

VICTIM = "victim"
LARGE_BYTES = 30_000
LARGE_RATE = 5.0
LEAD_SECONDS = 1.0
"""How long a siege goes on before it is measured: processes have to start."""

SAMPLE_SECONDS = 0.1
KB_A_PEER = 512
"""What one may cost at most: twice its write buffer, for what the allocator does not give back at once."""


async def run(bench: Bench) -> None:
    """Measure the gateway."""
    if bench.with_gateway:
        for transport in bench.transports:
            async with bench.own() as target:
                await _measure(bench, target, transport)


async def _measure(bench: Bench, target: GatewayTarget, transport: str) -> None:
    load = _Load(bench, target, transport)
    await load.crowd.add(target.make(transport), load.users, load.journal)
    await settle(0.5)
    peers = bench.plan.hostile_peers * len(ATTACKS)
    await load.stretch()
    before_kb = (await target.memory())[SERVER]

    def add(when: str, attacks: int, faults: Faults, figures: dict[str, Any]) -> None:
        grown_kb = figures.pop("most_kb") - before_kb
        figures |= {"grown_mb": grown_kb / 1024, "flat": grown_kb <= KB_A_PEER * peers}
        bench.add(
            "hostile", target, transport, len(load.users), faults, when=when, peers=peers, attacks=attacks, **figures
        )

    add("before", 0, *await load.stretch())
    async with _besieged(bench, target) as siege:
        found = await load.stretch()
    add("besieged", sum(json.loads(siege.said).values()), *found)
    add("after", 0, *await load.stretch())
    await load.pool.close()
    await load.crowd.close()


class _Load:
    """Good users and what they get."""

    def __init__(self, bench: Bench, target: GatewayTarget, transport: str):
        self.users = [f"{transport}{number}" for number in range(bench.plan.hostile_users)]
        self.crowd, self.journal, self.pool = Crowd(), Journal(), target.pool()
        self._plan, self._target = bench.plan, target
        self._large = Journal()
        self._publisher = Publisher(self.pool, target.request, self.journal)
        self._large_publisher = Publisher(
            self.pool, lambda user, number: target.request(user, number, LARGE_BYTES), self._large
        )

    async def stretch(self) -> tuple[Faults, dict[str, Any]]:
        """Load for a while; give what went wrong so far, and the figures."""
        plan, journal, first = self._plan, self.journal, len(self.journal.latencies)
        count, large_count = (int(rate * plan.hostile_seconds) for rate in (plan.hostile_rate, LARGE_RATE))
        async with _most_kb(self._target) as most_kb:
            with no_garbage_collection():
                meter = Meter(self._target)
                await asyncio.gather(
                    at_constant_rate(plan.hostile_rate, count, self._one),
                    at_constant_rate(LARGE_RATE, large_count, self._large_one),
                )
                await journal.until(journal.next_number, DELIVERY_SECONDS)
                await meter.trailing()
                figures = meter.figures(count)
        latency = percentiles(journal.latencies[first:])
        faults = await verdict(self.crowd, journal) + self._large.verify(())
        return faults, {
            "delivered": journal.received,
            "rate": plan.hostile_rate,
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
    """Sample the memory of the server, without its Redis, for a block."""
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


class _Siege:
    """A siege that is over: how often peers of each kind came, as JSON."""

    said: bytes = b"{}"


@asynccontextmanager
async def _besieged(bench: Bench, target: GatewayTarget) -> AsyncIterator[_Siege]:
    """Have hostile peers come for a block."""
    fields = target.user_fields(VICTIM)
    told = {
        "host": target.host,
        "port": target.port,
        "websocket": websocket_head(target.host, "/realtime/ws", fields).decode(),
        "anonymous": websocket_head(target.host, "/realtime/ws", {}).decode(),
        "sse": request_head("GET", target.host, "/realtime/sse", fields).decode(),
        "peers": bench.plan.hostile_peers,
        "seconds": bench.plan.hostile_seconds + LEAD_SECONDS,
    }
    process: Process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loadtest.siege", cwd=machine.ROOT, stdin=PIPE, stdout=PIPE
    )
    siege = _Siege()
    try:
        talking = asyncio.create_task(process.communicate(json.dumps(told).encode()), name="siege")
        await asyncio.sleep(LEAD_SECONDS)
        yield siege
        siege.said, _ = await talking
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
