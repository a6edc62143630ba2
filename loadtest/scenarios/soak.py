"""An hour or more (`--soak SECONDS`): memory, tasks, file descriptors and the memory of Redis must stay flat.

Users, half of them over each transport, receive notifications at a constant rate and delete each of them, so that only
a bounded log may remain. Every second some of them are cut and resume at their position. As many guests connect and
disconnect.

Samples are taken without a garbage collection, so that uncollected garbage counts. The first quarter is the warm-up:
logs fill, and allocators reach their size. A line is fitted through the other samples (Theil-Sen: the median of the
slopes of all pairs, which is robust against outliers). Its rise must stay within a share and some slack.
"""

import asyncio
import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from loadtest import machine
from loadtest.bench import Bench
from loadtest.clients import Client, Make
from loadtest.crowd import Crowd
from loadtest.journal import EventJournal, Faults, percentiles
from loadtest.meter import DELIVERY_SECONDS, Meter, verdict
from loadtest.publisher import Pool, Publisher, at_constant_rate
from loadtest.sizes import SoakSizes
from loadtest.targets.gateway import GatewayTarget

SAMPLES = 240
WARM_UP = 0.25
CUT_PER_SECOND = 5
GUESTS = 500
RETRY_SECONDS = 1.0
"""The pause after which a refused connection is tried again: the machine may be busy with other programs."""

MOST_KEPT_EVENTS = 50
MOST_REQUESTS = 32
"""Concurrent requests, each with a connection.

More would be open only if the machine stalls, and would look like a leak.
"""


@dataclass(frozen=True)
class GrowthBound:
    """The rise that is allowed: a share of the first level, and some slack for the noise of a sample."""

    share: float
    slack: float

    def allows(self, level: float) -> float:
        """Return the rise that is allowed from a level."""
        return self.share * level + self.slack


BOUNDS = {
    "server_kb": GrowthBound(0.02, 1024),
    "redis_kb": GrowthBound(0.02, 1024),
    "redis_used_kb": GrowthBound(0.02, 512),
    "tasks": GrowthBound(0.02, 2 * MOST_REQUESTS),
    "files": GrowthBound(0.02, 2 * MOST_REQUESTS),
    "threads": GrowthBound(0, 2),
}


ONLY_SHOWN = ("redis_keys", "redis_expiring", "objects")
"""Figures that may explain a rise: keys of Redis, those of them with an expiry, and Python objects, with garbage."""


async def run(bench: Bench) -> None:
    """Soak the gateway for the time that `--soak` sets; by default do nothing."""
    if not bench.sizes.soak.seconds:
        bench.progress("  not run: set its time with --soak SECONDS")
    elif bench.with_gateway:
        async with bench.own(INBOX_LOG_RETENTION_EVENTS=str(_kept_events(bench.sizes.soak))) as target:
            await _Soak(bench, target).run()


def _kept_events(sizes: SoakSizes) -> int:
    """Return a log length that is reached in half of the warm-up. A notification causes two events, new and delete."""
    of_each_user = 2 * sizes.rate * sizes.seconds / sizes.users
    return int(max(2, min(MOST_KEPT_EVENTS, of_each_user * WARM_UP / 2)))


class _Soak:
    """A soak: users with an open inbox each, and the tasks that run meanwhile."""

    def __init__(self, bench: Bench, target: GatewayTarget):
        self._bench, self._target, self._sizes = bench, target, bench.sizes.soak
        self._pool = Pool(target.host, target.port, MOST_REQUESTS)
        self._journal, self._crowd, self._faults = EventJournal(), Crowd(), Faults()
        self._users = [f"user{number}" for number in range(self._sizes.users)]
        self._positions: dict[str, str] = {}
        self._makes = {transport: target.make_with(transport, since=self._positions) for transport in bench.transports}
        self._transports = dict(zip(self._users, itertools.cycle(bench.transports)))
        self._deletes: set[asyncio.Task[None]] = set()
        self._samples: list[dict[str, float]] = []
        self._resumed = self._refused = 0
        self._over = False

    async def run(self) -> None:
        """Run the soak and add the row."""
        sizes, journal = self._sizes, self._journal
        for user in self._users:
            await self._open(user, None)
        publisher = Publisher(self._pool, self._target.request, journal)

        async def one(number: int, due: float) -> None:
            await publisher.publish(self._users[number % len(self._users)], due)

        count = int(sizes.rate * sizes.seconds)
        meter = Meter(self._target)
        background = [
            asyncio.create_task(self._sample(), name="sample"),
            asyncio.create_task(self._cut_and_resume(), name="cut and resume"),
            asyncio.create_task(self._connect_guests(), name="guests"),
        ]
        for task in background:
            task.add_done_callback(self._ended)
        await at_constant_rate(sizes.rate, count, one)
        self._over = True
        await asyncio.wait(background)
        await journal.until(journal.next_number, DELIVERY_SECONDS)
        while self._deletes:
            await asyncio.wait(self._deletes)
        await self._add_row(meter.figures(count))
        await self._pool.close()
        await self._crowd.close()

    async def _add_row(self, figures: dict[str, Any]) -> None:
        sizes, journal = self._sizes, self._journal
        faults = self._faults + await verdict(self._crowd, journal)
        growth, allowed = _growth(self._samples), _allowed(self._samples)
        self._bench.add(
            "soak",
            self._target,
            " + ".join(self._makes),
            len(self._users),
            faults,
            seconds=sizes.seconds,
            rate=sizes.rate,
            delivered=journal.received,
            resumed=self._resumed,
            sent_away=self._refused,
            flat=all(growth[name] <= allowed[name] for name in BOUNDS),
            growth=growth,
            allowed=allowed,
            latency_ms=percentiles(journal.latencies),
            samples=self._samples,
            failures=dict(journal.reasons),
            **figures,
        )
        for name, rose in growth.items():
            bound = f", allowed {allowed[name]:,.0f}" if name in allowed else ""
            self._bench.progress(f"  {name}: rose by {rose:,.0f}{bound}")

    # -- connections and commands

    async def _open(self, user: str, before: Client | None) -> None:
        """Open the inbox of a user, and continue the record of its last connection."""
        make: Make = self._makes[self._transports[user]]

        def make_successor(name: str, journal: EventJournal | None) -> Client:
            client = make(name, journal)
            client.on_message = self._delete_new
            if before is not None:
                client.seen, client.first_number = before.seen, before.first_number
                client.out_of_order, client.resets = before.out_of_order, before.resets
            return client

        await self._connect(self._crowd, make_successor, user, self._journal)

    async def _connect(self, crowd: Crowd, make: Make, user: str, journal: EventJournal | None) -> None:
        """Open a connection. If it is refused, try again a little later, as clients do."""
        while True:
            try:
                await crowd.add(make, [user], journal)
            except OSError:
                if self._over:
                    raise
                self._refused += 1
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    def _delete_new(self, client: Client, message: bytes) -> None:
        if b'"notifications/new"' in message:
            task = asyncio.ensure_future(self._delete(client.user, json.loads(message)["data"]["id"]))
            self._deletes.add(task)
            task.add_done_callback(self._deletes.discard)

    async def _delete(self, user: str, item: str) -> None:
        status, _ = await self._pool.request(self._target.user_request("DELETE", user, f"/notifications/{item}"))
        self._faults.failed += status != 204

    async def _cut_and_resume(self) -> None:
        while not self._over:
            await asyncio.sleep(1 / CUT_PER_SECOND)
            before = self._crowd.clients.pop(0)
            before.cut()
            while not before.closed:
                await asyncio.sleep(0.001)
            self._positions[before.user] = before.position
            await self._open(before.user, before)
            self._resumed += 1

    async def _connect_guests(self) -> None:
        names, makes = itertools.cycle(range(GUESTS)), itertools.cycle(self._makes.values())
        while not self._over:
            crowd, make = Crowd(), next(makes)
            for _ in range(CUT_PER_SECOND):
                await self._connect(crowd, make, f"guest{next(names)}", None)
            await asyncio.sleep(1)
            await crowd.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Report the error of a background task at once. The others continue."""
        if not task.cancelled() and (problem := task.exception()) is not None:
            self._bench.error(f"soak: {task.get_name()}: {type(problem).__name__}: {problem}")

    # -- sampling

    async def _sample(self) -> None:
        started, pause = time.monotonic(), max(0.25, self._sizes.seconds / SAMPLES)
        while not self._over:
            await asyncio.sleep(pause)
            counts, redis = await self._target.count(), await self._target.redis_information()
            sample: dict[str, float] = {
                "seconds": time.monotonic() - started,
                "server_kb": 0,
                "redis_kb": 0,
                "redis_used_kb": int(redis["used_memory"]) / 1024,
                "redis_keys": sum(_keys(value, "keys") for name, value in redis.items() if name.startswith("db")),
                "redis_expiring": sum(
                    _keys(value, "expires") for name, value in redis.items() if name.startswith("db")
                ),
                "tasks": counts["tasks"],
                "objects": counts["objects"],
                "files": 0,
                "threads": 0,
            }
            for pid, role in self._target.pids().items():
                sample[f"{role}_kb"] += machine.resident_kb(pid)
                sample["files"] += machine.open_files(pid)
                sample["threads"] += machine.threads(pid)
            self._samples.append(sample)
            shown = ", ".join(f"{name} {sample[name]:,.0f}" for name in (*BOUNDS, "redis_keys"))
            self._bench.progress(f"  {sample['seconds']:.0f} of {self._sizes.seconds:.0f} s: {shown}")


def _keys(text: str, name: str) -> int:
    """Return a number of `keys=12,expires=3,…` by its name."""
    return int(text.partition(f"{name}=")[2].partition(",")[0])


# ---- the verdict


def _warm(samples: Sequence[dict[str, float]]) -> Sequence[dict[str, float]]:
    return samples[int(len(samples) * WARM_UP) :]


def rise(points: Sequence[tuple[float, float]]) -> float:
    """Return how much a fitted line rises from the first point to the last. Its slope is the median of all pairs."""
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in itertools.combinations(points, 2) if x2 > x1]
    return median(slopes) * (points[-1][0] - points[0][0]) if slopes else 0.0


def _growth(samples: Sequence[dict[str, float]]) -> dict[str, float]:
    warm = _warm(samples)
    return {name: rise([(sample["seconds"], sample[name]) for sample in warm]) for name in (*BOUNDS, *ONLY_SHOWN)}


def _allowed(samples: Sequence[dict[str, float]]) -> dict[str, float]:
    warm = _warm(samples)
    levels = {name: median([sample[name] for sample in warm[: max(1, len(warm) // 10)]]) for name in BOUNDS}
    return {name: bound.allows(levels[name]) for name, bound in BOUNDS.items()}
