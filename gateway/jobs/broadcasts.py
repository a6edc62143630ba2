"""The job that sends a broadcast: first to the users that it names, then in one pass to its audience.

The pass reads the project's user index, or only the topic's subscribers if they are the whole audience. It visits each
user once and skips those that the broadcast names. A step that was interrupted before it was saved is repeated. A user
who got the item from the interrupted step is counted like one who gets it now, so the interrupted step needs no record.

Of a broadcast that was cancelled, the steps that may have been under way are repeated without sending: they count who
has the item. So the count of a cancelled broadcast is exact as well, even if its worker died.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.notification import read_item_id
from gateway.domain.principal import User
from gateway.domain.retention import ItemRetention
from gateway.sending.deliverer import CALLS_AT_ONCE, Delivered, Deliverer
from gateway.sending.outgoing import OutgoingItem
from gateway.sending.plans import BroadcastPlan, decode_broadcast
from gateway.sending.recipients import Audience, conflict_message, find_named
from gateway.store.audience import AudienceStore
from gateway.store.contents import Content, ContentStore
from gateway.store.directory import Directory
from gateway.store.job_queue import Job, Step
from gateway.store.jobs import JobStore
from gateway.store.profiles import ProfileStore
from gateway.store.recipient_states import RecipientStates
from gateway.store.subscriptions import SubscriptionStore

CHUNK_USERS = CALLS_AT_ONCE
"""Users of one step. They take one round trip if all of them are of the same kind in `_Chunk`."""

CHUNKS_AHEAD = 3
"""How many chunks are sent while an earlier one is saved, so that Redis is never idle because of this process."""

_BEGIN, _END = "begin", "end"


@dataclass(frozen=True, slots=True)
class _Chunk:
    """The users of one step: those who get the item, and those who get it if they are subscribed to the topic.

    `cursor` is the cursor of the next step.
    """

    cursor: str
    users: Sequence[User] = ()
    subscribers: Sequence[User] = ()


class Broadcaster:
    """Performs broadcast jobs.

    The cursor of a job is empty at first, and `begin` once the named users have the item. During the pass it is a place
    in the user index. After the last subscriber it is `end`.
    """

    def __init__(
        self,
        jobs: JobStore,
        directory: Directory,
        deliverer: Deliverer,
        profiles: ProfileStore,
        contents: ContentStore,
        subscriptions: SubscriptionStore,
        retention: Callable[[ProjectId], Awaitable[ItemRetention]],
        users: AudienceStore,
        states: RecipientStates,
    ):
        self._jobs = jobs
        self._directory = directory
        self._deliverer = deliverer
        self._profiles = profiles
        self._contents = contents
        self._subscriptions = subscriptions
        self._retention = retention
        self._users = users
        self._states = states

    async def work(self, job: Job) -> AsyncGenerator[Step, None]:
        """Send to the remaining users, and yield each step."""
        plan = decode_broadcast(job.payload)
        if job.is_cancelled:
            async for step in self._account(job, plan):
                yield step
            return
        content = Content.encode(job.id, plan.shown)
        keep = await self._retention(job.project_id)
        # A recipient whose data cannot be read fails the first attempt, because it may be repaired before the next one.
        item = OutgoingItem(
            content.as_reference(),
            plan.moment,
            keep,
            repeatable=True,
            skip_broken=job.attempts > 1,
            custom_attributes=plan.shown.custom_attributes,
            of_many=True,
        )
        if not job.cursor:
            await self._contents.put(job.project_id, content)
            yield await self._send_to_named(job, plan, item)
        else:
            self._contents.remember(content)
        chunks = self._chunks(job, plan, content.topic)
        if chunks is None:
            return
        _, named = await self._jobs.read_reached(job.project_id, job.id, 0, len(plan.recipients))
        async with contextlib.aclosing(self._send_ahead(item, chunks, frozenset(named), job.id)) as steps:
            async for step in steps:
                yield step

    async def _account(self, job: Job, plan: BroadcastPlan) -> AsyncGenerator[Step, None]:
        """Yield the steps that a worker may have begun before it was cancelled, with the users who have the item."""
        if not job.cursor:
            # No other step is begun before this one is saved.
            named, _ = await find_named(self._users, job.project_id, plan.recipients)
            yield await self._accounted(job, _BEGIN, list(named))
            return
        chunks = self._chunks(job, plan, plan.shown.topic or "")
        if chunks is None:
            return
        _, reached = await self._jobs.read_reached(job.project_id, job.id, 0, len(plan.recipients))
        known = frozenset(reached)
        left = CHUNKS_AHEAD + 1
        async for chunk in chunks:
            users = dict.fromkeys(user.id for user in (*chunk.users, *chunk.subscribers) if user.id not in known)
            yield await self._accounted(job, chunk.cursor, list(users))
            left -= 1
            if not left:
                return

    async def _accounted(self, job: Job, cursor: str, user_ids: Sequence[UserId]) -> Step:
        states = await self._states.read(job.project_id, read_item_id(job.id), user_ids)
        reached = [user_id for user_id, state in zip(user_ids, states, strict=True) if state is not None]
        return Step(cursor, {"total": len(reached)}, (), reached)

    async def _send_to_named(self, job: Job, plan: BroadcastPlan, item: OutgoingItem) -> Step:
        """Send to all named recipients in one step, so that a user who is named twice is counted once."""
        named = [(index, recipient) for index, recipient in enumerate(plan.recipients) if recipient.is_named]
        delivered = await self._deliverer.deliver_to_named(
            item, job.project_id, [recipient for _, recipient in named], skip_conflicts=True
        )
        messages = [conflict_message(plan.root, named[place][0]) for place in delivered.conflicts]
        return _step(_BEGIN, delivered, messages)

    def _chunks(self, job: Job, plan: BroadcastPlan, topic: str) -> AsyncIterator[_Chunk] | None:
        """Return the chunks of the pass from the job's cursor on, or None if none are left."""
        audience = Audience.of(plan.recipients)
        cursor = "" if job.cursor == _BEGIN else job.cursor
        if cursor == _END:
            return None
        if audience.conditions:
            return self._of_users(job.project_id, plan.user_count, audience, int(cursor or 0))
        if audience.subscribers:
            return self._of_subscribers(job.project_id, topic, int(cursor) if cursor else None)
        return None

    async def _of_users(
        self, project_id: ProjectId, count: int, audience: Audience, first: int
    ) -> AsyncIterator[_Chunk]:
        """Yield the users at places `first` to `count - 1` of the user index, in chunks."""
        for index in range(first, count, CHUNK_USERS):
            end = min(index + CHUNK_USERS, count)
            users = await self._directory.read_user_index(project_id, index, end - index)
            if audience.is_everyone:
                yield _Chunk(str(end), users)
                continue
            profiles = await self._profiles.read_many(users)
            matching = [user for user, profile in zip(users, profiles, strict=True) if audience.matches(profile)]
            ids = {user.id for user in matching}
            others = [user for user in users if user.id not in ids] if audience.subscribers else []
            yield _Chunk(str(end), matching, others)

    async def _of_subscribers(self, project_id: ProjectId, topic: str, after: int | None) -> AsyncIterator[_Chunk]:
        """Yield the topic's subscribers in chunks: all of them, or those after a place in the user index."""
        while True:
            users, after = await self._subscriptions.read_subscribers(project_id, topic, after, CHUNK_USERS)
            yield _Chunk(_END if after is None else str(after), (), users)
            if after is None:
                return

    async def _send_ahead(
        self, item: OutgoingItem, chunks: AsyncIterator[_Chunk], named: Set[UserId], job_id: str
    ) -> AsyncGenerator[Step, None]:
        """Send several chunks at once, and yield their steps in order."""
        ahead: deque[asyncio.Task[Step]] = deque()
        try:
            async for chunk in chunks:
                ahead.append(asyncio.create_task(self._send(item, chunk, named), name=f"broadcast {job_id}"))
                if len(ahead) > CHUNKS_AHEAD:
                    yield await ahead.popleft()
            while ahead:
                yield await ahead.popleft()
        finally:
            for task in ahead:
                task.cancel()
            await asyncio.gather(*ahead, return_exceptions=True)

    async def _send(self, item: OutgoingItem, chunk: _Chunk, named: Set[UserId]) -> Step:
        """Send to the users of a chunk, except those who were named."""
        users, subscribers = chunk.users, chunk.subscribers
        if named:
            users = [user for user in users if user.id not in named]
            subscribers = [user for user in subscribers if user.id not in named]
        first = await self._deliverer.deliver_to_known(item, users)
        if not subscribers:
            return _step(chunk.cursor, first)
        second = await self._deliverer.deliver_to_known(item, subscribers, subscribers_only=True)
        return _step(chunk.cursor, Delivered(first.reached + second.reached, first.broken + second.broken))


def _step(cursor: str, delivered: Delivered, messages: Sequence[str] = ()) -> Step:
    """Return the step of a delivery. `messages` are about recipients to whom no delivery was attempted."""
    broken = [f"What is stored of user {user_id} cannot be read" for user_id in delivered.broken]
    errors: list[Mapping[str, Any]] = [{"message": message} for message in (*messages, *broken)]
    counts = {"total": len(delivered.reached) + len(errors)} | ({"failures": len(errors)} if errors else {})
    return Step(cursor, counts, errors, delivered.reached)
