"""The work on some users of one claim: take, send, record, done.

Users are recorded as soon as their own messages have outcomes, those that end together in one call. So one that hangs
holds up nobody but its user.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from gateway.channels.outcome import Misconfigured, Outcome, Throttled, Unknown
from gateway.delivery import policy
from gateway.delivery.contexts import Contexts, UnreadableConfigurationError
from gateway.delivery.destinations import Destinations
from gateway.delivery.installed_templates import InstalledTemplates, InstalledTexts
from gateway.delivery.lease import Lease
from gateway.delivery.overrides import OverrideCache
from gateway.delivery.reports import Reports
from gateway.delivery.room import Room
from gateway.delivery.sender import Sender
from gateway.delivery.user_work import Attempt, LaneContext, UserWork
from gateway.domain.delivery import Blame, Lane, LaneReport, Recorded, Route, UserResults
from gateway.domain.ids import UserId
from gateway.store.lanes import LaneStore
from gateway.store.outbox import BYTES_AT_ONCE, ENTRIES_AT_ONCE, OutboxStore
from gateway.store.redis.problems import StoreUnavailableError
from gateway.telemetry.faults import log_fault
from gateway.telemetry.logs import log

if TYPE_CHECKING:
    from gateway.delivery.spans import DeliverySpans

USERS_AT_ONCE = 25
"""How many users are taken in one call. More would make large contents wait in memory."""

BYTES_UNDER_WAY = 32 * 1024 * 1024
"""How much content of large notifications requests of the process have at once. A request takes several times the
memory of its content."""

LARGE_AT_ONCE = 4
"""How many large notifications of single users the process has at once. Those of broadcasts share their content."""

RECORD_SECONDS = 0.02
"""How long users who have ended wait for others of the same work, who are then recorded in the same call."""

RETRY_SECONDS = 0.5
"""The pause after a call that failed because Redis is down."""

T = TypeVar("T")

RUSH = "Most tokens of the last minute were reported as dead, so the app or the environment must be wrong"

STOPPED = "The process was stopped before it had an answer"

_SHARED_PROVIDERS = (Route.APNS, Route.FCM, Route.EXPO, Route.EMAIL, Route.SMS)
"""Routes on which all messages go to one host, so that its failures concern the whole lane. On the others, each user or
project names the hosts."""


class LaneParts:
    """What the work on all lanes shares: the stores, and the senders by the names of providers."""

    def __init__(
        self,
        lanes: LaneStore,
        outbox: OutboxStore,
        contexts: Contexts,
        overrides: OverrideCache,
        senders: dict[str, Sender],
        reports: Reports,
        installed: InstalledTemplates | None = None,
        spans: "DeliverySpans | None" = None,
    ):
        self.lanes = lanes
        self.outbox = outbox
        self.contexts = contexts
        self.overrides = overrides
        self.senders = senders
        self.reports = reports
        self.installed = installed
        self.spans = spans
        self.destinations = Destinations(lanes)
        self.room = Room(BYTES_UNDER_WAY)
        self.large = asyncio.Semaphore(LARGE_AT_ONCE)

    def users_at_once(self, lane: Lane) -> int:
        """Return how many users of a lane are taken in one call: at least as many as a request has messages."""
        return max(USERS_AT_ONCE, self.contexts.batch_of(lane.route))


class LaneWork:
    """The work on some users of a claim.

    `requests` limits how many requests of the lane are under way. `on_left` is called with the number of users of whom
    nothing is under way any more.
    """

    def __init__(
        self,
        parts: LaneParts,
        lease: Lease,
        users: Sequence[UserId],
        requests: asyncio.Semaphore,
        on_left: Callable[[int], None],
    ):
        self._parts = parts
        self._lease = lease
        self._users = users
        self._requests = requests
        self._on_left = on_left
        self._left = len(users)
        self._finished: list[UserWork] = []
        self._changed = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def lane(self) -> Lane:
        """Return the lane."""
        return self._lease.claim.lane

    def cancel_requests(self) -> None:
        """Cancel the requests that are under way. Their outcomes are then unknown, and are recorded as such."""
        for task in self._sending:
            task.cancel()

    def leave_rest(self) -> None:
        """Report that nothing more is under way."""
        self._leave(self._left)

    def _leave(self, users: int) -> None:
        self._left -= users
        if users:
            self._on_left(users)

    async def run(self) -> None:
        """Do the work. Users of whom nothing could be recorded stay claimed until the lease ends."""
        try:
            context = await self._through_outage(self._context)
            if context is not None:
                works = await self._through_outage(partial(self._begin, context))
                large = [work.taken.user_id for work in works if work.taken.is_large]
                await self._work_on([work for work in works if not work.taken.is_large], context)
                for user_id in large:
                    await self._deliver_large(user_id, context)
        except StoreUnavailableError:
            return

    async def _deliver_large(self, user_id: UserId, context: LaneContext) -> None:
        """Deliver one notification that is taken alone, because its content is large."""
        async with self._parts.large:
            if await self._through_outage(partial(self._lease.covers, user_id, 0.0)):
                works = await self._through_outage(partial(self._begin, context, (user_id,)))
                await self._work_on(works, context)
            else:
                self._leave(1)

    # -- take

    async def _context(self) -> LaneContext | None:
        try:
            return await self._parts.contexts.of(self.lane)
        except UnreadableConfigurationError:
            await self._park("The secrets cannot be decrypted: INBOX_SECRET_KEY differs", "")
            claim = self._lease.claim._replace(users=self._users)
            await self._parts.lanes.done(claim, self._soon(policy.PARKED_SECONDS), LaneReport())
            return None

    def _soon(self, seconds: float) -> dict[UserId, int | None]:
        return dict.fromkeys(self._users, int((self._lease.now() + seconds) * 1000))

    async def _through_outage(self, step: Callable[[], Awaitable[T]]) -> T:
        """Do a step, again while Redis is down. Raises StoreUnavailableError once the lease is over.

        A claim that is given up delays its users until its lease ends.
        """
        while True:
            try:
                return await step()
            except StoreUnavailableError:
                if self._lease.is_over:
                    raise
                await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))

    async def _begin(self, context: LaneContext, alone: Sequence[UserId] = ()) -> list[UserWork]:
        """Take the entries, and decide about them. Of users of `alone`, take one each, of any size."""
        claim = self._lease.claim._replace(users=alone or self._users)
        # If this process dies, what was taken and is not repeated ends as unknown: so only what is sent at once.
        limit = ENTRIES_AT_ONCE if context.rules.repeats_unknown else 1
        taken = await self._parts.outbox.take(claim, limit, alone=bool(alone))
        overrides = await self._parts.overrides.of_entries(
            self.lane, [entry.id.notification_id for each in taken for entry in each.entries]
        )
        installed: InstalledTexts = {}
        if context.render is not None and self._parts.installed is not None:
            installed = await self._parts.installed.of_taken(taken, self.lane.route.channel)
        now = self._lease.now()
        for each in taken:
            for entry in each.entries:
                if entry.record is None:
                    self._parts.reports.claimed(self.lane.route, now - entry.due_ms / 1000)
        works = []
        for each in taken:
            try:
                works.append(UserWork(each, context, overrides, now, installed))
            except Exception as problem:
                # A fault in the work on one user must not stop the others. It is due again when the lease ends.
                log_fault("delivery_failed", problem, project=self.lane.project_id, user=each.user_id)
        return works

    # -- send

    async def _work_on(self, works: Sequence[UserWork], context: LaneContext) -> None:
        waiting = {id(work): len(work.attempts) for work in works}
        sender = self._parts.senders.get(context.provider.name) if context.provider is not None else None

        def ended(attempts: Sequence[tuple[UserWork, Attempt]]) -> None:
            for work, _ in attempts:
                waiting[id(work)] -= 1
                if not waiting[id(work)]:
                    self._finish(work)

        for work in works:
            if not work.attempts:
                self._finish(work)
        if sender is not None:
            for group in _groups(works, sender.provider.batch):
                task = asyncio.create_task(self._send(sender, group), name=f"deliver {self.lane.route.name}")
                self._sending.add(task)

                def on_done(finished: asyncio.Task[None], group: list[tuple[UserWork, Attempt]] = group) -> None:
                    self._sending.discard(finished)
                    if not finished.cancelled() and (problem := finished.exception()) is not None:
                        log_fault("delivery_failed", problem, route=self.lane.route.name)
                    ended(group)

                task.add_done_callback(on_done)
        await self._record_all(len(works), context)

    async def _record_all(self, left: int, context: LaneContext) -> None:
        """Record users as they end, until none of so many is left."""
        while left:
            await self._changed.wait()
            if len(self._finished) < left:
                await asyncio.sleep(RECORD_SECONDS)
            self._changed.clear()
            finished, self._finished = self._finished, []
            left -= len(finished)
            await self._record(finished, context)
            for work in finished:
                work.release()
            self._leave(len(finished))

    def _finish(self, work: UserWork) -> None:
        self._finished.append(work)
        self._changed.set()

    async def _send(self, sender: Sender, group: Sequence[tuple[UserWork, Attempt]]) -> None:
        """Send one request's messages, or ask for one result. Attempts for which there is no time get no outcome."""
        contents = [len(attempt.entry.entry.content) for _, attempt in group]
        size = sum(each for each in contents if each > BYTES_AT_ONCE)  # others never wait for large ones
        async with self._requests, self._parts.room.of(size):
            try:
                group = await self._granted(sender, group)
            except StoreUnavailableError:
                return
            if not group:
                return
            attempts = [attempt for _, attempt in group]
            if attempts[0].receipt:
                attempts[0].outcome = await sender.ask(attempts[0].message, attempts[0].receipt)
                return
            try:
                outcomes = await self._outcomes(sender, attempts)
            except asyncio.CancelledError:
                for attempt in attempts:
                    attempt.outcome = Unknown(STOPPED)
                raise
            for attempt, outcome in zip(attempts, outcomes, strict=True):
                attempt.outcome = outcome
                if isinstance(outcome, Throttled) and not policy.pauses_lane(outcome):
                    until = self._lease.now() + policy.pause_of(outcome)
                    await self._parts.destinations.throttled(sender.provider, attempt.message, until)

    async def _outcomes(self, sender: Sender, attempts: Sequence[Attempt]) -> Sequence[Outcome]:
        send = partial(sender.send, [attempt.message for attempt in attempts])
        spans = self._parts.spans
        return await (
            send() if spans is None else spans.around_request(self.lane, sender.provider.name, attempts, send)
        )

    async def _granted(
        self, sender: Sender, group: Sequence[tuple[UserWork, Attempt]]
    ) -> list[tuple[UserWork, Attempt]]:
        """Return the attempts of a request that may be made now. Raises StoreUnavailableError."""
        found = []
        for work, attempt in group:
            if not attempt.receipt:
                attempt.outcome = await self._parts.destinations.reserve(sender.provider, attempt.message)
            if attempt.outcome is None and await self._lease.covers(work.taken.user_id, sender.longest_seconds):
                found.append((work, attempt))
        return found

    # -- record

    async def _record(self, works: Sequence[UserWork], context: LaneContext) -> None:
        """Record the outcomes of users, and report to the lane."""
        now = self._lease.now()
        outcomes = [attempt.outcome for work in works for attempt in work.attempts if attempt.outcome is not None]
        results = [work.results(now) for work in works if work.entries]
        faults = [each.reason for each in outcomes if isinstance(each, Misconfigured) and not each.is_doubted]
        if faults:
            await self._park(faults[0], _name_of(context))
        blame = self._blame(works, results)
        if not blame.is_empty and await self._is_parked_for(blame, context):
            results = [each._replace(dead=()) for each in results]
        recorded = await self._recorded(results) if results else []
        if recorded is None:
            return
        self._parts.reports.recorded(context, [work for work in works if work.entries], results, recorded, now)
        dues: dict[UserId, int | None] = {work.taken.user_id: work.taken.next_ms for work in works if not work.entries}
        for result, each in zip(results, recorded, strict=True):
            dues[result.taken.user_id] = each.next_ms
        with contextlib.suppress(StoreUnavailableError):  # otherwise the lease ends, and nothing is found due
            claim = self._lease.claim._replace(users=list(dues))
            await self._parts.lanes.done(claim, dues, self._report(outcomes, blame, context, now))

    async def _recorded(self, results: Sequence[UserResults]) -> list[Recorded] | None:
        """Record results, through an outage of Redis. Return None if that takes much longer than the lease."""
        until = time.monotonic() + 120
        while True:
            try:
                return await self._parts.outbox.record(results)
            except StoreUnavailableError as problem:
                if time.monotonic() > until:
                    log.error("delivery_not_recorded", users=len(results), problem=problem.detail)
                    return None
                await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))

    async def _is_parked_for(self, blame: Blame, context: LaneContext) -> bool:
        """Return whether the lane is parked for destinations that failed, so that dead tokens are kept."""
        try:
            reason = await self._parts.lanes.blame(self.lane, blame)
        except StoreUnavailableError:  # a dead token that is kept is found dead again
            return True
        if reason:
            self._parts.reports.parked(self.lane, _name_of(context), reason)
        return bool(reason)

    def _blame(self, works: Sequence[UserWork], results: Sequence[UserResults]) -> Blame:
        attempts = [(work.taken.user_id, attempt.outcome) for work in works for attempt in work.attempts]
        doubts = {user: each.reason for user, each in attempts if isinstance(each, Misconfigured) and each.is_doubted}
        return Blame(
            arrived=sum(1 for _, outcome in attempts if policy.has_arrived(outcome)),
            dead=[each.taken.user_id for each in results if each.dead] if self.lane.route.token_kind else (),
            dead_reason=RUSH,
            doubted=list(doubts),
            doubted_reason=next(iter(doubts.values()), ""),
        )

    def _report(self, outcomes: Sequence[Outcome], blame: Blame, context: LaneContext, now: float) -> LaneReport:
        pauses = [
            policy.pause_of(each) for each in outcomes if isinstance(each, Throttled) and policy.pauses_lane(each)
        ]
        rate = context.provider.lane_rate if context.provider is not None else None
        against = sum(map(policy.speaks_against, outcomes)) if self.lane.route in _SHARED_PROVIDERS else 0
        return LaneReport(
            messages=sum(1 for each in outcomes if not isinstance(each, Throttled)),
            delivered=sum(map(policy.speaks_for, outcomes)),
            failed=against,
            arrived=blame.arrived if blame.is_empty else 0,
            not_before_ms=int((now + max(pauses)) * 1000) if pauses else 0,
            per_second=rate.per_second if rate is not None else 0.0,
            burst=rate.burst if rate is not None else 1,
        )

    async def _park(self, reason: str, provider: str) -> None:
        with contextlib.suppress(StoreUnavailableError):  # otherwise the next attempt finds the same fault
            if await self._parts.lanes.park(self.lane, reason):
                self._parts.reports.parked(self.lane, provider, reason)


def _name_of(context: LaneContext) -> str:
    return context.provider.name if context.provider is not None else ""


def _groups(works: Sequence[UserWork], size: int) -> list[list[tuple[UserWork, Attempt]]]:
    """Return attempts in groups of one request each: several messages, or one question for a result."""
    pairs = [(work, attempt) for work in works for attempt in work.attempts]
    messages = [pair for pair in pairs if not pair[1].receipt]
    groups = [messages[start : start + size] for start in range(0, len(messages), size)]
    return groups + [[pair] for pair in pairs if pair[1].receipt]
