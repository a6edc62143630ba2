"""Idle connections, each of its own user: resident memory, and CPU with heartbeats.

Memory is the growth per connection over a warmed-up server with many connections, after a garbage collection. The first
connections fill memory that is free after the start, and would seem to cost nothing. The kernel's memory of a socket
(about 4 KB) is not included for any server.
"""

import asyncio
from typing import Any

from loadtest.bench import Bench, Entrant
from loadtest.cores import most_connections
from loadtest.crowd import Crowd, idle_for
from loadtest.meter import Meter, crowd_faults, no_garbage_collection
from loadtest.targets.base import Target
from loadtest.targets.floor import RAW

PEERS_SECONDS = 3.0
"""How long peers are measured. Their heartbeats, if any, have other intervals."""


async def run(bench: Bench) -> None:
    """Measure the gateway up to the limit of open files, and peers and floors up to the last step before that."""
    steps = bench.sizes.idle.steps
    if bench.with_gateway:
        most = [step or most_connections() for step in steps]
        for transport in bench.transports:
            async with bench.own(INBOX_HEARTBEAT_SECONDS=f"{bench.sizes.idle.heartbeat_seconds:g}") as target:
                await _measure(bench, target, transport, most)
    for entrant in [*bench.floors, *bench.peers]:
        for transport in await _transports(bench, entrant):
            async with bench.started(entrant) as peer:
                if peer is not None:
                    await _measure(bench, peer, transport, [step for step in steps if step])


async def _transports(bench: Bench, entrant: Entrant) -> list[str]:
    target = entrant.build(bench.cores)
    await target.stop()  # it was not started: this removes its directory
    return bench.measured_transports(target)


async def _measure(bench: Bench, target: Target, transport: str, steps: list[int]) -> None:
    crowd, make = Crowd(), target.make(transport)
    await crowd.add(make, (f"warm{number}" for number in range(bench.sizes.warm_up)), None)
    await idle_for(0.5)
    before = await target.memory()
    opened = 0
    for step in steps:
        await crowd.add(make, (f"idle{number}" for number in range(opened, step)), None)
        opened = step
        await idle_for(0.5)
        after = await target.memory()
        figures: dict[str, Any] = {
            f"kb_{role}": (kilobytes - before[role]) / opened for role, kilobytes in after.items() if role in before
        }
        if before:
            figures["kb"] = sum(figures.values())
        if step == steps[-1] and transport != RAW:
            seconds = bench.sizes.idle.seconds if target.keeps_inbox else min(PEERS_SECONDS, bench.sizes.idle.seconds)
            figures |= await _heartbeats(target, crowd, seconds)
        bench.add("idle", target, transport, step, crowd_faults(crowd), **figures)
    await crowd.close()


async def _heartbeats(target: Target, crowd: Crowd, seconds: float) -> dict[str, Any]:
    with no_garbage_collection():
        received = sum(client.heartbeats for client in crowd.clients)
        meter = Meter(target)
        await asyncio.sleep(seconds)
        spent = meter.figures(len(crowd.clients) * seconds)
    return {
        "idle_cpu_us_per_connection_second": spent["cpu_us"],
        "heartbeats_per_connection_second": (sum(client.heartbeats for client in crowd.clients) - received)
        / (len(crowd.clients) * seconds),
    }
