"""One event to many connections: to all connections of one user, and to many users with one connection each.

All servers have their connections open at the same time and alternate within each round, so that a disturbance of the
machine affects all alike. The floors send the same payload, and also as many bytes as a message of the gateway has: a
ratio compares equal bytes. The CPU of a server and its Redis counts from before the first request until after the last
delivery, the requests included.
"""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from loadtest.bench import Bench
from loadtest.cores import most_connections
from loadtest.crowd import Crowd, data_segments, idle_for
from loadtest.figures import median_or_none
from loadtest.journal import EventJournal, percentiles
from loadtest.machine import ProcessGoneError
from loadtest.meter import DELIVERY_SECONDS, VERDICT_SECONDS, Meter, crowd_faults, no_garbage_collection, verdict
from loadtest.publisher import Pool, Publisher, at_constant_rate
from loadtest.scenarios.connect import groups_of
from loadtest.targets.base import Target
from loadtest.targets.floor import RAW, AsyncioFloorTarget, CFloorTarget, FloorTarget
from loadtest.targets.gateway import GatewayTarget

PAYLOAD_BYTES = 200
WARM_UP_EVENTS = 5
HIGHEST_RATE = 200.0
SHARE_OF_CAPACITY = 0.5
"""The rate of events as a share of the possible rate: with a queue, latencies would be those of the queue."""


@dataclass
class _Contestant:
    """A server and transport with its crowd, and the figures of each round."""

    target: Target
    transport: str
    pool: Pool
    size: int = PAYLOAD_BYTES
    crowd: Crowd = field(default_factory=Crowd)
    journal: EventJournal = field(default_factory=EventJournal)
    rate: float = 1.0
    message_bytes: float = 0.0
    broken: bool = False
    """An event did not arrive in time, which the faults show. Nothing more is measured."""
    rounds: list[dict[str, Any]] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)

    @property
    def user(self) -> str:
        """The user that receives the events. Each transport of a server has its own."""
        return f"crowd-{self.transport}"

    def publisher(self) -> Publisher:
        """Return a publisher for this crowd."""
        return Publisher(self.pool, lambda user, number: self.target.request(user, number, self.size), self.journal)

    async def warm_up(self) -> None:
        """Measure how long an event takes to reach all connections, and its length in bytes."""
        publisher, seconds = self.publisher(), []
        bytes_before = self.crowd.bytes_received
        for _ in range(WARM_UP_EVENTS):
            started, due = time.perf_counter(), self.journal.received + len(self.crowd.clients)
            await publisher.publish(self.user)
            if not await self.journal.until(due, DELIVERY_SECONDS):
                self.broken = True
                return
            seconds.append(time.perf_counter() - started)
        self.rate = min(HIGHEST_RATE, SHARE_OF_CAPACITY / median(seconds))
        self.message_bytes = (self.crowd.bytes_received - bytes_before) / WARM_UP_EVENTS / len(self.crowd.clients)

    async def round(self, messages: int, seconds: float) -> None:
        """Publish at a constant rate, wait for all deliveries, and record the cost."""
        events = max(3, min(messages, int(self.rate * seconds)))
        publisher, journal = self.publisher(), self.journal
        first, first_latency = journal.next_number, len(journal.latencies)
        received, deliveries = journal.received, events * len(self.crowd.clients)
        segments = data_segments(self.crowd.clients)
        meter = Meter(self.target)

        async def one(number: int, due: float) -> None:
            await publisher.publish(self.user, due)

        await at_constant_rate(self.rate, events, one)
        self.broken = not await journal.until(received + deliveries, DELIVERY_SECONDS)
        await meter.trailing()
        figures = meter.figures(deliveries)
        figures["writes"] = (data_segments(self.crowd.clients) - segments) / deliveries
        self.rounds.append(figures)
        self.latencies += journal.latencies[first_latency:]
        self.lags += journal.lags(first)

    def middle(self, name: str) -> float | None:
        """Return the median of a figure over the rounds."""
        return median_or_none([figures[name] for figures in self.rounds])

    def ratio_to(self, floor: "_Contestant") -> float | None:
        """Return the median of the ratios to a floor in each round."""
        pairs = zip(self.rounds, floor.rounds, strict=False)
        return median_or_none([mine["cpu_us"] and mine["cpu_us"] / its["cpu_us"] for mine, its in pairs])


async def run(bench: Bench) -> None:
    """Measure every size of crowd, then many users."""
    for connections in bench.sizes.fanout.crowds:
        await _crowd(bench, connections)
    if bench.with_gateway:
        for transport in bench.transports:
            async with bench.own() as target:
                await _to_users(bench, target, transport)


async def _crowd(bench: Bench, connections: int) -> None:
    async with AsyncExitStack() as stack:
        contestants = [
            _Contestant(target, transport, target.pool())
            for target in await _enter(bench, stack, connections)
            for transport in bench.measured_transports(target)
        ]
        contestants = [each for each in contestants if await _connected(bench, each, connections)]
        await idle_for(1.0)
        with no_garbage_collection():
            for each in contestants:
                await _try(bench, each, each.warm_up())
            for each in (more := _with_our_sizes(contestants)):
                await _try(bench, each, each.warm_up())
            contestants += more
            for number in range(bench.sizes.fanout.rounds):
                bench.progress(f"  round {number + 1} of {bench.sizes.fanout.rounds}, {connections} connections")
                for each in contestants:
                    if not each.broken:
                        await _try(bench, each, each.round(bench.sizes.fanout.events, bench.sizes.fanout.round_seconds))
        await asyncio.sleep(VERDICT_SECONDS)
        for each in contestants:
            _report(bench, each, [floor for floor in contestants if floor.transport == RAW])
        for each in contestants:
            await each.pool.close()
            await each.crowd.close()


async def _try(bench: Bench, each: _Contestant, part: Coroutine[Any, Any, None]) -> None:
    """Run a part of the measurement. A server that ends or does not deliver is left out from then on."""
    try:
        await part
    except (OSError, ProcessGoneError) as problem:
        each.broken = True
        bench.error(f"fanout: {each.target.name}, {each.transport}: {problem}")
    else:
        if each.broken:
            bench.error(
                f"fanout: {each.target.name}, {each.transport}: events did not arrive in {DELIVERY_SECONDS:g} s; "
                f"requests that failed: {dict(each.journal.reasons)}"
            )


async def _connected(bench: Bench, each: _Contestant, connections: int) -> bool:
    try:
        await each.crowd.add(each.target.make(each.transport), [each.user] * connections, each.journal)
    except OSError as problem:
        bench.error(f"fanout: {each.target.name}: {problem}")
        return False
    return True


async def _enter(bench: Bench, stack: AsyncExitStack, connections: int) -> list[Target]:
    """Start the servers that take part with a crowd of this size, up to the limit of open files."""
    targets: list[Target] = []
    if bench.with_gateway:
        targets.append(await stack.enter_async_context(bench.own()))
    for entrant in [*bench.floors, *(bench.peers if connections <= bench.sizes.fanout.peers_crowd else ())]:
        target = await stack.enter_async_context(bench.started(entrant))
        if target is None:
            continue
        if connections * sum(len(bench.measured_transports(each)) for each in [*targets, target]) > most_connections():
            bench.progress(f"  {target.name}: left out: the limit of open files is too low")
            continue
        targets.append(target)
    return targets


def _with_our_sizes(contestants: Sequence[_Contestant]) -> list[_Contestant]:
    """Return the floors once more with messages as long as those of the gateway, for the same crowds."""
    return [
        _Contestant(floor.target, RAW, floor.pool, round(ours.message_bytes), floor.crowd, floor.journal)
        for ours in contestants
        if ours.target.keeps_inbox and not ours.broken
        for floor in contestants
        if floor.transport == RAW
    ]


def _report(bench: Bench, each: _Contestant, floors: Sequence[_Contestant]) -> None:
    ratios = {}
    for name, kind in (("python", FloorTarget), ("c", CFloorTarget), ("asyncio", AsyncioFloorTarget)):
        alike = [floor for floor in floors if type(floor.target) is kind]
        if alike and each.transport != RAW:
            nearest = min(alike, key=lambda floor: abs(floor.size - each.message_bytes))
            ratios[f"ratio_{name}"] = each.ratio_to(nearest)
    bench.add(
        "fanout",
        each.target,
        each.transport,
        len(each.crowd.clients),
        crowd_faults(each.crowd) + each.journal.verify(each.crowd.clients),
        cpu_us=each.middle("cpu_us"),
        cpu_us_server=each.middle("cpu_us_server"),
        cpu_us_redis=each.middle("cpu_us_redis"),
        cpu_us_client=each.middle("cpu_us_client"),
        client_busy=each.middle("client_busy"),
        bytes_per_message=each.message_bytes,
        writes_per_delivery=each.middle("writes"),
        **ratios,
        delivered=each.journal.received,
        rate=each.rate,
        latency_ms=percentiles(each.latencies),
        generator_lag_ms=percentiles(each.lags),
        rounds_cpu_us=[figures["cpu_us"] for figures in each.rounds],
    )


async def _to_users(bench: Bench, target: GatewayTarget, transport: str) -> None:
    """Send the same notification to many users: one request for each thousand."""
    users = [f"user{number}" for number in range(bench.sizes.fanout.users)]
    groups = groups_of(users)
    crowd, journal, pool = Crowd(), EventJournal(), target.pool()
    for group in groups:
        for member in await crowd.add(target.make(transport), group, journal):
            member.user = group[0]  # its events are recorded for the first user of the group
    by_first = {group[0]: group for group in groups}
    publisher = Publisher(pool, lambda user, number: target.request_many(by_first[user], number), journal)

    async def send() -> None:
        due = journal.received + len(users)
        for group in groups:
            await publisher.publish(group[0])
        await journal.until(due, DELIVERY_SECONDS)

    with no_garbage_collection():
        await send()
        started = time.perf_counter()
        await send()
        rate = SHARE_OF_CAPACITY / (time.perf_counter() - started)
        events = max(3, min(bench.sizes.fanout.events, int(rate * 5 * bench.sizes.fanout.round_seconds)))
        first, received, deliveries = len(journal.latencies), journal.received, events * len(users)
        meter = Meter(target)

        async def one(number: int, due: float) -> None:
            for group in groups:
                await publisher.publish(group[0], due)

        await at_constant_rate(rate, events, one)
        await journal.until(received + deliveries, DELIVERY_SECONDS)
        await meter.trailing()
        figures = meter.figures(deliveries)
    bench.add(
        "fanout to users",
        target,
        transport,
        len(users),
        await verdict(crowd, journal),
        **figures,
        delivered=journal.received,
        rate=rate,
        latency_ms=percentiles(journal.latencies[first:]),
    )
    await pool.close()
    await crowd.close()
