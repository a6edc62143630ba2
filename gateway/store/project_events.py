"""Writing project events: from a buffer of the worker, for what happens often, or at once, for the audit.

    events.note(project.id, ProjectEvent(ProjectEventType.STORED, user.id, {"notification_id": item_id}))
    await events.write(project.id, ProjectEvent(ProjectEventType.JWT_ISSUED, user.id, {"token_id": token.id, …}))

Neither fails: an event that Redis cannot take now waits in the buffer. Events that find the buffer full are counted and
dropped. An event may be written twice if Redis's reply to its append is lost.
"""

import asyncio
from collections import deque
from itertools import islice

from gateway.domain.principal import ProjectId
from gateway.domain.project_event import ProjectEvent
from gateway.store.project_event_log import ProjectEventLog
from gateway.store.redis.problems import StoreDataError, StoreUnavailableError
from gateway.telemetry.logs import log
from gateway.telemetry.metrics import PROJECT_EVENTS_DROPPED

FLUSH_SECONDS = 0.05
"""How long an event waits for others, which are appended with it. It is in the log within 100 ms."""

RETRY_SECONDS = 0.5

WAITING_EVENTS = 20_000
"""How many events may wait in a worker until Redis takes them: about 10 MB."""

EVENTS_PER_CALL = 200
"""How many events one call appends: 2 ms of Redis."""


class ProjectEvents:
    """The events of this worker on their way to the log. `run` must be running; call `flush` at the end."""

    def __init__(self, log: ProjectEventLog):
        self._log = log
        self._waiting: dict[ProjectId, deque[ProjectEvent]] = {}
        self._count = 0
        self._noted = asyncio.Event()

    def note(self, project_id: ProjectId, event: ProjectEvent) -> None:
        """Append an event soon. Never waits."""
        if self._count >= WAITING_EVENTS:
            PROJECT_EVENTS_DROPPED.inc()
            return
        waiting = self._waiting.get(project_id)
        if waiting is None:
            if not self._log.is_on:
                return
            waiting = self._waiting[project_id] = deque()
            self._noted.set()
        waiting.append(event)
        self._count += 1

    async def write(self, project_id: ProjectId, event: ProjectEvent) -> None:
        """Append an event before returning, or soon if Redis does not take it now."""
        if not self._log.is_on:
            return
        try:
            await self._log.append([(project_id, [event])])
        except StoreDataError as problem:
            _drop(project_id, 1, problem)
        except StoreUnavailableError:
            self.note(project_id, event)

    async def run(self) -> None:
        """Append what was noted, until cancelled."""
        while True:
            await self._noted.wait()
            await asyncio.sleep(FLUSH_SECONDS)
            while not await self.flush():
                await asyncio.sleep(RETRY_SECONDS)

    async def flush(self) -> bool:
        """Append all that waits. Return whether nothing that was noted before remains, because Redis took it."""
        self._noted.clear()
        while self._waiting:
            # One batch of each project at a time, so that a project with many events does not hold up the others.
            batches = [(project_id, list(islice(each, EVENTS_PER_CALL))) for project_id, each in self._waiting.items()]
            try:
                await self._log.append(batches)
            except StoreDataError:
                await self._append_each(batches)
            except StoreUnavailableError:
                self._noted.set()
                return False
            self._forget(batches)
        return True

    async def _append_each(self, batches: list[tuple[ProjectId, list[ProjectEvent]]]) -> None:
        """Append the batches one by one, because the log of some project is broken and would hold up the others."""
        for project_id, events in batches:
            try:
                await self._log.append([(project_id, events)])
            except StoreDataError as problem:
                _drop(project_id, len(events), problem)

    def _forget(self, batches: list[tuple[ProjectId, list[ProjectEvent]]]) -> None:
        for project_id, events in batches:
            waiting = self._waiting[project_id]
            for _ in events:
                waiting.popleft()
            self._count -= len(events)
            if not waiting:
                del self._waiting[project_id]


def _drop(project_id: ProjectId, count: int, problem: StoreDataError) -> None:
    PROJECT_EVENTS_DROPPED.inc(count)
    log.error("project_events_not_written", project_id=project_id, problem=problem.detail)
