"""Durable jobs: what is accepted now and done later, in steps, by whichever worker of any node comes to it.

A job is a record in its project's slot and an entry in one queue of all projects. Accepting writes the record, then
the entry, then the project's list: repeated, it completes what was begun, and what has no entry was never answered.

    claim    a worker takes the entry that has waited longest, for a lease; the claim has a number that only grows
    start    the record notes the claim, and refuses all earlier ones from then on
    save     a step: its cursor, counts, errors and the users it reached are written together, once
    renew    the worker keeps the entry, and hears whether other jobs wait
    release  or leaves it to whoever comes next
    finish   the record is `processed`; then the entry is dropped

The lease only spares work: that two workers at one job do no harm is up to the record, which saves the steps of its
latest claim alone. A worker that dies leaves an entry that can be claimed when the lease is over.
"""

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from gateway.domain.principal import ProjectId, UserId
from gateway.domain.retention import ItemRetention
from gateway.store import keys
from gateway.store.redis.client import Argument, FunctionClient
from gateway.store.redis.problems import StoreDataError
from gateway.telemetry.logs import log

CONTROL_JOBS = "jobs"
"""The control message that says that a job waits."""

LEASE_MS = 5_000
"""How long a claim holds that is not renewed: a step takes milliseconds, so this outlasts a stall of Redis."""

LONGEST_REST_MS = 60_000
"""How far ahead an entry of the queue may lie; one that lies further was put there by a clock that was ahead."""

KEPT_SECONDS = 30 * 24 * 3600
"""How long a job can be looked at after it was accepted."""

MAX_LISTED = 10_000
"""Jobs of a kind that a project keeps; of more, the oldest that are done give way."""

MAX_ERRORS = 1_000
"""Errors kept of a job; the count of failures has all."""

RECORDS_AT_ONCE = 5
"""Records of a list that are read together."""

ID_BYTES = 16

RETENTION_ID = "retention"
"""The id of the one job that sweeps a project's inboxes."""

DELETION_ID = "deletion"
"""The id of the one job that removes a project."""

_encode = msgspec.json.encode


class JobKind(Enum):
    """What jobs do."""

    BROADCAST = "broadcast"
    IMPORT = "import"
    DELETE_PROJECT = "delete_project"
    RETENTION = "retention"


FREEING_KINDS = frozenset((JobKind.DELETE_PROJECT, JobKind.RETENTION))
"""Jobs that only remove."""


class ClaimLostError(Exception):
    """Another worker has taken the job over, or it is gone."""


class BrokenEntryError(Exception):
    """The queue held what is no job. It was removed."""

    def __init__(self, entry: str):
        super().__init__(entry)
        self.entry = entry


class Claim(NamedTuple):
    """A job that this worker may do for now."""

    project_id: ProjectId
    job_id: str
    number: int

    @property
    def entry(self) -> str:
        """The job as the queue names it."""
        return f"{self.project_id} {self.job_id}"


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands when a worker starts or resumes it. `steps` were done; `attempts` were made at the next."""

    claim: Claim
    kind: JobKind
    payload: bytes
    cursor: str
    steps: int
    created_ms: int
    attempts: int

    @property
    def project_id(self) -> ProjectId:
        """Whose job it is."""
        return self.claim.project_id

    @property
    def id(self) -> str:
        """Its id, unique in the project."""
        return self.claim.job_id


@dataclass(frozen=True, slots=True)
class Step:
    """What a step did. `cursor` is where the next begins; `errors` are for the people who asked for the job."""

    cursor: str
    counts: Mapping[str, int] = field(default_factory=dict)
    errors: Sequence[Mapping[str, Any]] = ()
    reached: Sequence[UserId] = ()


class JobRecord(NamedTuple):
    """A job to look at. `errors` is a JSON array."""

    kind: str
    payload: bytes
    status: str
    created_ms: int
    errors: bytes
    counts: Mapping[str, int]


class JobStore:
    """Jobs as those see them who ask for them. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient, unix: Callable[[], float] = time.time):
        self._client = client
        self._unix = unix

    async def accept(
        self,
        kind: JobKind,
        project_id: ProjectId,
        job_id: str,
        payload: bytes,
        created_ms: int,
        portions: Sequence[bytes] = (),
        listed: bool = True,
    ) -> None:
        """Take a job on; it will be done. Accepting it again changes nothing, but completes what was begun."""
        record = keys.job(project_id, job_id)
        # What frees memory is taken on by a store that has none left, too.
        function = "create_job_when_full" if kind in FREEING_KINDS else "create_job"
        await self._client.call(function, record, kind.value, payload, created_ms, KEPT_SECONDS, *portions)
        await self._client.call("enqueue_job", keys.JOB_QUEUE, f"{project_id} {job_id}", self._now_ms())
        if listed:
            await self._client.call(
                "list_job",
                keys.jobs(project_id, kind.value),
                *(job_id, created_ms, KEPT_SECONDS, MAX_LISTED, keys.job(project_id, "")),
            )
        await self._client.publish(keys.CONTROL, CONTROL_JOBS.encode())

    async def enqueue_project_deletion(self, project_id: ProjectId) -> None:
        """Have everything of a project removed, but for the project's own record."""
        await self.accept(JobKind.DELETE_PROJECT, project_id, DELETION_ID, b"", self._now_ms(), listed=False)

    async def enqueue_retention(self, project_id: ProjectId, keep: ItemRetention) -> None:
        """Have a project's inboxes swept, unless a sweep is under way."""
        await self.accept(
            JobKind.RETENTION, project_id, RETENTION_ID, _encode(tuple(keep)), self._now_ms(), listed=False
        )

    async def read(self, kind: JobKind, project_id: ProjectId, job_id: str) -> JobRecord | None:
        """Look at a job; None when there is none of this kind."""
        answer = await self._client.call("read_job", keys.job(project_id, job_id))
        record = _record(job_id, answer) if answer is not None else None
        return record if record is not None and record.kind == kind.value else None

    async def list_page(
        self, kind: JobKind, project_id: ProjectId, page: int, per_page: int
    ) -> tuple[int, list[tuple[str, JobRecord]]]:
        """Give how many jobs of a kind there are, and those of a page with their ids, newest first."""
        oldest_ms = self._now_ms() - 1000 * KEPT_SECONDS
        index = keys.jobs(project_id, kind.value)
        total, *ids = await self._client.call("find_jobs", index, oldest_ms, (page - 1) * per_page, per_page)
        names = [job_id.decode(errors="replace") for job_id in ids]
        calls: list[tuple[str, str, Sequence[Argument]]] = [
            ("read_job", keys.job(project_id, name), ()) for name in names
        ]
        # A few at a time: a large one has megabytes, and what others want comes in between.
        answers: list[Any] = []
        for first in range(0, len(calls), RECORDS_AT_ONCE):
            answers += await self._client.call_each(calls[first : first + RECORDS_AT_ONCE])
        found: list[tuple[str, JobRecord]] = []
        for name, answer in zip(names, answers, strict=True):
            # One whose record cannot be read is named in the log, and must not hide the others.
            with contextlib.suppress(StoreDataError):
                if answer is not None and not isinstance(answer, StoreDataError):
                    found.append((name, _record(name, answer)))
        return total, found

    async def read_reached(
        self, project_id: ProjectId, job_id: str, first: int, count: int
    ) -> tuple[int, list[UserId]]:
        """Give how many users a job has reached, and some of them in the order reached; `first` counts from 0."""
        total, packed = await self._client.call("read_reached", keys.job(project_id, job_id), first, count)
        return int(total), [
            UserId(str(UUID(bytes=packed[at : at + ID_BYTES]))) for at in range(0, len(packed), ID_BYTES)
        ]

    def _now_ms(self) -> int:
        return math.floor(self._unix() * 1000)


class JobQueue:
    """Jobs as the workers see them who do them. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient, unix: Callable[[], float] = time.time):
        self._client = client
        self._unix = unix

    async def claim(self) -> Claim | None:
        """Take the job that has waited longest, if one waits. Raises BrokenEntryError."""
        answer = await self._client.call("claim_job", keys.JOB_QUEUE, self._now_ms(), LEASE_MS, LONGEST_REST_MS)
        if answer is None:
            return None
        project_id, _, job_id = answer[0].decode(errors="replace").partition(" ")
        claim = Claim(ProjectId(project_id), job_id, int(answer[1]))
        if not job_id or claim.entry.encode() != answer[0]:
            await self._client.call("drop_job", keys.JOB_QUEUE, answer[0], claim.number)
            raise BrokenEntryError(repr(answer[0][:100]))
        return claim

    async def start(self, claim: Claim) -> Job | None:
        """Begin or go on with a job, again after a failure; None when there is nothing left to do.

        Raises ClaimLostError, and StoreDataError for a record that cannot be read.
        """
        answer = await self._client.call("start_job", keys.job(claim.project_id, claim.job_id), claim.number)
        if answer is None or answer[0] == b"processed":
            return None
        if answer[0] == b"lost":
            raise ClaimLostError(claim.entry)
        try:
            kind, payload, cursor, steps, created_ms, attempts = answer
            return Job(
                claim, JobKind(kind.decode()), payload, cursor.decode(), int(steps), int(created_ms), int(attempts)
            )
        except (ValueError, TypeError, AttributeError) as problem:
            raise _broken(claim.entry, problem) from None

    async def read_portion(self, job: Job, index: int) -> bytes | None:
        """Give a portion of what is to be done, counted from 0; None after the last."""
        portion = await self._client.call("read_portion", keys.job(job.project_id, job.id), index)
        return None if portion is None else bytes(portion)

    async def save(self, job: Job, number: int, step: Step) -> None:
        """Save the step of this number, counted from 1. Raises ClaimLostError: then nothing was written."""
        counts = [part for name, by in step.counts.items() for part in (name, by)]
        saved = await self._client.call(
            "save_job",
            keys.job(job.project_id, job.id),
            *(job.claim.number, number, step.cursor, MAX_ERRORS),
            b"".join(UUID(user_id).bytes for user_id in step.reached),
            *(len(step.counts), *counts),
            *map(_encode, step.errors),
        )
        if not saved:
            raise ClaimLostError(job.claim.entry)

    async def renew(self, claim: Claim) -> int:
        """Keep a job for another lease; give how many others wait. Raises ClaimLostError."""
        arguments = (claim.entry, claim.number, self._now_ms(), LEASE_MS)
        waiting = int(await self._client.call("renew_job", keys.JOB_QUEUE, *arguments))
        if waiting < 0:
            raise ClaimLostError(claim.entry)
        return waiting

    async def release(self, claim: Claim, after_ms: int = 0) -> None:
        """Leave a job to whoever claims it next, behind all that wait already and not before `after_ms` have passed."""
        rest_ms = min(after_ms, LONGEST_REST_MS)
        await self._client.call("release_job", keys.JOB_QUEUE, claim.entry, claim.number, self._now_ms() + rest_ms)

    async def finish(self, job: Job, error: str = "") -> None:
        """Mark a job as done, or as given up for a reason. Raises ClaimLostError.

        Of a deletion that is done nothing stays, and of a sweep, so that another one can begin.
        """
        reason = _encode({"message": error}) if error else b""
        key = keys.job(job.project_id, job.id)
        kept = job.kind is not JobKind.RETENTION and (bool(error) or job.kind is not JobKind.DELETE_PROJECT)
        if not await self._client.call("finish_job", key, job.claim.number, reason, int(kept)):
            raise ClaimLostError(job.claim.entry)
        await self.drop(job.claim)

    async def drop(self, claim: Claim) -> None:
        """Take a job that is done off the queue."""
        await self._client.call("drop_job", keys.JOB_QUEUE, claim.entry, claim.number)

    def _now_ms(self) -> int:
        return math.floor(self._unix() * 1000)


def _record(job_id: str, answer: Sequence[Any]) -> JobRecord:
    try:
        kind, payload, status, created_ms, errors, *counts = answer
        by_name = {name.decode(): int(count) for name, count in zip(counts[::2], counts[1::2], strict=True)}
        return JobRecord(kind.decode(), bytes(payload), status.decode(), int(created_ms), bytes(errors), by_name)
    except (ValueError, TypeError, AttributeError) as problem:
        raise _broken(job_id, problem) from None


def _broken(job_id: str, problem: Exception) -> StoreDataError:
    log.error("store_record_broken", job=job_id, problem=str(problem))
    return StoreDataError("The record of this job cannot be read", f"job {job_id}: {problem}")
