"""Changes (read, archive) on one device, observed on another. Latency is from the due time of a change to its event."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence

from loadtest.bench import Bench
from loadtest.clients import Client
from loadtest.crowd import Crowd
from loadtest.journal import EventJournal, Faults, percentiles
from loadtest.meter import DELIVERY_SECONDS, VERDICT_SECONDS, Meter, crowd_faults, no_garbage_collection, until
from loadtest.publisher import Pool, at_constant_rate
from loadtest.scenarios.connect import groups_of
from loadtest.targets.gateway import GatewayTarget

CHANGES = (("read", "notifications/read"), ("archive", "notifications/archive"))

_Change = tuple[str, str, str]
"""User, notification and the event's name."""


async def run(bench: Bench) -> None:
    """Measure the gateway. No peer stores a state."""
    if bench.with_gateway:
        for transport in bench.transports:
            async with bench.own() as target:
                await _measure(bench, target, transport)


class _Observations:
    """The changes that the second device of each user received, with their latencies."""

    def __init__(self) -> None:
        self.due: dict[_Change, float] = {}
        self.latencies: list[float] = []
        self.counts: Counter[_Change] = Counter()

    def record(self, client: Client, message: bytes) -> None:
        """Record an event."""
        now = time.perf_counter()
        event = json.loads(message)
        if event["type"] != "event" or event["name"] == "notifications/new":
            return
        change = (client.user, event["data"]["id"], event["name"])
        self.counts[change] += 1
        if change in self.due:
            self.latencies.append(now - self.due[change])

    def faults(self, crowd: Crowd) -> Faults:
        """Return the faults of the events that the crowd received."""
        return Faults(
            lost=len(self.due.keys() - self.counts.keys()),
            misdelivered=len(self.counts.keys() - self.due.keys()),
            doubled=self.counts.total() - len(self.counts),
            reordered=sum(client.out_of_order for client in crowd.clients),
        )


async def _send_items(target: GatewayTarget, pool: Pool, users: Sequence[str], items: int) -> list[str]:
    """Send a number of notifications to each user, and return their ids. Raise AssertionError if one is refused."""
    ids: list[str] = []
    for number in range(items):
        for group in groups_of(users):
            status, body = await pool.request(target.request_many(group, number))
            assert status == 201, (status, body)
            ids.append(json.loads(body)["notification"]["id"])
    return ids


async def _measure(bench: Bench, target: GatewayTarget, transport: str) -> None:
    sizes, pool, observed = bench.sizes.sync, target.pool(), _Observations()
    users = [f"user{number}" for number in range(sizes.users)]
    count = max(len(CHANGES), int(sizes.rate * sizes.seconds))
    ids = await _send_items(target, pool, users, -(-count // (len(users) * len(CHANGES))))
    crowd = Crowd()
    for client in await crowd.add(target.make(transport), users, None):
        client.on_message = observed.record
    # Each item is read, then archived. Users alternate, so that the changes of one user are far apart.
    changes = [(user, item, change) for item in ids for change in CHANGES for user in users][:count]
    faults = Faults()
    first_device = EventJournal()

    async def one(number: int, due: float) -> None:
        nonlocal faults
        user, item, (path, name) = changes[number]
        observed.due[user, item, name] = due
        order = first_device.open(user, due)
        status, _ = await pool.request(target.user_request("POST", user, f"/notifications/{item}/{path}"))
        first_device.responded(order, time.perf_counter(), status == 204)
        faults.failed += status != 204

    with no_garbage_collection():
        meter = Meter(target)
        await at_constant_rate(sizes.rate, len(changes), one)
        await until(lambda: observed.counts.total() >= len(changes), DELIVERY_SECONDS)
        await meter.trailing()
        figures = meter.figures(len(changes))
    await asyncio.sleep(VERDICT_SECONDS)
    faults += crowd_faults(crowd) + observed.faults(crowd)
    bench.add(
        "sync",
        target,
        transport,
        len(users),
        faults,
        delivered=observed.counts.total(),
        rate=sizes.rate,
        latency_ms=percentiles(observed.latencies),
        answer_ms=percentiles(first_device.response_times()),
        **figures,
    )
    await pool.close()
    await crowd.close()
