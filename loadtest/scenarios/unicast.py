"""POST for random users at a constant rate: the latency of the event, and the highest rate that holds.

A rate holds when nothing is lost, 99 % of the events arrive within 250 ms, and the queue is empty right afterwards. The
search starts at the rate that many concurrent requests reach, and goes down until a rate holds, or up until one does
not. A rate that does not hold is tried twice.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from math import inf
from typing import Any

from loadtest.bench import Bench
from loadtest.crowd import Crowd, idle_for
from loadtest.figures import median_or_none
from loadtest.journal import EventJournal, percentiles
from loadtest.meter import DELIVERY_SECONDS, Meter, crowd_faults, no_garbage_collection, verdict
from loadtest.publisher import Publisher, at_constant_rate
from loadtest.targets.base import Target

SATURATING = 64
"""Concurrent requests when the capacity is estimated."""

HOLDING_MS = 250.0
TRIES = 4
STEP = 0.85
"""The ratio of a tried rate to the next. The last one tried is between the highest that held and the next."""
SHARES = (0.25, 0.5, 0.75)
PEERS_SHARES = (0.5,)
PEERS_SECONDS = 2 / 3
"""Peers are measured for a shorter time, and at one rate besides the highest.

There are many of them, and they handle many requests a second.
"""

WINDOWS = 5
"""The number of windows into which the events of a rate are divided, in order of arrival.

The ratio of p99 to p50 of a server is the median of its windows, as other programs disturb a window or two.
"""


async def run(bench: Bench) -> None:
    """Measure the gateway and each peer, on each transport."""
    if bench.with_gateway:
        for transport in bench.transports:
            async with bench.own() as target:
                await _measure(bench, target, transport)
    for entrant in bench.peers:
        async with bench.started(entrant) as peer:
            for transport in bench.measured_transports(peer) if peer is not None else ():
                assert peer is not None
                await _measure(bench, peer, transport)


class _UnicastLoad:
    """A crowd with a connection for each user, and events for random users."""

    def __init__(self, target: Target, transport: str, users: int):
        self.target, self.transport = target, transport
        self.users = [f"{transport}{number}" for number in range(users)]
        self.crowd, self.journal = Crowd(), EventJournal()
        self.pool = target.pool()
        self.publisher = Publisher(self.pool, target.request, self.journal)

    async def saturate(self, seconds: float) -> float:
        """Send many concurrent requests, and return the deliveries a second."""
        end, first = time.perf_counter() + seconds, self.journal.next_number

        async def one_after_another() -> None:
            while time.perf_counter() < end:
                await self.publisher.publish(random.choice(self.users))

        started = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(SATURATING):
                tasks.create_task(one_after_another())
        await self.journal.until(self.journal.next_number, DELIVERY_SECONDS)
        return (self.journal.next_number - first) / (time.perf_counter() - started)

    async def at(self, rate: float, seconds: float) -> dict[str, Any]:
        """Publish at a constant rate, and return the figures."""
        journal, count = self.journal, max(5, int(rate * seconds))
        first, first_latency = journal.next_number, len(journal.latencies)
        meter, started = Meter(self.target), time.perf_counter()

        async def one(number: int, due: float) -> None:
            await self.publisher.publish(random.choice(self.users), due)

        await at_constant_rate(rate, count, one)
        arrived = await journal.until(journal.next_number, DELIVERY_SECONDS)
        seconds_over = time.perf_counter() - started - count / rate
        await meter.trailing()
        figures = meter.figures(count)
        latencies = journal.latencies[first_latency:]
        latency = percentiles(latencies)
        return {
            "rate": rate,
            "holds": arrived and latency.get("p99", inf) <= HOLDING_MS and seconds_over <= HOLDING_MS / 1000,
            "latency_ms": latency,
            "p99_by_p50": _p99_by_p50(latencies),
            "answer_ms": percentiles(journal.response_times(first)),
            "generator_lag_ms": percentiles(journal.lags(first)),
            **figures,
        }


def _p99_by_p50(latencies: Sequence[float]) -> float | None:
    size = max(1, len(latencies) // WINDOWS)
    windows = [percentiles(latencies[first : first + size]) for first in range(0, size * WINDOWS, size)]
    return median_or_none([window["p99"] / window["p50"] for window in windows if window])


async def _measure(bench: Bench, target: Target, transport: str) -> None:
    load = _UnicastLoad(target, transport, bench.sizes.unicast.users)
    seconds = bench.sizes.unicast.seconds * (1 if target.keeps_inbox else PEERS_SECONDS)
    await load.crowd.add(target.make(transport), load.users, load.journal)
    await idle_for(0.5)
    with no_garbage_collection():
        rate = max([await load.saturate(seconds / 2) for _ in range(2)])
        best = await _highest(load, rate, seconds)
        highest = best["rate"] if best["holds"] else None
        _add(bench, load, "highest rate that holds" if best["holds"] else "no rate held", highest, best)
        for share in (SHARES if target.keeps_inbox else PEERS_SHARES) if best["holds"] else ():
            figures = await load.at(share * best["rate"], seconds)
            _add(bench, load, f"{share:.0%} of the highest", highest, figures)
    faults = await verdict(load.crowd, load.journal)
    bench.rows[-1]["faults"] = vars(faults)  # of all rates together
    if faults:
        bench.progress(f"  FAULTS: {faults}; requests that failed: {dict(load.journal.reasons)}")
    await load.pool.close()
    await load.crowd.close()


async def _highest(load: _UnicastLoad, rate: float, seconds: float) -> dict[str, Any]:
    """Return the figures of the highest rate that holds, or those of the lowest tried rate if none holds."""
    best = await _twice(load, rate, seconds)
    step = STEP if not best["holds"] else 1 / STEP
    for _ in range(TRIES):
        other = await _twice(load, best["rate"] * step, seconds)
        if best["holds"] and not other["holds"]:
            break
        found = other["holds"] and not best["holds"]
        best = other
        if found:
            break
    if best["holds"]:
        between = await _twice(load, best["rate"] / STEP**0.5, seconds)
        best = between if between["holds"] else best
    return best


async def _twice(load: _UnicastLoad, rate: float, seconds: float) -> dict[str, Any]:
    """Try a rate, and once more if it does not hold, because other programs may have disturbed it."""
    figures = await load.at(rate, seconds)
    return figures if figures["holds"] else await load.at(rate, seconds)


def _add(bench: Bench, load: _UnicastLoad, at: str, highest: float | None, figures: dict[str, Any]) -> None:
    faults = crowd_faults(load.crowd)
    bench.add(
        "unicast",
        load.target,
        load.transport,
        len(load.users),
        faults,
        at=at,
        highest=highest,
        delivered=load.journal.received,
        **figures,
    )
