"""Does jobs: a few at a time in every worker, in steps, each saved before the next; store/jobs.py has the protocol.

A kind's work is an async generator: it begins where the job's cursor says, and yields each step that it has done. It
may be stopped after any `yield` and begun anew from what was saved, so doing a step again must do no harm.

Jobs take turns: whoever has had one leaves the job to the queue while others wait, behind them, so that a small job is
not stuck behind large ones.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Callable, Mapping

from gateway.store.jobs import BrokenEntryError, Claim, ClaimLostError, Job, JobKind, JobQueue, Step
from gateway.store.redis.problems import StoreDataError, StoreUnavailableError
from gateway.telemetry.logs import log
from gateway.telemetry.metrics import JOBS_FINISHED, JOBS_RUNNING

MAX_RUNNING = 4
"""Jobs at a time in one worker: all share its event loop and its Redis."""

TURN_SECONDS = 0.5
"""How long a job runs before it looks whether others wait; a tenth of the lease that it renews then."""

POLL_SECONDS = 1.0
"""Between looks at the queue: new jobs are told at once, so this finds those of dead workers."""

MAX_ATTEMPTS = 5
"""How often in a row the same step may fail, or take its worker along, before the job is given up."""

RETRY_MS = 500
"""How long a job rests after its work failed; twice as long each time."""

BROKEN_RETRY_MS = 12_000
"""How long a job rests whose record cannot be read: it may be mended, and keeps nobody up until then."""

RELEASE_SECONDS = 1.0
"""How long a worker that stops tries to leave its jobs to others at once; else they wait for the lease."""

Work = Callable[[Job], AsyncGenerator[Step, None]]


class JobRunner:
    """The jobs of this worker. `run` must be running."""

    def __init__(self, queue: JobQueue, work: Mapping[JobKind, Work], retry_ms: int = RETRY_MS):
        self._queue = queue
        self._work = work
        self._retry_ms = retry_ms
        self._running = 0
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look at the queue now."""
        self._woken.set()

    async def run(self) -> None:
        """Claim and do jobs until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._woken.clear()
                with contextlib.suppress(StoreUnavailableError):
                    await self._claim_all(tasks)
                _heed_cancellation()
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
            tasks.create_task(self._attend(claim), name=f"job {claim.entry}")

    async def _attend(self, claim: Claim) -> None:
        """Do a job until its end or its turn's, whatever happens to Redis meanwhile."""
        JOBS_RUNNING.inc()
        try:
            while True:
                try:
                    await self._attempt(claim)
                    return
                except StoreDataError:
                    raise
                except StoreUnavailableError:
                    # What was saved, and whether the job is still ours, is up to the record when Redis is back.
                    await asyncio.sleep(POLL_SECONDS * random.uniform(0.25, 0.75))
        except ClaimLostError:
            log.info("job_lost", project=claim.project_id, job=claim.job_id)
        except StoreDataError as problem:
            log.error("job_record_broken", project=claim.project_id, job=claim.job_id, problem=problem.detail)
            await self._leave(claim, BROKEN_RETRY_MS)
        except Exception:
            # A mistake of ours about one job must not end the others.
            log.exception("job_failed", project=claim.project_id, job=claim.job_id)
            await self._leave(claim, BROKEN_RETRY_MS)
        except asyncio.CancelledError:
            await self._leave(claim)
            raise
        finally:
            JOBS_RUNNING.dec()
            self._running -= 1
            self._woken.set()

    async def _attempt(self, claim: Claim) -> None:
        job = await self._queue.start(claim)
        if job is None:
            await self._queue.drop(claim)
        elif job.attempts > MAX_ATTEMPTS:
            log.error("job_given_up", project=job.project_id, job=job.id, kind=job.kind.value, cursor=job.cursor)
            await self._queue.finish(job, f"Given up after {MAX_ATTEMPTS} attempts; what follows was not done")
            JOBS_FINISHED.labels(job.kind.value).inc()
        else:
            try:
                await self._take_turn(job)
            except (StoreUnavailableError, ClaimLostError):
                raise
            except Exception:
                log.exception("job_failed", project=job.project_id, job=job.id, kind=job.kind.value, cursor=job.cursor)
                await self._queue.release(claim, self._retry_ms * 2 ** (job.attempts - 1))

    async def _take_turn(self, job: Job) -> None:
        number, turn_ends = job.steps, time.monotonic() + TURN_SECONDS
        async with contextlib.aclosing(self._work[job.kind](job)) as steps:
            async for step in steps:
                number += 1
                await self._queue.save(job, number, step)
                _heed_cancellation()
                if time.monotonic() >= turn_ends:
                    waiting = await self._queue.renew(job.claim)
                    if waiting and self._running >= MAX_RUNNING:
                        await self._queue.release(job.claim)
                        return
                    turn_ends = time.monotonic() + TURN_SECONDS
        await self._queue.finish(job)
        JOBS_FINISHED.labels(job.kind.value).inc()

    async def _leave(self, claim: Claim, after_ms: int = 0) -> None:
        """Spare others the wait for the lease, should Redis answer."""
        with contextlib.suppress(StoreUnavailableError, TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._queue.release(claim, after_ms)


def _heed_cancellation() -> None:
    """Stop if this task was cancelled: `asyncio.wait_for`, which redis-py uses, may swallow that before Python 3.12."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
