"""Broadcasts: first to the users who are named, then in one pass to everybody else who is meant.

The pass goes over the roster of the project, or over a topic's subscribers if nobody else is meant, and comes to each
user once; it leaves out who was named. So whoever has the item already has it from a try at the same step that was not
saved, and counts like those who got it now: nothing needs to be remembered of a step that was cut off.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from gateway.api.v1.broadcasts import Order
from gateway.api.v1.sending import attributes_of, content_of, identity_of
from gateway.domain.condition import Condition, Everyone, parse
from gateway.domain.guard import UserDeletedError
from gateway.domain.principal import ProjectId, User, UserId
from gateway.domain.retention import ItemRetention
from gateway.store.contents import Content, ContentStore
from gateway.store.directory import Directory, IdentityConflictError
from gateway.store.inbox import Delivery, InboxStore, Moment, Outcome
from gateway.store.jobs import Job, JobStore, Step
from gateway.store.profiles import ProfileStore
from gateway.store.subscriptions import SubscriptionStore

CHUNK_USERS = 250
"""Users of one step: some 10 ms of the event loop and of Redis."""

CHUNKS_AHEAD = 3
"""Chunks that Redis has to work on while others are prepared and saved: it never waits for us."""


_BEGIN, _END = "begin", "end"


@dataclass(frozen=True, slots=True)
class _Meant:
    """Who is meant besides the users who are named."""

    conditions: Sequence[Condition]
    subscribers: bool

    @classmethod
    def of(cls, recipients: Sequence[Mapping[str, Any]]) -> "_Meant":
        conditions = [parse(each["matches"]) for each in recipients if "matches" in each]
        everyone = [condition for condition in conditions if isinstance(condition, Everyone)]
        # Beside everyone, nothing else says anything.
        return cls(everyone[:1] or conditions, not everyone and any("topic" in each for each in recipients))

    @property
    def everyone(self) -> bool:
        return any(isinstance(condition, Everyone) for condition in self.conditions)

    def match(self, attributes: Mapping[str, Any]) -> bool:
        return any(condition.matches(attributes) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Users of one step: who gets the item, who gets it as a subscriber only, and where the next step begins."""

    cursor: str
    meant: Sequence[User] = ()
    if_subscribed: Sequence[User] = ()


class Broadcaster:
    """The work of broadcast jobs.

    The cursor is empty, then `begin` of the pass, an index in the roster or among the subscribers, or `end`.
    """

    def __init__(
        self,
        jobs: JobStore,
        directory: Directory,
        inboxes: InboxStore,
        profiles: ProfileStore,
        contents: ContentStore,
        subscriptions: SubscriptionStore,
        retention: Callable[[ProjectId], Awaitable[ItemRetention]],
    ):
        self._jobs = jobs
        self._directory = directory
        self._inboxes = inboxes
        self._profiles = profiles
        self._contents = contents
        self._subscriptions = subscriptions
        self._retention = retention

    async def work(self, job: Job) -> AsyncGenerator[Step, None]:
        """Send to who has not got it yet."""
        order = msgspec.json.decode(job.payload, type=Order)
        content = content_of(job.id, order.shown)
        keep = await self._retention(job.project_id)
        if not job.cursor:
            await self._contents.put(job.project_id, content)
            yield await self._send_to_named(job, order, content.as_reference(), keep)
        meant = _Meant.of(order.recipients)
        cursor = None if job.cursor in ("", _BEGIN) else job.cursor
        if cursor == _END:
            return
        if meant.conditions:
            chunks = self._of_roster(job, order, meant, int(cursor or 0))
        elif meant.subscribers:
            chunks = self._of_subscribers(job, content.topic, int(cursor) if cursor else None)
        else:
            return
        _, served = await self._jobs.read_reached(job.project_id, job.id, 0, len(order.recipients))
        sending = _Sending(
            self._inboxes, content.as_reference(), order.moment, keep, frozenset(served), job.attempts > 1
        )
        ahead: deque[asyncio.Task[Step]] = deque()
        try:
            async for chunk in chunks:
                ahead.append(asyncio.create_task(sending.send(chunk), name=f"broadcast {job.id}"))
                if len(ahead) > CHUNKS_AHEAD:
                    yield await ahead.popleft()
            while ahead:
                yield await ahead.popleft()
        finally:
            for task in ahead:
                task.cancel()
            await asyncio.gather(*ahead, return_exceptions=True)

    async def _of_roster(self, job: Job, order: Order, meant: _Meant, first: int) -> AsyncIterator[_Chunk]:
        for index in range(first, order.roster_size, CHUNK_USERS):
            count = min(CHUNK_USERS, order.roster_size - index)
            users = await self._directory.read_roster(job.project_id, index, count)
            cursor = str(index + count)
            if meant.everyone:
                yield _Chunk(cursor, users)
                continue
            profiles = await self._profiles.read_many(users)
            matching = [user for user, profile in zip(users, profiles, strict=True) if meant.match(profile)]
            ids = {user.id for user in matching}
            others = [user for user in users if user.id not in ids] if meant.subscribers else []
            yield _Chunk(cursor, matching, others)

    async def _of_subscribers(self, job: Job, topic: str, after: int | None) -> AsyncIterator[_Chunk]:
        while True:
            users, after = await self._subscriptions.read_subscribers(job.project_id, topic, after, CHUNK_USERS)
            yield _Chunk(_END if after is None else str(after), (), users)
            if after is None:
                return

    async def _send_to_named(self, job: Job, order: Order, content: Content, keep: ItemRetention) -> Step:
        """Send to all who are named: one step, so that a user named twice is one recipient."""
        named = {
            index: recipient
            for index, recipient in enumerate(order.recipients)
            if recipient.get("external_id") or recipient.get("email")
        }
        errors: list[Mapping[str, Any]] = []
        sending = _Sending(self._inboxes, content, order.moment, keep, frozenset(), job.attempts > 1)
        while True:
            sending.broken.clear()
            try:
                deliveries = await self._deliveries(job, list(named.values()))
                reached = await sending.deliver(deliveries, False)
            except IdentityConflictError as conflict:
                indexes = list(named)
                for position in conflict.indexes:
                    name = f"{order.root}.recipients[{indexes[position]}]"
                    reason = "has the external_id of one user and the email of another"
                    errors.append({"message": f"Param '{name}' {reason}"})
                    del named[indexes[position]]
                continue
            except UserDeletedError as deleted:
                await self._directory.forget(deleted.user)
                continue
            errors += sending.errors()
            return Step(_BEGIN, {"total": len(reached) + len(errors), "failures": len(errors)}, errors, reached)

    async def _deliveries(self, job: Job, recipients: Sequence[Mapping[str, Any]]) -> list[Delivery]:
        resolved = await self._directory.resolve_many(job.project_id, [identity_of(each) for each in recipients])
        deliveries: dict[str, Delivery] = {}
        for (user, fresh), recipient in zip(resolved, recipients, strict=True):
            deliveries[user.id] = Delivery(user, attributes_of(recipient), fresh).after(deliveries.get(user.id))
        return list(deliveries.values())


@dataclass(frozen=True, slots=True)
class _Sending:
    """One item on its way. `served` had it before this pass began.

    With `spare_broken`, recipients whose data cannot be read are failures. The first attempt fails by them: what is
    broken may be mended by the next one.
    """

    inboxes: InboxStore
    content: Content
    moment: Moment
    keep: ItemRetention
    served: frozenset[UserId]
    spare_broken: bool
    broken: list[UserId] = field(default_factory=list)

    def errors(self) -> list[Mapping[str, Any]]:
        """Return an error for each recipient that was spared."""
        return [{"message": f"What is stored of user {user_id} cannot be read"} for user_id in self.broken]

    async def send(self, chunk: _Chunk) -> Step:
        """Send to a chunk's users."""
        part = replace(self, broken=[])  # several chunks are on their way at once
        reached = await part._send_to(chunk.meant, False)
        reached += await part._send_to(chunk.if_subscribed, True)
        errors = part.errors()
        counts = {"total": len(reached) + len(errors)} | ({"failures": len(errors)} if errors else {})
        return Step(chunk.cursor, counts, errors, reached)

    async def deliver(self, deliveries: Sequence[Delivery], subscribers_only: bool) -> list[UserId]:
        """Give the users who have it now. Raises UserDeletedError for one; others may have it by then."""
        reached: list[UserId] = []
        for first in range(0, len(deliveries), CHUNK_USERS):
            some = deliveries[first : first + CHUNK_USERS]
            outcomes = await self.inboxes.create(
                self.content, some, self.moment, True, subscribers_only, self.keep, self.spare_broken
            )
            for delivery, outcome in zip(some, outcomes, strict=True):
                if outcome is Outcome.BROKEN:
                    self.broken.append(delivery.user.id)
                elif outcome is not Outcome.UNWANTED:
                    reached.append(delivery.user.id)
        return reached

    async def _send_to(self, users: Sequence[User], subscribers_only: bool) -> list[UserId]:
        left = [Delivery(user) for user in users if user.id not in self.served]
        while left:
            try:
                return await self.deliver(left, subscribers_only)
            except UserDeletedError as deleted:
                left = [delivery for delivery in left if delivery.user.id != deleted.user.id]
        return []
