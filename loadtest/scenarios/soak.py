"""An hour or more (`--soak SECONDS`): memory, tasks, file descriptors and Redis memory must stay flat.

Users, half of them over each transport, get notifications at a constant rate and delete each one, so that nothing may
be left of it but a bounded log. Every second some of them are cut and resume where they were, exactly; as many guests
come and go.

Samples are taken without collecting garbage first: what the server would leave lying about counts. After a quarter,
which is for warming up - logs fill, allocators find their size -, a line is laid through the samples (the median of the
slopes of all pairs, which outliers do not move). What it rises until the end must be within a share and some slack.
"""

import asyncio
import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from loadtest import machine
from loadtest.bench import DELIVERY_SECONDS, Bench, Meter, Plan, verdict
from loadtest.clients import Client, Crowd, Make
from loadtest.journal import Faults, Journal, percentiles
from loadtest.publisher import Pool, Publisher, at_constant_rate
from loadtest.targets.gateway import GatewayTarget

SAMPLES = 240
WARM_UP = 0.25
CUT_PER_SECOND = 5
GUESTS = 500
SENT_AWAY_SECONDS = 1.0
"""When a connection that was not taken is tried again: a machine that is busy with others may be the reason."""

MOST_KEPT_EVENTS = 50
MOST_REQUESTS = 32
"""Under way at once, each with a connection: more only when the machine stalls, which should not look like a leak."""


@dataclass(frozen=True)
class Bound:
    """What a figure may rise by: a share of where it began, and some slack, which is the noise of a sample."""

    share: float
    slack: float

    def allows(self, level: float) -> float:
        """Give how much, from a level."""
        return self.share * level + self.slack


BOUNDS = {
    "server_kb": Bound(0.02, 1024),
    "redis_kb": Bound(0.02, 1024),
    "redis_used_kb": Bound(0.02, 512),
    "tasks": Bound(0.02, 2 * MOST_REQUESTS),
    "files": Bound(0.02, 2 * MOST_REQUESTS),
    "threads": Bound(0, 2),
}


ONLY_SHOWN = ("redis_keys", "redis_expiring", "objects")
"""What explains a rise: keys of Redis, those among them that will expire, Python's objects with garbage among them."""


async def run(bench: Bench) -> None:
    """Soak the gateway for as long as was asked for; by default not at all."""
    if not bench.plan.soak_seconds:
        bench.say("  not run: say how long with --soak SECONDS")
    elif bench.with_gateway:
        async with bench.own(INBOX_LOG_RETENTION_EVENTS=str(_kept_events(bench.plan))) as target:
            await _Soak(bench, target).run()


def _kept_events(plan: Plan) -> int:
    """Give a length of logs that is reached in half of the warm-up: a notification makes two events, new and delete."""
    of_each_user = 2 * plan.soak_rate * plan.soak_seconds / plan.soak_users
    return int(max(2, min(MOST_KEPT_EVENTS, of_each_user * WARM_UP / 2)))


class _Soak:
    """One soak: users with an open inbox each, and everything that happens to them."""

    def __init__(self, bench: Bench, target: GatewayTarget):
        self._bench, self._target, self._plan = bench, target, bench.plan
        self._pool = Pool(target.host, target.port, MOST_REQUESTS)
        self._journal, self._crowd, self._faults = Journal(), Crowd(), Faults()
        self._users = [f"user{number}" for number in range(self._plan.soak_users)]
        self._positions: dict[str, str] = {}
        self._makes = {transport: target.make_with(transport, since=self._positions) for transport in bench.transports}
        self._transports = dict(zip(self._users, itertools.cycle(bench.transports)))
        self._deletes: set[asyncio.Task[None]] = set()
        self._samples: list[dict[str, float]] = []
        self._resumed = self._sent_away = 0
        self._over = False

    async def run(self) -> None:
        """Do it, and add the row."""
        plan, journal = self._plan, self._journal
        for user in self._users:
            await self._open(user, None)
        publisher = Publisher(self._pool, self._target.request, journal)

        async def one(number: int, due: float) -> None:
            await publisher.publish(self._users[number % len(self._users)], due)

        count = int(plan.soak_rate * plan.soak_seconds)
        meter = Meter(self._target)
        background = [
            asyncio.create_task(self._sample(), name="sample"),
            asyncio.create_task(self._cut_and_resume(), name="cut and resume"),
            asyncio.create_task(self._let_guests_come_and_go(), name="guests"),
        ]
        for task in background:
            task.add_done_callback(self._ended)
        await at_constant_rate(plan.soak_rate, count, one)
        self._over = True
        await asyncio.wait(background)
        await journal.until(journal.next_number, DELIVERY_SECONDS)
        while self._deletes:
            await asyncio.wait(self._deletes)
        figures = meter.figures(count)
        faults = self._faults + await verdict(self._crowd, journal)
        growth, allowed = _growth(self._samples), _allowed(self._samples)
        self._bench.add(
            "soak",
            self._target,
            " + ".join(self._makes),
            len(self._users),
            faults,
            seconds=plan.soak_seconds,
            rate=plan.soak_rate,
            delivered=journal.received,
            resumed=self._resumed,
            sent_away=self._sent_away,
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
            self._bench.say(f"  {name}: rose by {rose:,.0f}{bound}")
        await self._pool.close()
        await self._crowd.close()

    # -- what happens

    async def _open(self, user: str, before: Client | None) -> None:
        """Open a user's inbox; what its last connection saw belongs to the same book."""
        make: Make = self._makes[self._transports[user]]

        def make_successor(name: str, journal: Journal | None) -> Client:
            client = make(name, journal)
            client.on_message = self._delete_new
            if before is not None:
                client.seen, client.first_number = before.seen, before.first_number
                client.out_of_order, client.resets = before.out_of_order, before.resets
            return client

        await self._come_in(self._crowd, make_successor, user, self._journal)

    async def _come_in(self, crowd: Crowd, make: Make, user: str, journal: Journal | None) -> None:
        """Open a connection; come again a little later when sent away, as clients do."""
        while True:
            try:
                await crowd.add(make, [user], journal)
            except OSError:
                if self._over:
                    raise
                self._sent_away += 1
                await asyncio.sleep(SENT_AWAY_SECONDS)
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

    async def _let_guests_come_and_go(self) -> None:
        names, makes = itertools.cycle(range(GUESTS)), itertools.cycle(self._makes.values())
        while not self._over:
            crowd, make = Crowd(), next(makes)
            for _ in range(CUT_PER_SECOND):
                await self._come_in(crowd, make, f"guest{next(names)}", None)
            await asyncio.sleep(1)
            await crowd.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Tell at once what ended one of the three that go on until the end; the others go on."""
        if not task.cancelled() and (problem := task.exception()) is not None:
            self._bench.error(f"soak: {task.get_name()}: {type(problem).__name__}: {problem}")

    # -- what is watched

    async def _sample(self) -> None:
        started, pause = time.monotonic(), max(0.25, self._plan.soak_seconds / SAMPLES)
        while not self._over:
            await asyncio.sleep(pause)
            told, redis = await self._target.count(), await self._target.redis_information()
            sample: dict[str, float] = {
                "seconds": time.monotonic() - started,
                "server_kb": 0,
                "redis_kb": 0,
                "redis_used_kb": int(redis["used_memory"]) / 1024,
                "redis_keys": sum(_keys(value, "keys") for name, value in redis.items() if name.startswith("db")),
                "redis_expiring": sum(
                    _keys(value, "expires") for name, value in redis.items() if name.startswith("db")
                ),
                "tasks": told["tasks"],
                "objects": told["objects"],
                "files": 0,
                "threads": 0,
            }
            for pid, role in self._target.pids().items():
                sample[f"{role}_kb"] += machine.resident_kb(pid)
                sample["files"] += machine.open_files(pid)
                sample["threads"] += machine.threads(pid)
            self._samples.append(sample)
            shown = ", ".join(f"{name} {sample[name]:,.0f}" for name in (*BOUNDS, "redis_keys"))
            self._bench.say(f"  {sample['seconds']:.0f} of {self._plan.soak_seconds:.0f} s: {shown}")


def _keys(text: str, name: str) -> int:
    """Read a number of `keys=12,expires=3,…`."""
    return int(text.partition(f"{name}=")[2].partition(",")[0])


# ---- what is flat


def _warm(samples: Sequence[dict[str, float]]) -> Sequence[dict[str, float]]:
    return samples[int(len(samples) * WARM_UP) :]


def rise(points: Sequence[tuple[float, float]]) -> float:
    """Give how much a line through points rises from the first to the last: the median of all pairs' slopes."""
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in itertools.combinations(points, 2) if x2 > x1]
    return median(slopes) * (points[-1][0] - points[0][0]) if slopes else 0.0


def _growth(samples: Sequence[dict[str, float]]) -> dict[str, float]:
    warm = _warm(samples)
    return {name: rise([(sample["seconds"], sample[name]) for sample in warm]) for name in (*BOUNDS, *ONLY_SHOWN)}


def _allowed(samples: Sequence[dict[str, float]]) -> dict[str, float]:
    warm = _warm(samples)
    levels = {name: median([sample[name] for sample in warm[: max(1, len(warm) // 10)]]) for name in BOUNDS}
    return {name: bound.allows(levels[name]) for name, bound in BOUNDS.items()}
