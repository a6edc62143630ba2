"""All connections are cut at once, then all reconnect at once and resume. Events are sent while they are disconnected.

TCP retries a connection that does not fit into the listen queue (4,096 by default) after a second. In a first run each
connection has its own user, in a second one all have the same user. `/healthz` is requested all the time.
"""

import asyncio
import time
from collections.abc import Sequence

from loadtest.bench import Bench
from loadtest.clients import Client
from loadtest.crowd import Crowd, idle_for
from loadtest.healthz import Healthz
from loadtest.journal import Faults, percentiles
from loadtest.meter import DELIVERY_SECONDS, VERDICT_SECONDS, Meter, crowd_faults, no_garbage_collection, until
from loadtest.scenarios.connect import publish_to_all, replay_faults
from loadtest.targets.gateway import MOST_RECIPIENTS, GatewayTarget

MISSED = 2


async def run(bench: Bench) -> None:
    """Measure the gateway. Peers do not resume."""
    if bench.with_gateway:
        for transport in bench.transports:
            async with bench.own() as target:
                await _measure(
                    bench, target, transport, [f"user{number}" for number in range(bench.sizes.storm.connections)]
                )
                await _measure(bench, target, transport, ["hot user"] * bench.sizes.storm.connections_of_one)


async def _measure(bench: Bench, target: GatewayTarget, transport: str, connections: Sequence[str]) -> None:
    """Cut connections and reconnect them. `connections` contains the user of each."""
    users = list(dict.fromkeys(connections))
    crowd = Crowd()
    await crowd.add(target.make(transport), connections, None)
    await idle_for(0.5)
    faults = crowd_faults(crowd)
    positions = {client.user: client.position for client in crowd.clients}
    make = target.make_with(transport, since=positions)
    for user in users:
        make(user, None)
    await crowd.close()
    journals = await publish_to_all(target, users, MISSED)
    journal_of = {user: journals[index // MOST_RECIPIENTS] for index, user in enumerate(users)}
    resumed, moments, health = Crowd(), [], Healthz(target)
    expected = MISSED * len(connections)
    with no_garbage_collection(), health.watching():
        meter, started = Meter(target), time.perf_counter()

        def make_timed(user: str, _: object) -> Client:
            client = make(user, journal_of[user])
            client.ready.add_done_callback(lambda _: moments.append(time.perf_counter() - started))
            return client

        await resumed.add(make_timed, connections, None, len(connections))
        ready_seconds = time.perf_counter() - started
        await until(lambda: sum(journal.received for journal in journals) >= expected, DELIVERY_SECONDS)
        seconds = time.perf_counter() - started
        await meter.trailing()
        figures = meter.figures(len(connections))
    await asyncio.sleep(VERDICT_SECONDS)
    faults += replay_faults(resumed, journals, users)
    bench.add(
        "storm",
        target,
        transport,
        len(connections),
        faults + crowd_faults(resumed) + Faults(failed=health.failed),
        users=len(users),
        delivered=sum(journal.received for journal in journals),
        all_ready_seconds=ready_seconds,
        all_caught_up_seconds=seconds,
        per_second=len(connections) / seconds,
        ready_after_ms=percentiles(moments),
        healthz_max_ms=health.slowest_ms,
        **figures,
    )
    await resumed.close()
