"""Retention: what a project keeps of its users' inboxes, and the sweeps that remove the rest.

Creating an item removes the oldest ones of that inbox that are too many or too old (store/functions/retention.lua).
That leaves inboxes that get nothing new, and those that were larger when a bound was lowered. A sweep is a job that
goes over all users of one project. It works a quarter of the time and pauses in between.

One worker of all looks every ten seconds for projects that are due: those whose bounds differ from those of the last
sweep, whose items age, or whose last sweep was a day ago. A change of a bound begins a sweep at once.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Callable, Sequence

import msgspec

from gateway.domain.principal import ProjectId, User
from gateway.domain.retention import KEEP_ALL, ItemRetention
from gateway.store.directory import Directory
from gateway.store.event_log import Moment
from gateway.store.job_queue import Job, Step
from gateway.store.jobs import JobStore
from gateway.store.projects import ProjectStore
from gateway.store.redis.client import StoreUnavailableError
from gateway.store.sweeps import SweepRecord, SweepStore
from gateway.store.trimming import ItemTrimmer
from gateway.telemetry.logs import log
from gateway.telemetry.metrics import ITEMS_TRIMMED, USERS_SWEPT

CHUNK_USERS = 250
"""Users of one step: some 15 ms where there is nothing to remove."""

CALLS_AT_ONCE = 50
TRIMMED_AT_ONCE = 10
"""Users, and items of each, that Redis works on in one go: 10 ms at worst."""

SHARE = 0.25
"""Of its time that a sweep works."""

MAX_PAUSE_SECONDS = 1.0
"""Far less than the lease of a job."""

PROGRESS_SECONDS = 30.0
"""Between two lines in the log about a sweep."""

LOOK_SECONDS = 10
"""Between two looks at what is due, over all workers: some 10 µs for each project."""

SWEEPS_PER_AGE = 24
MOST_SECONDS_BETWEEN = 3600
"""Items of an age of a day or more are removed within about an hour, those of less within a 24th, or two looks."""


def sweep_seconds(keep: ItemRetention) -> int:
    """Return the seconds from the begin of a project's sweep to the next one for items that age."""
    return max(LOOK_SECONDS, min(MOST_SECONDS_BETWEEN, keep.seconds // SWEEPS_PER_AGE))


class Retentions:
    """What each project keeps of its inboxes now. Raises StoreUnavailableError."""

    def __init__(self, projects: ProjectStore, default: ItemRetention):
        self._projects = projects
        self.default = default

    async def of_project(self, project_id: ProjectId) -> ItemRetention:
        """Return what a project keeps; everything if there is no such project."""
        project = await self._projects.by_id(project_id)
        return project.item_retention(self.default) if project is not None else KEEP_ALL


class Sweeper:
    """The work of retention jobs. The cursor is an index in the project's user index, the payload the bounds."""

    def __init__(
        self,
        retentions: Retentions,
        sweeps: SweepStore,
        directory: Directory,
        trimmer: ItemTrimmer,
        new_epoch: Callable[[], str],
    ):
        self._retentions = retentions
        self._sweeps = sweeps
        self._directory = directory
        self._trimmer = trimmer
        self._new_epoch = new_epoch

    async def work(self, job: Job) -> AsyncGenerator[Step, None]:
        """Go over the users that are left. A sweep whose bounds were changed meanwhile ends; another one follows."""
        keep = msgspec.json.decode(job.payload, type=ItemRetention)
        size = await self._directory.user_index_size(job.project_id)
        began = reported = time.monotonic()
        removed = 0
        first = int(job.cursor or 0)
        log.debug("retention_sweep_started", project=job.project_id, users=size, first=first, **keep._asdict())
        for index in range(first, size, CHUNK_USERS):
            if await self._retentions.of_project(job.project_id) != keep:
                log.info("retention_sweep_outdated", project=job.project_id)
                return
            started = time.monotonic()
            users = await self._directory.read_user_index(job.project_id, index, CHUNK_USERS)
            removed_here = await self._trim(users, keep)
            removed += removed_here
            USERS_SWEPT.inc(len(users))
            ITEMS_TRIMMED.inc(removed_here)
            yield Step(str(index + CHUNK_USERS), {"total": len(users), "updated": removed_here})
            now = time.monotonic()
            if now - reported >= PROGRESS_SECONDS:
                reported = now
                done = min(size, index + CHUNK_USERS)
                log.info("retention_sweep", project=job.project_id, users=done, of=size, removed=removed)
            await _pause(now - started)
        await self._sweeps.record(job.project_id, SweepRecord(job.created_ms, keep))
        seconds = round(time.monotonic() - began, 1)
        # Most sweeps for items that age are short and find nothing.
        tell = log.info if removed or seconds >= PROGRESS_SECONDS else log.debug
        tell("retention_sweep_done", project=job.project_id, users=size, removed=removed, seconds=seconds)

    async def _trim(self, users: Sequence[User], keep: ItemRetention) -> int:
        """Trim inboxes until there is nothing left to trim in any of them; return how many items were removed."""
        removed, left = 0, await self._trimmer.find_trimmable(users, keep, int(time.time()))
        while left:
            some, left = left[:CALLS_AT_ONCE], left[CALLS_AT_ONCE:]
            started = time.monotonic()
            found = await self._trimmer.trim_each(some, keep, self._moment(), TRIMMED_AT_ONCE)
            for user, trimmed in zip(some, found, strict=True):
                removed += trimmed.items if trimmed else 0
                if trimmed and trimmed.more:
                    left.append(user)
            if any(trimmed and trimmed.items for trimmed in found):
                await _pause(time.monotonic() - started)
        return removed

    def _moment(self) -> Moment:
        return Moment(int(time.time() * 1000), self._new_epoch())


async def _pause(worked_seconds: float) -> None:
    """Rest after work, so that working takes SHARE of the time."""
    await asyncio.sleep(min(MAX_PAUSE_SECONDS, worked_seconds * (1 - SHARE) / SHARE))


class SweepScheduler:
    """Has projects swept that are due. `run` must be running, in every worker."""

    def __init__(
        self,
        projects: ProjectStore,
        sweeps: SweepStore,
        jobs: JobStore,
        default: ItemRetention,
        look_seconds: float = LOOK_SECONDS,
    ):
        self._projects = projects
        self._sweeps = sweeps
        self._jobs = jobs
        self._default = default
        self._look_seconds = look_seconds

    async def run(self) -> None:
        """Look for what is due until cancelled."""
        while True:
            await asyncio.sleep(self._look_seconds * random.uniform(0.1, 1.0))
            with contextlib.suppress(StoreUnavailableError):
                if await self._sweeps.claim_look(self._look_seconds):
                    await self.look()

    async def look(self) -> None:
        """Have every project swept that is due."""
        async for bounds in self._projects.read_item_retentions():
            keeping = {project_id: self._default.overridden(*own) for project_id, own in bounds.items()}
            bounded = {project_id: keep for project_id, keep in keeping.items() if keep.bounded}
            now_ms = int(time.time() * 1000)
            for project_id, last in (await self._sweeps.last(list(bounded))).items():
                keep = bounded[project_id]
                if _is_due(keep, last, now_ms):
                    await self._jobs.enqueue_retention(project_id, keep)


def _is_due(keep: ItemRetention, last: SweepRecord | None, now_ms: int) -> bool:
    if last is None or last.keep != keep:
        return True
    return keep.seconds > 0 and not 0 <= now_ms - last.started_ms < 1000 * sweep_seconds(keep)
