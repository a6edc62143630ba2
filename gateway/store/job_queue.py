"""The queue of background jobs, which the workers of all nodes share. store/jobs.py has the records of jobs.

    claim    a worker claims the entry that has waited longest, for a lease; the claim has a number that only grows
    start    the claim is written to the record, which from then on refuses all earlier claims
    save     the cursor, counts and errors of a step, and the users that it reached, are written together, once
    renew    the worker keeps the entry for another lease; the reply has the number of other jobs that wait
    release  the worker returns the entry to the queue, where any worker may claim it
    finish   the status of the record becomes `processed`, unless it is `cancelled`; then the entry is removed

A job that is cancelled refuses the next step. The worker then starts the job again, to record what the refused steps,
and those that were under way, had done by then. No further step is done.

The lease only avoids duplicate work. If two workers process one job, the record prevents harm: it accepts only the
steps of its latest claim. The entry of a worker that died can be claimed again when the lease is over.

    JobQueueError
      ClaimLostError      another worker holds the job
      JobCancelledError   the job was cancelled
      BrokenEntryError    an entry of the queue names no job
      NewerJobError       the job is for gateways of a newer version
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from gateway.domain.ids import ProjectId, UserId
from gateway.store import keys
from gateway.store.jobs import KNOWN_PLAN_VERSION, JobKind, broken_job
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import (
    Arguments,
    nothing,
    optional_bytes,
    reading_function,
    untouched,
    writing_function,
)

LEASE_MS = 5_000
"""How long a claim lasts without renewal. A step takes milliseconds, so a claim outlasts a stall of Redis."""

LONGEST_REST_MS = 60_000
"""How far in the future an entry may be due. An entry that is due later was written by a clock that was ahead."""

MAX_ERRORS = 1_000
"""How many errors of a job are stored. The count of failures includes the others."""

_CANCELLED = 2
"""The reply of `save_job` for a job that was cancelled meanwhile."""

_encode = msgspec.json.encode


class JobQueueError(Exception):
    """Base class of the exceptions for a job that a worker cannot process."""


class ClaimLostError(JobQueueError):
    """Another worker has claimed the job, or the job has been removed."""


class JobCancelledError(JobQueueError):
    """The job was cancelled since it was started, and the step was not saved. Start it again to account for it."""


class BrokenEntryError(JobQueueError):
    """An entry of the queue named no job, and was removed."""

    def __init__(self, entry: str):
        super().__init__(entry)
        self.entry = entry


class NewerJobError(JobQueueError):
    """The job's plan is of a newer version than this gateway can follow. The record is unchanged."""


class Claim(NamedTuple):
    """The right of this worker to process a job until its lease ends. The latest claim has the greatest number."""

    project_id: ProjectId
    job_id: str
    number: int

    @property
    def entry(self) -> str:
        """Return the entry of the job in the queue: `project_id job_id`."""
        return f"{self.project_id} {self.job_id}"


@dataclass(frozen=True, slots=True)
class Job:
    """A job that a worker starts or resumes. `steps` is how many steps are saved.

    `attempts` is how often the next step has been attempted, including this time. Of a cancelled job, only what
    was done already is to be recorded.
    """

    claim: Claim
    kind: JobKind
    payload: bytes
    cursor: str
    steps: int
    created_ms: int
    attempts: int
    is_cancelled: bool = False

    @property
    def project_id(self) -> ProjectId:
        """Return the project that the job belongs to."""
        return self.claim.project_id

    @property
    def id(self) -> str:
        """Return the job's id, unique in the project."""
        return self.claim.job_id


@dataclass(frozen=True, slots=True)
class Step:
    """The result of a step. `cursor` is where the next step begins. Responses about the job show its `errors`."""

    cursor: str
    counts: Mapping[str, int] = field(default_factory=dict)
    errors: Sequence[Mapping[str, Any]] = ()
    reached: Sequence[UserId] = ()


# ---- functions


def _claim(now_ms: int) -> Arguments:
    return (now_ms, LEASE_MS, LONGEST_REST_MS)


def _renew(entry: str, number: int, now_ms: int) -> Arguments:
    return (entry, number, now_ms, LEASE_MS)


def _release(entry: str, number: int, due_ms: int) -> Arguments:
    return (entry, number, due_ms)


def _drop(entry: str | bytes, number: int) -> Arguments:
    return (entry, number)


def _start(number: int, known_version: int) -> Arguments:
    return (number, known_version)


def _read_portion(index: int) -> Arguments:
    return (index,)


def _save(
    claim: int,
    number: int,
    cursor: str,
    reached: bytes,
    status: str,
    counts: Sequence[str | int],
    errors: Sequence[bytes],
) -> Arguments:
    return (claim, number, cursor, MAX_ERRORS, reached, status, len(counts) // 2, *counts, *errors)


def _finish(claim: int, reason: bytes, kept: bool) -> Arguments:
    return (claim, reason, int(kept))


CLAIM_JOB = writing_function("claim_job", "queue", _claim, untouched, frees_memory=True)
RENEW_JOB = writing_function("renew_job", "queue", _renew, int, frees_memory=True)
RELEASE_JOB = writing_function("release_job", "queue", _release, nothing, frees_memory=True)
DROP_JOB = writing_function("drop_job", "queue", _drop, nothing, frees_memory=True)
START_JOB = writing_function("start_job", "job", _start, untouched, frees_memory=True)
READ_PORTION = reading_function("read_portion", "job", _read_portion, optional_bytes)
SAVE_JOB = writing_function("save_job", "job", _save, int, frees_memory=True)
FINISH_JOB = writing_function("finish_job", "job", _finish, bool, frees_memory=True)


# ---- the queue


class JobQueue:
    """The queue, for the workers that process jobs. Methods raise StoreUnavailableError.

    `known_version` is the newest version of a plan that the caller can follow.
    """

    def __init__(
        self,
        client: FunctionClient,
        unix: Callable[[], float] = time.time,
        known_version: int = KNOWN_PLAN_VERSION,
    ):
        self._client = client
        self._unix = unix
        self._known_version = known_version

    async def claim(self) -> Claim | None:
        """Claim the job that has waited longest, or return None if none waits. Raises BrokenEntryError."""
        reply = await self._client.call(CLAIM_JOB(keys.JOB_QUEUE, self._now_ms()))
        if reply is None:
            return None
        project_id, _, job_id = reply[0].decode(errors="replace").partition(" ")
        claim = Claim(ProjectId(project_id), job_id, int(reply[1]))
        if not job_id or claim.entry.encode() != reply[0]:
            await self._client.call(DROP_JOB(keys.JOB_QUEUE, reply[0], claim.number))
            raise BrokenEntryError(repr(reply[0][:100]))
        return claim

    async def start(self, claim: Claim) -> Job | None:
        """Start or resume a job. Return None if it is finished or does not exist.

        Raises ClaimLostError, NewerJobError, and StoreDataError for a record that cannot be read.
        """
        key = keys.job(claim.project_id, claim.job_id)
        reply = await self._client.call(START_JOB(key, claim.number, self._known_version))
        if reply is None or reply[0] == b"processed":
            return None
        if reply[0] == b"lost":
            raise ClaimLostError(claim.entry)
        if reply[0] == b"newer":
            raise NewerJobError(claim.entry)
        try:
            kind, payload, cursor, steps, created_ms, attempts, is_cancelled = reply
            return Job(
                claim,
                JobKind(kind.decode()),
                payload,
                cursor.decode(),
                int(steps),
                int(created_ms),
                int(attempts),
                bool(is_cancelled),
            )
        except (ValueError, TypeError, AttributeError) as problem:
            raise broken_job(claim.entry, problem) from None

    async def read_portion(self, job: Job, index: int) -> bytes | None:
        """Return a portion of a job's input, counted from 0, or None after the last one."""
        return await self._client.call(READ_PORTION(keys.job(job.project_id, job.id), index))

    async def save(self, job: Job, number: int, step: Step) -> None:
        """Save the step of this number, counted from 1.

        Raises ClaimLostError if the claim is not the latest one, and JobCancelledError.
        """
        key = keys.job(job.project_id, job.id)
        call = SAVE_JOB(
            key,
            claim=job.claim.number,
            number=number,
            cursor=step.cursor,
            reached=bytes.fromhex("".join(step.reached).replace("-", "")),
            status="cancelled" if job.is_cancelled else "processing",
            counts=[part for name, by in step.counts.items() for part in (name, by)],
            errors=[_encode(error) for error in step.errors],
        )
        saved = await self._client.call(call)
        if saved == _CANCELLED:
            raise JobCancelledError(job.claim.entry)
        if not saved:
            raise ClaimLostError(job.claim.entry)

    async def renew(self, claim: Claim) -> int:
        """Renew the lease of a job, and return how many other jobs wait. Raises ClaimLostError."""
        call = RENEW_JOB(keys.JOB_QUEUE, claim.entry, claim.number, self._now_ms())
        waiting = await self._client.call(call)
        if waiting < 0:
            raise ClaimLostError(claim.entry)
        return waiting

    async def release(self, claim: Claim, after_ms: int = 0) -> None:
        """Return a job to the queue, behind all jobs that wait. It can be claimed after `after_ms`."""
        due_ms = self._now_ms() + min(after_ms, LONGEST_REST_MS)
        await self._client.call(RELEASE_JOB(keys.JOB_QUEUE, claim.entry, claim.number, due_ms))

    async def finish(self, job: Job, error: str = "") -> None:
        """Mark a job as processed, with an error if it was given up. Raises ClaimLostError.

        The records of a sweep and of a completed deletion are removed, so that another one can be enqueued.
        """
        reason = _encode({"message": error}) if error else b""
        kept = job.kind is not JobKind.RETENTION and (bool(error) or job.kind is not JobKind.DELETE_PROJECT)
        key = keys.job(job.project_id, job.id)
        if not await self._client.call(FINISH_JOB(key, job.claim.number, reason, kept)):
            raise ClaimLostError(job.claim.entry)
        await self.drop(job.claim)

    async def drop(self, claim: Claim) -> None:
        """Remove a finished job from the queue."""
        await self._client.call(DROP_JOB(keys.JOB_QUEUE, claim.entry, claim.number))

    def _now_ms(self) -> int:
        return math.floor(self._unix() * 1000)
