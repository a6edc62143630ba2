"""The cost of durability: `INBOX_DURABILITY` set to memory, disk and replica.

It is measured with one sender and with many: the time until a response, responses per second, and the CPU of each.
`replica` needs a separate Redis, whose append-only file is synced every second, as with `memory`.
"""

import asyncio
import time
from collections.abc import Callable

from loadtest.bench import Bench
from loadtest.journal import EventJournal, percentiles
from loadtest.meter import Meter, no_garbage_collection
from loadtest.publisher import Publisher
from loadtest.targets.base import Target
from loadtest.targets.gateway import GatewayTarget
from loadtest.targets.own_redis import GatewayOnRedis

SENDERS = (1, 64)
USERS = 100


async def run(bench: Bench) -> None:
    """Measure the gateway. Peers store nothing."""
    ways: dict[str, Callable[[], GatewayTarget]] = {
        "memory": lambda: bench.gateway(INBOX_DURABILITY="memory"),
        "disk": lambda: bench.gateway(INBOX_DURABILITY="disk"),
        "replica": lambda: GatewayOnRedis(
            bench.cores, bench.workers, replicas=1, fsync="everysec", INBOX_DURABILITY="replica"
        ),
    }
    for way, build in ways.items() if bench.with_gateway else ():
        target = build()
        try:
            await target.start()
            await _send(target, SENDERS[-1], bench.sizes.durability.seconds / 2)  # warms up
            for senders in SENDERS:
                with no_garbage_collection():
                    meter, started = Meter(target), time.perf_counter()
                    journal = await _send(target, senders, bench.sizes.durability.seconds)
                    seconds = time.perf_counter() - started
                    await meter.trailing()
                    figures = meter.figures(journal.next_number)
                bench.add(
                    "durability",
                    target,
                    "rest",
                    0,
                    journal.verify(()),
                    durability=way,
                    senders=senders,
                    per_second=journal.next_number / seconds,
                    answer_ms=percentiles(journal.response_times()),
                    **figures,
                )
        finally:
            await target.stop()


async def _send(target: Target, senders: int, seconds: float) -> EventJournal:
    """Run senders that each send without pause, and return the journal of the events."""
    journal, pool = EventJournal(), target.pool()
    publisher = Publisher(pool, target.request, journal)
    end = time.perf_counter() + seconds

    async def one_after_another() -> None:
        while time.perf_counter() < end:
            await publisher.publish(f"user{journal.next_number % USERS}")

    await asyncio.gather(*(one_after_another() for _ in range(senders)))
    await pool.close()
    return journal
