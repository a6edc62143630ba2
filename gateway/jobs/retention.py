"""Retention: the sweeps that remove the items that exceed a project's bounds.

When an item is created, the oldest items of that inbox that are too many or too old are removed
(store/functions/retention.lua). Sweeps are for the other inboxes: those that get no new items, and those that were
larger when a bound was lowered. A sweep is a job that visits all users of one project. It works a quarter of the time
and pauses in between.

Every ten seconds, one worker of all nodes checks for projects that are due. These are projects whose bounds differ from
those of the last sweep, whose items reach their age limit, or whose last sweep was a day ago. A change of the bounds
through the API or the command line starts a sweep at once.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from gateway.domain.ids import ProjectId
from gateway.domain.principal import User
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
"""Users of one step: some 15 ms if there is nothing to remove."""

CALLS_AT_ONCE = 50
TRIMMED_AT_ONCE = 10
"""How many users, and how many items of each, one round trip trims: 10 ms of Redis at most."""

SHARE = 0.25
"""The share of its time that a sweep works."""

MAX_PAUSE_SECONDS = 1.0
"""The longest pause, far less than the lease of a job."""

PROGRESS_SECONDS = 30.0
"""Time between two log lines about a sweep."""

CHECK_SECONDS = 10
"""The time between two checks for due projects, by any worker. A check takes some 10 µs for each project."""

SWEEPS_PER_AGE = 24
MAX_SECONDS_BETWEEN = 3600
"""Items with an age limit of a day or more are removed within about an hour after they reach it. With a lower limit, it
takes a 24th of the limit, but at least two checks."""


def sweep_seconds(keep: ItemRetention) -> int:
    """Return how many seconds after the start of a sweep the next one is due, for items that age."""
    return max(CHECK_SECONDS, min(MAX_SECONDS_BETWEEN, keep.seconds // SWEEPS_PER_AGE))


class RetentionLookup:
    """The current retention of projects."""

    def __init__(self, projects: ProjectStore, default: ItemRetention):
        self._projects = projects
        self._default = default

    async def of_project(self, project_id: ProjectId) -> ItemRetention:
        """Return the retention of a project, KEEP_ALL if it does not exist. Raises StoreUnavailableError."""
        project = await self._projects.by_id(project_id)
        return project.item_retention(self._default) if project is not None else KEEP_ALL


@dataclass(slots=True)
class _Progress:
    """The progress of a sweep on this worker, for the log."""

    project_id: ProjectId
    users: int
    started: float = field(default_factory=time.monotonic)
    reported: float = field(default_factory=time.monotonic)
    removed: int = 0

    def add(self, removed: int, users_done: int) -> None:
        """Count removed items, and log the progress every PROGRESS_SECONDS."""
        self.removed += removed
        now = time.monotonic()
        if now - self.reported >= PROGRESS_SECONDS:
            self.reported = now
            done = min(self.users, users_done)
            log.info("retention_sweep", project=self.project_id, users=done, of=self.users, removed=self.removed)

    def log_end(self) -> None:
        """Log that the sweep is complete. A short sweep that removed nothing is logged at the level debug."""
        seconds = round(time.monotonic() - self.started, 1)
        write = log.info if self.removed or seconds >= PROGRESS_SECONDS else log.debug
        write("retention_sweep_done", project=self.project_id, users=self.users, removed=self.removed, seconds=seconds)


class Sweeper:
    """Performs retention jobs. The cursor is a place in the project's user index. The payload has the bounds."""

    def __init__(
        self,
        retentions: RetentionLookup,
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
        """Trim the remaining inboxes, and yield each step.

        If the bounds change meanwhile, the sweep ends, and another one follows.
        """
        keep = msgspec.json.decode(job.payload, type=ItemRetention)
        progress = _Progress(job.project_id, await self._directory.user_index_size(job.project_id))
        first = int(job.cursor or 0)
        log.debug(
            "retention_sweep_started", project=job.project_id, users=progress.users, first=first, **keep._asdict()
        )
        for index in range(first, progress.users, CHUNK_USERS):
            if await self._retentions.of_project(job.project_id) != keep:
                log.info("retention_sweep_outdated", project=job.project_id)
                return
            started = time.monotonic()
            users = await self._directory.read_user_index(job.project_id, index, CHUNK_USERS)
            removed = await self._trim(users, keep)
            USERS_SWEPT.inc(len(users))
            ITEMS_TRIMMED.inc(removed)
            yield Step(str(index + CHUNK_USERS), {"total": len(users), "updated": removed})
            progress.add(removed, index + CHUNK_USERS)
            await _pause(time.monotonic() - started)
        await self._sweeps.record(job.project_id, SweepRecord(job.created_ms, keep))
        progress.log_end()

    async def _trim(self, users: Sequence[User], keep: ItemRetention) -> int:
        """Trim inboxes until none exceeds the bounds. Return how many items were removed."""
        removed, left = 0, await self._trimmer.find_trimmable(users, keep, int(time.time()))
        while left:
            some, left = left[:CALLS_AT_ONCE], left[CALLS_AT_ONCE:]
            started = time.monotonic()
            moment = Moment(int(time.time() * 1000), self._new_epoch())
            found = await self._trimmer.trim_each(some, keep, moment, TRIMMED_AT_ONCE)
            for user, trimmed in zip(some, found, strict=True):
                removed += trimmed.items if trimmed else 0
                if trimmed and trimmed.more:
                    left.append(user)
            if any(trimmed and trimmed.items for trimmed in found):
                await _pause(time.monotonic() - started)
        return removed


async def _pause(worked_seconds: float) -> None:
    """Pause after work, so that work takes SHARE of the time."""
    await asyncio.sleep(min(MAX_PAUSE_SECONDS, worked_seconds * (1 - SHARE) / SHARE))


class SweepScheduler:
    """Enqueues sweeps of projects that are due. `run` must be running in every worker process."""

    def __init__(
        self,
        projects: ProjectStore,
        sweeps: SweepStore,
        jobs: JobStore,
        default: ItemRetention,
        check_seconds: float = CHECK_SECONDS,
    ):
        self._projects = projects
        self._sweeps = sweeps
        self._jobs = jobs
        self._default = default
        self._check_seconds = check_seconds

    async def run(self) -> None:
        """Check for due projects until cancelled."""
        while True:
            await asyncio.sleep(self._check_seconds * random.uniform(0.1, 1.0))
            with contextlib.suppress(StoreUnavailableError):
                if await self._sweeps.claim_check(self._check_seconds):
                    await self.check()

    async def check(self) -> None:
        """Enqueue a sweep of every project that is due. Raises StoreUnavailableError."""
        async for bounds in self._projects.read_item_retentions():
            kept = {project_id: self._default.overridden(*own) for project_id, own in bounds.items()}
            bounded = {project_id: keep for project_id, keep in kept.items() if keep.bounded}
            now_ms = int(time.time() * 1000)
            for project_id, last in (await self._sweeps.last(list(bounded))).items():
                keep = bounded[project_id]
                if _is_due(keep, last, now_ms):
                    await self._jobs.enqueue_retention(project_id, keep)


def _is_due(keep: ItemRetention, last: SweepRecord | None, now_ms: int) -> bool:
    if last is None or last.keep != keep:
        return True
    return keep.seconds > 0 and not 0 <= now_ms - last.started_ms < 1000 * sweep_seconds(keep)
