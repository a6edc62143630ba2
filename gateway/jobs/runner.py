"""Runs background jobs: a few at a time in every worker process, in steps, each saved before the next.

The work of each kind of job is an async generator. It begins at the job's cursor, and yields each step that it has
completed. It may be stopped after any `yield` and started again from the last saved step, so repeating a step must do
no harm. Of a job that was cancelled, it yields steps that record what was done by then. store/job_queue.py has the
protocol between workers.

A job runs for a turn of TURN_SECONDS. If other jobs wait at the end of the turn and this worker can start no more, the
job goes back to the queue behind them, so that large jobs do not delay a small one.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import TYPE_CHECKING

from gateway.jobs.events import JobEvents
from gateway.store.job_queue import (
    BrokenEntryError,
    Claim,
    ClaimLostError,
    Job,
    JobCancelledError,
    JobQueue,
    NewerJobError,
    Step,
)
from gateway.store.jobs import JobKind
from gateway.store.redis.problems import StoreDataError, StoreUnavailableError
from gateway.telemetry.faults import log_fault
from gateway.telemetry.logs import log
from gateway.telemetry.metrics import JOBS_FINISHED, JOBS_RUNNING

if TYPE_CHECKING:
    from gateway.jobs.spans import JobSpans

MAX_RUNNING = 4
"""How many jobs one worker process runs at a time. They share its event loop and its Redis connection."""

TURN_SECONDS = 0.5
"""How long a job runs before the lease is renewed and the queue is checked for other jobs: a tenth of the lease."""

POLL_SECONDS = 1.0
"""The time between two checks of the queue. New jobs are announced at once, so the checks find jobs of dead workers."""

MAX_ATTEMPTS = 5
"""How often in a row the same step may fail, or kill its worker, before the job is abandoned."""

RETRY_MS = 500
"""How long a job is not claimed after a failed step; twice as long after each further failure."""

BROKEN_RETRY_MS = 12_000
"""How long a job whose record cannot be read is not claimed. It may be repaired meanwhile, and delays no other job."""

NEWER_RETRY_MS = 2_000
"""How long a job for gateways of a newer version is not claimed by others, so that one of them can claim it."""

MAX_NOTED = 1_000
"""How many jobs of newer versions a worker records as already logged."""

RELEASE_SECONDS = 1.0
"""How long a stopping worker tries to release its jobs. Jobs that are not released can be claimed after the lease."""

Work = Callable[[Job], AsyncGenerator[Step, None]]


class JobRunner:
    """The jobs of one worker process. `run` must be running."""

    def __init__(
        self,
        queue: JobQueue,
        work: Mapping[JobKind, Work],
        retry_ms: int = RETRY_MS,
        events: JobEvents | None = None,
        spans: "JobSpans | None" = None,
    ):
        self._queue = queue
        self._events = events
        self._spans = spans
        self._work = work
        self._retry_ms = retry_ms
        self._running = 0
        self._woken = asyncio.Event()
        self._newer: set[str] = set()

    def wake(self) -> None:
        """Check the queue now instead of at the next poll."""
        self._woken.set()

    async def run(self) -> None:
        """Claim and process jobs until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._woken.clear()
                with contextlib.suppress(StoreUnavailableError):
                    await self._claim_all(tasks)
                _raise_if_cancelled()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS * random.uniform(0.5, 1.5)):
                        await self._woken.wait()

    async def _claim_all(self, tasks: asyncio.TaskGroup) -> None:
        while self._running < MAX_RUNNING:
            try:
                claim = await self._queue.claim()
            except BrokenEntryError as broken:
                log.error("job_entry_broken", entry=broken.entry, outcome="removed from the queue")
                continue
            if claim is None:
                return
            self._running += 1
            tasks.create_task(self._process(claim), name=f"job {claim.entry}")

    async def _process(self, claim: Claim) -> None:
        """Run a job until it is complete or its turn ends. Release it if this worker cannot process it."""
        JOBS_RUNNING.inc()
        try:
            await self._attempt_through_outages(claim)
        except ClaimLostError:
            log.info("job_lost", project=claim.project_id, job=claim.job_id)
        except NewerJobError:
            self._note_newer(claim)
            await self._release(claim, NEWER_RETRY_MS)
        except StoreDataError as problem:
            log.error("job_record_broken", project=claim.project_id, job=claim.job_id, problem=problem.detail)
            await self._release(claim, BROKEN_RETRY_MS)
        except Exception as problem:
            # A bug in one job must not end the others.
            log_fault("job_failed", problem, project=claim.project_id, job=claim.job_id)
            await self._release(claim, BROKEN_RETRY_MS)
        except asyncio.CancelledError:
            await self._release(claim)
            raise
        finally:
            JOBS_RUNNING.dec()
            self._running -= 1
            self._woken.set()

    async def _attempt_through_outages(self, claim: Claim) -> None:
        """Attempt a job, again after each outage of the store."""
        while True:
            try:
                await self._attempt(claim)
                return
            except JobCancelledError:
                continue  # the next attempt only records what was done
            except StoreDataError:
                raise
            except StoreUnavailableError:
                # Once Redis is back, the record shows what was saved, and whether this worker still holds the job.
                await asyncio.sleep(POLL_SECONDS * random.uniform(0.25, 0.75))

    async def _attempt(self, claim: Claim) -> None:
        job = await self._queue.start(claim)
        if job is None:
            await self._queue.drop(claim)
        elif job.attempts > MAX_ATTEMPTS:
            await self._give_up(job)
        else:
            try:
                await (self._take_turn(job) if self._spans is None else self._spans.around(job, self._take_turn))
            except (StoreUnavailableError, ClaimLostError, JobCancelledError):
                raise
            except Exception as problem:
                fields = {"project": job.project_id, "job": job.id, "kind": job.kind.value, "cursor": job.cursor}
                log_fault("job_failed", problem, **fields)
                await self._queue.release(claim, self._retry_ms * 2 ** (job.attempts - 1))

    async def _give_up(self, job: Job) -> None:
        log.error("job_given_up", project=job.project_id, job=job.id, kind=job.kind.value, cursor=job.cursor)
        await self._finish(job, f"Given up after {MAX_ATTEMPTS} attempts; what follows was not done")

    async def _finish(self, job: Job, error: str = "") -> None:
        await self._queue.finish(job, error)
        JOBS_FINISHED.labels(job.kind.value).inc()
        if self._events is not None:
            await self._events.finished(job)

    async def _take_turn(self, job: Job) -> None:
        number, turn_ends = job.steps, time.monotonic() + TURN_SECONDS
        if self._events is not None:
            self._events.started(job)
        async with contextlib.aclosing(self._work[job.kind](job)) as steps:
            async for step in steps:
                number += 1
                await self._queue.save(job, number, step)
                if self._events is not None:
                    self._events.saved(job, step)
                _raise_if_cancelled()
                if time.monotonic() >= turn_ends:
                    waiting = await self._queue.renew(job.claim)
                    if waiting and self._running >= MAX_RUNNING:
                        await self._queue.release(job.claim)
                        return
                    turn_ends = time.monotonic() + TURN_SECONDS
        await self._finish(job)

    async def _release(self, claim: Claim, after_ms: int = 0) -> None:
        """Release a job if Redis replies in time, so that other workers do not have to await the end of the lease."""
        with contextlib.suppress(StoreUnavailableError, TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._queue.release(claim, after_ms)

    def _note_newer(self, claim: Claim) -> None:
        """Log once that a job is left to newer gateways. This worker claims it again until one of them completes it."""
        if claim.entry in self._newer:
            return
        if len(self._newer) >= MAX_NOTED:
            self._newer.clear()
        self._newer.add(claim.entry)
        log.info("job_newer", project=claim.project_id, job=claim.job_id, outcome="left to gateways of its version")


def _raise_if_cancelled() -> None:
    """Raise CancelledError if this task was cancelled.

    `asyncio.wait_for`, which redis-py uses, may swallow a cancellation before Python 3.12.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
