"""A broadcast to all users: stored, numbered and counted for each user, connected or not.

POST /imports creates the users. Then POST /broadcasts has the recipients `{"matches": "*"}`, and GET /broadcasts/{id}
is polled until it is done. The first broadcast stores the first item of each user, which creates the user's keys. For
the second one they exist.

Worker and Redis have a core each, as the goal requires. With two cores, Redis shares that of the clients, which do
nearly nothing. A few users are connected and must receive each broadcast once. The inboxes of a sample are checked.
"""

import json
import time
from collections.abc import Sequence
from typing import Any

from loadtest import machine
from loadtest.bench import Bench
from loadtest.crowd import Crowd, idle_for
from loadtest.jobs import import_users, job_faults
from loadtest.journal import EVERYBODY, EventJournal, Faults, mark_of, percentiles
from loadtest.meter import DELIVERY_SECONDS, Meter, crowd_faults, no_garbage_collection
from loadtest.publisher import Pool
from loadtest.targets.gateway import GatewayTarget

LISTENERS = 50
"""Connected users on each transport."""

SAMPLE = 200
"""Inboxes that are checked."""

BROADCASTS = ("the first item of each user", "a further item of each user")


async def run(bench: Bench) -> None:
    """Measure the gateway. No peer stores what it sends."""
    if bench.with_gateway:
        async with bench.own() as target:
            cores = bench.cores.redis_apart()
            machine.pin(target.pids(), cores)
            target.cores = cores
            await _measure(bench, target)


async def _measure(bench: Bench, target: GatewayTarget) -> None:
    users = [f"user{number}" for number in range(bench.sizes.broadcast.users)]
    pool, journal, crowd = target.pool(), EventJournal(), Crowd()
    before = await target.memory()
    meter, started = Meter(target), time.perf_counter()
    faults = await import_users(target, pool, [{"external_id": user} for user in users])
    seconds = time.perf_counter() - started
    figures = meter.figures(len(users))
    bench.add("import", target, "rest", 0, faults, **_sizes(target, users), per_second=len(users) / seconds, **figures)
    listeners = users[:: -(-len(users) // LISTENERS)]
    for transport in bench.transports:
        await crowd.add(target.make(transport), listeners, journal)
    await idle_for(1.0)
    for count, which in enumerate(BROADCASTS, 1):
        with no_garbage_collection():
            first = len(journal.latencies)
            meter, started = Meter(target), time.perf_counter()
            number = journal.open(EVERYBODY, started)
            job, faults = await _broadcast(target, pool, number)
            journal.responded(number, time.perf_counter(), not faults)
            faults += await job_faults(target, pool, f"/broadcasts/{job}", len(users)) if job else Faults()
            seconds = time.perf_counter() - started
            figures = meter.figures(len(users))
        await journal.until(count * len(crowd.clients), DELIVERY_SECONDS)
        faults += await _check(target, pool, users, count, number)
        after = await target.memory()
        if count == len(BROADCASTS):
            faults += crowd_faults(crowd) + journal.verify(crowd.clients)
        bench.add(
            "broadcast",
            target,
            "rest",
            len(crowd.clients),
            faults,
            which=which,
            **_sizes(target, users),
            per_second=len(users) / seconds,
            **figures,
            redis_kb_per_user=(after[machine.REDIS] - before[machine.REDIS]) / len(users),
            heard=len(journal.latencies) - first,
            heard_after_ms=percentiles(journal.latencies[first:]),
        )
        before = after
    await pool.close()
    await crowd.close()


def _sizes(target: GatewayTarget, users: Sequence[str]) -> dict[str, Any]:
    cores = target.cores
    apart = "a core of its own" if not cores.server & cores.redis else "the worker's core"
    return {"users": len(users), "redis_on": apart}


async def _broadcast(target: GatewayTarget, pool: Pool, number: int) -> tuple[str, Faults]:
    """Start a broadcast to all users. Return its id, "" if it was refused, and the faults."""
    broadcast = {**target.notification(number), "recipients": [{"matches": "*"}]}
    status, body = await pool.request(target.backend_request("POST", "/broadcasts", {"broadcast": broadcast}))
    if not 200 <= status < 300:
        return "", Faults(failed=1)
    return json.loads(body)["broadcast"]["id"], Faults()


async def _check(target: GatewayTarget, pool: Pool, users: Sequence[str], count: int, number: int) -> Faults:
    """Check the inboxes of a sample. Each must have `count` items, all unread, with the last broadcast first."""
    faults = Faults()
    for user in users[:: -(-len(users) // SAMPLE)]:
        status, body = await pool.request(target.user_request("GET", user, "/notifications"))
        if status != 200:
            faults.failed += 1
            continue
        inbox = json.loads(body)
        right = inbox["total"] == inbox["unread_count"] == inbox["unseen_count"] == count
        newest = inbox["notifications"][0]["content"].encode() if inbox["notifications"] else b""
        faults.lost += not right or mark_of(newest) != number
    return faults
