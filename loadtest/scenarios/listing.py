"""Pages and filters of inboxes of different sizes, whose time and CPU must not grow with the inbox.

Items are stored by the API. Every fifth is archived. The categories a, b and c alternate. Half of the items have one of
two topics, the others have a topic each. All items of b are read. Therefore each page of the plain filters is full even
in the smallest inbox, so that pages of equal length are compared.

Each filter is requested for one inbox after the other, as `rounds.py` describes.

At the end all items of each inbox are marked, and its user is deleted. The cost of that grows with the inbox, and Redis
does nothing else meanwhile.
"""

import asyncio
import json
import time
from dataclasses import dataclass

from loadtest import machine
from loadtest.bench import Bench
from loadtest.journal import Faults
from loadtest.meter import Meter, no_garbage_collection
from loadtest.publisher import Pool
from loadtest.rounds import Question, compared
from loadtest.targets.gateway import GatewayTarget

CATEGORIES = "abc"
TOPICS = 2
ARCHIVED_EVERY = 5
FILLING = 64
"""Concurrent requests while an inbox is filled."""

PER_PAGE = 15


@dataclass(frozen=True)
class ListFilter:
    """A filter of a list. If it is `judged`, it must cost the same for any inbox. Others must stay within a limit."""

    name: str
    query: str
    judged: bool = True


FILTERS = (
    ListFilter("none", ""),
    ListFilter("read", "read=true"),
    ListFilter("unread", "read=false"),
    ListFilter("seen", "seen=true"),
    ListFilter("unseen", "seen=false"),
    ListFilter("archived", "archived=true"),
    ListFilter("unarchived", "archived=false"),
    ListFilter("a category", "categories=a"),
    ListFilter("a topic", "topics=t1"),
    ListFilter("unread, unarchived", "read=false&archived=false"),
    ListFilter("a category, unarchived", "categories=a&archived=false"),
    ListFilter("page 5", "page=5", judged=False),
    ListFilter("the last page", "page={last}", judged=False),
    ListFilter("seen, unread", "seen=true&read=false", judged=False),
    ListFilter("read, archived", "read=true&archived=true", judged=False),
    ListFilter("two categories", "categories=a&categories=b", judged=False),
    ListFilter("a category, unread, archived", "categories=a&read=false&archived=true", judged=False),
    ListFilter("a category, a topic", "categories=a&topics=t1", judged=False),
    ListFilter(
        "a category, a topic, unread, unarchived", "categories=a&topics=t1&read=false&archived=false", judged=False
    ),
    ListFilter(
        "two categories, two topics, unread, unarchived",
        "categories=a&categories=c&topics=t0&topics=t1&read=false&archived=false",
        judged=False,
    ),
    ListFilter("a category that has none", "categories=z&archived=false", judged=False),
)


INBOX_CHANGES = (
    ("all marked seen", "/notifications/seen"),
    ("a category marked read", "/notifications/read?categories=a"),
    ("all marked read", "/notifications/read"),
)
"""Changes of whole inboxes, one after the other."""

DELETED = "its user deleted"


async def run(bench: Bench) -> None:
    """Measure the gateway, without live connections. No peer stores an inbox."""
    if not bench.with_gateway:
        return
    async with bench.own() as target:
        pool, faults = target.pool(), Faults()
        machine.pin(target.pids(), bench.cores.redis_apart())  # filling is not measured, but takes most of the time
        for size in bench.sizes.list.inboxes:
            bench.progress(f"  filling an inbox of {size} items")
            faults += await _fill(target, pool, size)
        machine.pin(target.pids(), bench.cores)
        with no_garbage_collection():
            for list_filter in FILTERS:
                await _compare(bench, target, pool, list_filter, faults)
                faults = Faults()
            for size in bench.sizes.list.inboxes:
                await _change_inbox(bench, target, pool, size)
        await pool.close()


async def _fill(target: GatewayTarget, pool: Pool, size: int) -> Faults:
    user, faults, numbers = _user(size), Faults(), iter(range(size))

    async def one_after_another() -> None:
        for number in numbers:
            topic = number % (2 * TOPICS)
            fields = {
                "category": CATEGORIES[number % len(CATEGORIES)],
                "topic": f"t{topic}" if topic < TOPICS else f"order {number}",
            }
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


def _user(size: int) -> str:
    return f"inbox{size}"


async def _compare(bench: Bench, target: GatewayTarget, pool: Pool, list_filter: ListFilter, faults: Faults) -> None:
    """Request the same page of one inbox after the other, and add a row for each inbox."""
    sizes = bench.sizes.list.inboxes
    questions = [Question(target, pool, _request(target, size, list_filter)) for size in sizes]
    shown = [await _shown(pool, question.request, faults) for question in questions]
    found = await compared(questions, bench.sizes.list.requests, faults)
    for index, size in enumerate(sizes):
        bench.add(
            "list",
            target,
            "rest",
            0,
            faults if index == 0 else Faults(),
            items=size,
            filter=list_filter.name,
            judged=list_filter.judged,
            shown=shown[index],
            **found[index],
        )


async def _change_inbox(bench: Bench, target: GatewayTarget, pool: Pool, size: int) -> None:
    """Mark an inbox and delete its user, and add a row for each step."""
    user = _user(size)
    steps = [(name, target.user_request("POST", user, path)) for name, path in INBOX_CHANGES]
    steps.append((DELETED, target.backend_request("DELETE", f"/users/external_id:{user}")))
    for name, request in steps:
        meter, started = Meter(target), time.perf_counter()
        status, _ = await pool.request(request)
        took = time.perf_counter() - started
        figures, faults = meter.figures(1), Faults(failed=status != 204)
        bench.add("whole", target, "rest", 0, faults, items=size, what=name, took_ms=1000 * took, **figures)


def _request(target: GatewayTarget, size: int, list_filter: ListFilter) -> bytes:
    query = list_filter.query.format(last=-(-size // PER_PAGE))
    return target.user_request("GET", _user(size), f"/notifications?per_page={PER_PAGE}&{query}")


async def _shown(pool: Pool, request: bytes, faults: Faults) -> int | None:
    """Return the number of items on the page, None if the request failed."""
    status, body = await pool.request(request)
    faults.failed += status != 200
    return len(json.loads(body)["notifications"]) if status == 200 else None
