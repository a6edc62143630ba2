"""Pages and filters of inboxes of different sizes: time and CPU must not grow with the inbox.

Items are filled in over the API. Every tenth is archived; the categories a, b and c take turns, and all of b are read.
"""

import asyncio
import json
import time
from typing import Any

from loadtest.bench import Bench, Meter, no_garbage_collection
from loadtest.journal import Faults, percentiles
from loadtest.publisher import Pool, at_constant_rate
from loadtest.targets.gateway import GatewayTarget

CATEGORIES = "abc"
ARCHIVED_EVERY = 10
FILLING = 64
"""Requests under way while an inbox is filled."""

FILTERS = {
    "none": "",
    "page 5": "page=5",
    "read": "read=true",
    "unread": "read=false",
    "seen": "seen=true",
    "unseen": "seen=false",
    "archived": "archived=true",
    "unarchived": "archived=false",
    "a category": "categories=a",
    "a topic": "topics=t1",
    "unread, unarchived": "read=false&archived=false",
    "a category, unarchived": "categories=a&archived=false",
}


async def run(bench: Bench) -> None:
    """Measure the gateway: no peer keeps an inbox. No live connection takes part."""
    if not bench.with_gateway:
        return
    async with bench.own() as target:
        pool = target.pool()
        for size in bench.plan.inboxes:
            bench.say(f"  filling an inbox of {size} items")
            faults = await _fill(target, pool, size)
            with no_garbage_collection():
                for name, query in FILTERS.items():
                    figures = await _time(bench, target, pool, f"inbox{size}", query, faults)
                    bench.add("list", target, "rest", 0, faults, items=size, filter=name, **figures)
                    faults = Faults()
        await pool.close()


async def _fill(target: GatewayTarget, pool: Pool, size: int) -> Faults:
    user, faults, numbers = f"inbox{size}", Faults(), iter(range(size))

    async def one_after_another() -> None:
        for number in numbers:
            fields = {"category": CATEGORIES[number % 3], "topic": f"t{number % 2}"}
            status, body = await pool.request(target.request_many([user], number, 200, **fields))
            faults.failed += status != 201
            if status == 201 and number % ARCHIVED_EVERY == 0:
                item = json.loads(body)["notification"]["id"]
                status, _ = await pool.request(target.user_request("POST", user, f"/notifications/{item}/archive"))
                faults.failed += status != 204

    async with asyncio.TaskGroup() as tasks:
        for _ in range(FILLING):
            tasks.create_task(one_after_another())
    status, _ = await pool.request(target.user_request("POST", user, "/notifications/read?categories=b"))
    faults.failed += status != 204
    return faults


async def _time(
    bench: Bench, target: GatewayTarget, pool: Pool, user: str, query: str, faults: Faults
) -> dict[str, Any]:
    request = target.user_request("GET", user, f"/notifications?per_page=15&{query}")
    seconds: list[float] = []
    for _ in range(3):
        await pool.request(request)
    started = time.perf_counter()
    await pool.request(request)
    rate = min(500.0, 0.5 / (time.perf_counter() - started))
    count = min(bench.plan.list_requests, max(3, int(rate * 5)))

    async def one(number: int, due: float) -> None:
        status, _ = await pool.request(request)
        seconds.append(time.perf_counter() - due)
        faults.failed += status != 200

    meter = Meter(target)
    await at_constant_rate(rate, count, one)
    return {"time_ms": percentiles(seconds), **meter.figures(count)}
