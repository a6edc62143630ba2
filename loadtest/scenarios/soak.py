"""An hour or more (`--soak SECONDS`): memory, tasks, file descriptors and Redis memory must stay flat.

Connected users get notifications at a constant rate and delete each one; every second some connections are replaced.
What is flat: the last quarter of the samples is not above the second one by more than a tenth and some slack.
"""

import asyncio
import json
import time
from statistics import median
from typing import Any

from loadtest import machine
from loadtest.bench import DELIVERY_SECONDS, Bench, Meter, verdict
from loadtest.clients import Client, Crowd
from loadtest.journal import Faults, Journal, percentiles
from loadtest.publisher import Publisher, at_constant_rate
from loadtest.targets.gateway import GatewayTarget

SAMPLES = 120
REPLACED_PER_SECOND = 5
SLACK = {"server_kb": 4096.0, "redis_kb": 4096.0, "tasks": 20.0, "files": 20.0, "threads": 2.0}
KEPT_EVENTS = "50"
"""Of each user's log, so that it is full long before the run ends."""


async def run(bench: Bench) -> None:
    """Soak the gateway for as long as was asked for; by default not at all."""
    if not bench.plan.soak_seconds:
        bench.say("  not run: say how long with --soak SECONDS")
        return
    if bench.with_gateway:
        for transport in bench.transports:
            async with bench.own(INBOX_LOG_RETENTION_EVENTS=KEPT_EVENTS) as target:
                await _measure(bench, target, transport)


async def _measure(bench: Bench, target: GatewayTarget, transport: str) -> None:
    plan, journal, pool = bench.plan, Journal(), target.pool()
    users = [f"user{number}" for number in range(plan.soak_users)]
    crowd, faults, samples = Crowd(), Faults(), list[dict[str, float]]()
    await crowd.add(target.make(transport), users, journal)
    publisher = Publisher(pool, target.request, journal)
    deletes: set[asyncio.Task[None]] = set()

    async def delete(user: str, item: str) -> None:
        status, _ = await pool.request(target.user_request("DELETE", user, f"/notifications/{item}"))
        faults.failed += status != 204

    def remove(client: Client, message: bytes) -> None:
        if b'"notifications/new"' in message:
            task = asyncio.ensure_future(delete(client.user, json.loads(message)["data"]["id"]))
            deletes.add(task)
            task.add_done_callback(deletes.discard)

    for client in crowd.clients:
        client.on_message = remove

    async def one(number: int, due: float) -> None:
        await publisher.publish(users[number % len(users)], due)

    meter = Meter(target)
    background = [
        asyncio.create_task(_sample(bench, target, samples), name="sample"),
        asyncio.create_task(_replace(target, transport), name="replace"),
    ]
    count = int(plan.soak_rate * plan.soak_seconds)
    await at_constant_rate(plan.soak_rate, count, one)
    await journal.until(journal.next_number, DELIVERY_SECONDS)
    while deletes:
        await asyncio.wait(deletes)
    for task in background:
        task.cancel()
    ended = await asyncio.gather(*background, return_exceptions=True)
    for problem in ended:
        if isinstance(problem, Exception):
            raise problem
    faults += await verdict(crowd, journal)
    growth = _growth(samples)
    bench.add(
        "soak",
        target,
        transport,
        len(users),
        faults,
        seconds=plan.soak_seconds,
        rate=plan.soak_rate,
        delivered=journal.received,
        flat=all(growth[name] <= allowed for name, allowed in _allowed(samples).items()),
        growth=growth,
        latency_ms=percentiles(journal.latencies),
        samples=samples,
        **meter.figures(count),
    )
    await pool.close()
    await crowd.close()


async def _replace(target: GatewayTarget, transport: str) -> None:
    """Open and cut connections of other users, as people come and go."""
    number = 0
    while True:
        crowd = Crowd()
        names = [f"guest{(number + offset) % 500}" for offset in range(REPLACED_PER_SECOND)]
        await crowd.add(target.make(transport), names, None)
        await asyncio.sleep(1)
        await crowd.close()
        number += REPLACED_PER_SECOND


async def _sample(bench: Bench, target: GatewayTarget, samples: list[dict[str, float]]) -> None:
    started, pause = time.monotonic(), max(0.5, bench.plan.soak_seconds / SAMPLES)
    while True:
        await asyncio.sleep(pause)
        left = await target.collect()
        sample: dict[str, float] = {"seconds": time.monotonic() - started, "server_kb": 0, "redis_kb": 0}
        sample |= {"tasks": left["tasks"], "objects": left["objects"], "files": 0, "threads": 0}
        for pid, role in target.pids().items():
            sample[f"{role}_kb"] += machine.resident_kb(pid)
            sample["files"] += machine.open_files(pid)
            sample["threads"] += machine.threads(pid)
        samples.append(sample)
        bench.say(f"  {sample['seconds']:.0f} s: " + ", ".join(f"{name} {sample[name]:g}" for name in SLACK))


def _quarters(samples: list[dict[str, float]], name: str) -> tuple[float, float]:
    values = [sample[name] for sample in samples]
    quarter = max(1, len(values) // 4)
    return median(values[quarter : 2 * quarter] or values), median(values[-quarter:])


def _growth(samples: list[dict[str, Any]]) -> dict[str, float]:
    grown = {}
    for name in SLACK:
        early, late = _quarters(samples, name)
        grown[name] = late - early
    return grown


def _allowed(samples: list[dict[str, Any]]) -> dict[str, float]:
    return {name: slack + 0.1 * _quarters(samples, name)[0] for name, slack in SLACK.items()}
