"""Several events for one connection in one iteration of the event loop, which should be sent in one write.

On loopback each write arrives as a segment of its own, so that the kernel of the receiver counts the writes. Events are
published concurrently, over as many connections. How many iterations they take depends on the server.
"""

import asyncio

from loadtest.bench import Bench
from loadtest.crowd import Crowd, data_segments, idle_for
from loadtest.journal import EventJournal
from loadtest.meter import DELIVERY_SECONDS, Meter, no_garbage_collection, verdict
from loadtest.publisher import Publisher
from loadtest.targets.base import Target


async def run(bench: Bench) -> None:
    """Measure the gateway and each peer, on each transport."""
    if bench.with_gateway:
        async with bench.own() as target:
            for transport in bench.transports:
                await _measure(bench, target, transport)
    for entrant in bench.peers:
        async with bench.started(entrant) as peer:
            for transport in bench.measured_transports(peer) if peer is not None else ():
                assert peer is not None
                await _measure(bench, peer, transport)


async def _measure(bench: Bench, target: Target, transport: str) -> None:
    user, events = f"burst-{transport}", bench.sizes.burst.events
    crowd, journal, pool = Crowd(), EventJournal(), target.pool()
    await crowd.add(target.make(transport), [user], journal)
    await idle_for(0.3)
    publisher = Publisher(pool, target.request, journal)

    async def burst() -> None:
        await asyncio.gather(*(publisher.publish(user) for _ in range(events)))
        await journal.until(journal.next_number, DELIVERY_SECONDS)

    await burst()  # opens the connections
    with no_garbage_collection():
        before, meter = data_segments(crowd.clients), Meter(target)
        for _ in range(bench.sizes.burst.repeats):
            await burst()
        count = events * bench.sizes.burst.repeats
        await meter.trailing()
        figures = meter.figures(count)
        writes = data_segments(crowd.clients) - before
    faults = await verdict(crowd, journal)
    bench.add(
        "burst",
        target,
        transport,
        1,
        faults,
        events=events,
        delivered=journal.received,
        writes_per_event=writes / count,
        **figures,
    )
    await pool.close()
    await crowd.close()
