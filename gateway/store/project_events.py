"""Writing project events: from a buffer of the worker, for what happens often, or at once, for the audit.

    events.note(project.id, ProjectEvent(ProjectEventType.STORED, user.id, {"notification_id": item_id}))
    await events.write(project.id, ProjectEvent(ProjectEventType.JWT_ISSUED, user.id, {"token_id": token.id, …}))

Events are packed as soon as they are noted: a few bytes without references, which the garbage collector need not visit.
Neither fails: an event that Redis cannot take now waits in the buffer. Events that find the buffer full are counted and
dropped. An event may be written twice if Redis's reply to its append is lost.
"""

import asyncio
from functools import partial

from gateway.domain.ids import ProjectId
from gateway.domain.project_event import ProjectEvent
from gateway.store.project_event_log import PackedEvent, ProjectEventLog, packed
from gateway.store.redis.problems import StoreDataError, StoreUnavailableError
from gateway.store.usage_counts import UsageCounts
from gateway.store.webhook_lanes import PROJECT_MEMBER, WebhookLanes, concern_webhooks
from gateway.telemetry.logs import log
from gateway.telemetry.metrics import PROJECT_EVENTS_DROPPED

FLUSH_SECONDS = 0.05
"""How long an event waits for others, which are appended with it. It is in the log within 100 ms."""

RETRY_SECONDS = 0.5

WAITING_EVENTS = 20_000
"""How many events may wait in a worker until Redis takes them: about 3 MB."""

EVENTS_PER_CALL = 200
"""How many events one call appends: 2 ms of Redis."""


_Batch = tuple[ProjectId, list[PackedEvent]]


class ProjectEvents:
    """The events of this worker on their way to the log. `run` must be running; call `flush` at the end."""

    def __init__(self, log: ProjectEventLog):
        self._log = log
        self._waiting: dict[ProjectId, list[PackedEvent]] = {}
        self._count = 0
        self._noted = asyncio.Event()
        self.usage = UsageCounts()
        """Counts what happens, whether or not the log is on."""
        self.webhooks: WebhookLanes | None = None
        """Has events become messages of webhooks."""

    def note(self, project_id: ProjectId, event: ProjectEvent) -> None:
        """Append an event soon. Never waits."""
        self.note_packed(project_id, packed(event))

    def note_packed(self, project_id: ProjectId, event: PackedEvent) -> None:
        """Append a packed event soon. Never waits."""
        if self._count >= WAITING_EVENTS:
            PROJECT_EVENTS_DROPPED.inc()
            return
        waiting = self._waiting.get(project_id)
        if waiting is None:
            if not self._log.is_on:
                return
            waiting = self._waiting[project_id] = []
            self._noted.set()
        waiting.append(event)
        self._count += 1

    async def write(self, project_id: ProjectId, event: ProjectEvent) -> None:
        """Append an event before returning, or soon if Redis does not take it now. Earlier events are not overtaken."""
        if not self._log.is_on:
            return
        earlier, last = self._take(project_id), packed(event)
        try:
            await self._append([(project_id, [*earlier, last])])
        except StoreUnavailableError:
            self._put_back([(project_id, earlier)])
            self.note_packed(project_id, last)

    async def run(self) -> None:
        """Append what was noted, until cancelled."""
        while True:
            await self._noted.wait()
            await asyncio.sleep(FLUSH_SECONDS)
            while not await self.flush():
                await asyncio.sleep(RETRY_SECONDS)

    async def flush(self) -> bool:
        """Append all that waits. Return whether Redis took it."""
        self._noted.clear()
        while self._waiting:
            # One batch of each project at a time, so that a project with many events does not hold up the others.
            batches = [(project_id, self._take(project_id)) for project_id in tuple(self._waiting)]
            try:
                await self._append(batches)
            except StoreUnavailableError:
                self._put_back(batches)
                self._noted.set()
                return False
        return True

    async def _append(self, batches: list[_Batch]) -> None:
        """Append batches. Events of a project whose log is broken are counted and dropped."""
        outcomes = await self._append_followed(batches)
        for (project_id, events), outcome in zip(batches, outcomes, strict=True):
            if isinstance(outcome, StoreDataError):
                PROJECT_EVENTS_DROPPED.inc(len(events))
                log.error("project_events_not_written", project=project_id, problem=outcome.detail)

    async def _append_followed(self, batches: list[_Batch]) -> list[int | StoreDataError]:
        """Append batches, those that may become messages of webhooks each by itself."""
        webhooks = self.webhooks
        if webhooks is None:
            return await self._log.append(batches)
        followed = [not webhooks.is_unused(project_id) and concern_webhooks(events) for project_id, events in batches]
        if not any(followed):
            return await self._log.append(batches)
        outcomes = []
        for batch, is_followed in zip(batches, followed, strict=True):
            append = partial(self._log.append, [batch])
            members = [PROJECT_MEMBER]
            outcomes += await (webhooks.follow(batch[0], members, append) if is_followed else append())
        return outcomes

    def _take(self, project_id: ProjectId) -> list[PackedEvent]:
        """Remove and return the oldest events of a project that wait, as many as one call appends."""
        waiting = self._waiting.get(project_id)
        if waiting is None:
            return []
        taken = waiting[:EVENTS_PER_CALL]
        self._count -= len(taken)
        if len(taken) == len(waiting):
            del self._waiting[project_id]
        else:
            del waiting[:EVENTS_PER_CALL]
        return taken

    def _put_back(self, batches: list[_Batch]) -> None:
        for project_id, events in batches:
            if events:
                self._waiting[project_id] = events + self._waiting.get(project_id, [])
                self._count += len(events)
