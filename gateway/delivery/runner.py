"""The runner: claims what is due, and keeps as much work under way as the process can hold.

    claim ─► a lane's queue ─► take, send, record, done (lane_work.py)

Three bounds keep the memory and the fairness. At most MAX_USERS are under way in the process. At most LANE_USERS and
LANE_REQUESTS of them belong to one lane, so that a provider that hangs takes no turn of the others. And a lane has at
most LANE_WAITING users who wait in this process; further ones are given back, and the lane pauses for a moment.
"""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Sequence
from functools import partial

from gateway.delivery.lane_work import LaneParts, LaneWork
from gateway.delivery.lease import LEASE_SECONDS, Lease
from gateway.delivery.webhook_work import WebhookParts, WebhookWork
from gateway.domain.delivery import Claim, Lane, LaneReport, Route
from gateway.domain.ids import UserId
from gateway.store.redis.problems import StoreUnavailableError
from gateway.telemetry.faults import log_fault
from gateway.telemetry.metrics import DELIVERIES_IN_FLIGHT

MAX_USERS = 1000
"""How many users are under way at once: about 10 MB with usual notifications."""

LANE_USERS = 100
LANE_REQUESTS = 100
LANE_WAITING = 200

CLAIM_USERS = 100
"""How many users one call claims."""

LEAST_PAUSE_SECONDS = 0.01
MAX_PAUSE_SECONDS = 0.1
"""How long the runner waits after it found nothing due. The pause doubles while nothing is due, and ends early when a
worker announces that something is."""

FULL_LANE_SECONDS = 0.1
"""How long a lane pauses whose users wait in this process already."""

LAST_RECORDS_SECONDS = 3.0
"""How long a stopping process tries to record the outcomes of requests that it gave up."""

_Work = LaneWork | WebhookWork


class _Queue:
    """The users of one lane who wait in this process, by the leases of their claims."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Lease, list[UserId]]] = deque()
        self.running = 0
        self.requests = asyncio.Semaphore(LANE_REQUESTS)

    @property
    def waiting_users(self) -> int:
        return sum(len(users) for _, users in self.waiting)

    def next_users(self, count: int) -> tuple[Lease, list[UserId]]:
        """Remove and return the users who have waited longest, all of one claim."""
        lease, users = self.waiting.popleft()
        if len(users) > count:
            self.waiting.appendleft((lease, users[count:]))
        return lease, users[:count]


class DeliveryRunner:
    """The deliveries of one process. `run` must be running. Call `drain` at the end."""

    def __init__(self, parts: LaneParts, webhooks: WebhookParts | None = None):
        self._parts = parts
        self._webhooks = webhooks
        self._queues: dict[Lane, _Queue] = {}
        self._works: dict[_Work, asyncio.Task[None]] = {}
        self._returns: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self._woken = asyncio.Event()
        self._freed = asyncio.Event()
        self._draining = False
        self._pause = LEAST_PAUSE_SECONDS
        self.claimed_at = 0.0
        """When Redis last replied to a claim, in monotonic seconds."""

    def wake(self) -> None:
        """Claim now instead of after the pause."""
        self._parts.lanes.wake()
        self._wake()

    def announced(self, channel: bytes) -> None:
        """Claim now, because a lane has become due."""
        self._parts.lanes.announced(channel)
        self._wake()

    def _wake(self) -> None:
        self._pause = LEAST_PAUSE_SECONDS
        self._woken.set()

    async def run(self) -> None:
        """Claim and deliver until cancelled, or until `drain` is called."""
        while not self._draining:
            self._woken.clear()
            self._freed.clear()
            room = MAX_USERS - self._under_way
            if room <= 0:
                await self._freed.wait()
                continue
            if not await self._claim(min(room, CLAIM_USERS)):
                await self._rest()
        await asyncio.Event().wait()  # `run` is cancelled at the end

    async def drain(self, seconds: float) -> None:
        """Claim nothing more, and let what is being sent end for some seconds. Give up the rest, and record that."""
        self._draining = True
        self.wake()
        await self._give_back_waiting()
        if self._works:
            await asyncio.wait(self._works.values(), timeout=seconds)
        for work in list(self._works):
            work.cancel_requests()
        if self._works:
            await asyncio.wait(self._works.values(), timeout=LAST_RECORDS_SECONDS)
        for task in list(self._works.values()):
            task.cancel()

    # -- inside

    async def _claim(self, limit: int) -> bool:
        """Claim users. Return whether there were any."""
        asked_at = time.monotonic()
        try:
            claims = await self._parts.lanes.claim(limit, int(LEASE_SECONDS * 1000))
        except StoreUnavailableError:
            self._pause = MAX_PAUSE_SECONDS
            return False
        self.claimed_at = time.monotonic()
        for claim in claims:
            extend = self._parts.outbox.extend if claim.lane.route is not Route.WEBHOOKS else None
            self._add(claim, Lease(self._parts.lanes, claim, asked_at, extend))
        return bool(claims)

    async def _rest(self) -> None:
        pause, self._pause = self._pause, min(2 * self._pause, MAX_PAUSE_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause * random.uniform(0.75, 1.25)):
                await self._woken.wait()

    def _add(self, claim: Claim, lease: Lease) -> None:
        self._pause = LEAST_PAUSE_SECONDS
        queue = self._queues.setdefault(claim.lane, _Queue())
        room = 0 if self._draining else max(LANE_WAITING - queue.waiting_users, 0)
        users, others = list(claim.users[:room]), list(claim.users[room:])
        if others:
            self._give_back(lease, others, 0.0 if self._draining else FULL_LANE_SECONDS)
        if users:
            self._under_way += len(users)
            DELIVERIES_IN_FLIGHT.inc(len(users))
            queue.waiting.append((lease, users))
        self._start_some(claim.lane, queue)

    def _start_some(self, lane: Lane, queue: _Queue) -> None:
        """Start work on users who wait, as far as the lane has room. Forget a lane without work."""
        while queue.waiting and queue.running < LANE_USERS and not self._draining:
            lease, users = queue.next_users(min(self._parts.users_at_once(lane), LANE_USERS - queue.running))
            queue.running += len(users)
            on_left = partial(self._recorded, lane, queue)
            work: _Work
            if self._webhooks is not None and lane.route is Route.WEBHOOKS:
                work = WebhookWork(self._webhooks, lease, users, queue.requests, on_left)
            else:
                work = LaneWork(self._parts, lease, users, queue.requests, on_left)
            task = asyncio.create_task(self._work(work), name=f"deliver {lane.route.name.lower()}")
            self._works[work] = task
        if not queue.waiting and not queue.running:
            self._queues.pop(lane, None)

    async def _work(self, work: _Work) -> None:
        try:
            await work.run()
        except Exception as problem:
            # A fault in the work on one lane must not end the others. The lease ends, and the users are due again.
            log_fault("delivery_failed", problem, project=work.lane.project_id, route=work.lane.route.name)
        finally:
            del self._works[work]
            work.leave_rest()

    def _recorded(self, lane: Lane, queue: _Queue, users: int) -> None:
        """Make room for other users of a lane."""
        queue.running -= users
        self._left(users)
        self._start_some(lane, queue)

    def _left(self, users: int) -> None:
        self._under_way -= users
        DELIVERIES_IN_FLIGHT.dec(users)
        self._freed.set()

    def _give_back(self, lease: Lease, users: Sequence[UserId], pause: float) -> None:
        """Make users due again who were not taken, once the lane has paused."""
        at = int((lease.now() + pause) * 1000)
        dues: dict[UserId, int | None] = dict.fromkeys(users, at)
        returned = LaneReport(not_before_ms=at if pause else 0)
        claim = lease.claim._replace(users=users)
        task = asyncio.create_task(self._done(claim, dues, returned), name="give back")
        self._returns.add(task)
        task.add_done_callback(self._returns.discard)

    async def _done(self, claim: Claim, dues: dict[UserId, int | None], report: LaneReport) -> None:
        with contextlib.suppress(StoreUnavailableError):  # the lease ends
            await self._parts.lanes.done(claim, dues, report)

    async def _give_back_waiting(self) -> None:
        for queue in list(self._queues.values()):
            while queue.waiting:
                lease, users = queue.waiting.popleft()
                self._left(len(users))
                self._give_back(lease, users, 0.0)
        if self._returns:
            await asyncio.wait(self._returns, timeout=LAST_RECORDS_SECONDS)
