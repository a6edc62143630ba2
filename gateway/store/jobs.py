"""The records of background jobs: their input, progress and result.

A job is a record in its project's slot and an entry in the one queue of all projects, which store/job_queue.py reads.
To enqueue a job, its record is written first, then its entry, then the project's list. Repeating the call completes
this. A job without an entry was never acknowledged.

A record has the version of its plan, which consists of payload, portions and cursor. Gateways of several versions may
share a store during an upgrade. A gateway does not start a job whose plan has a newer version than it knows.
"""

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.retention import ItemRetention
from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import (
    Arguments,
    FunctionCall,
    no_arguments,
    optional_bytes,
    reading_function,
    untouched,
    writing_function,
)
from gateway.store.redis.problems import StoreDataError, StoreFormatError
from gateway.telemetry.logs import log

CONTROL_JOBS = "jobs"
"""The control message that announces a new job."""

KEPT_SECONDS = 30 * 24 * 3600
"""How long the record of a job is kept after it was accepted."""

MAX_LISTED = 10_000
"""How many jobs of a kind a project's list holds. The oldest finished ones are removed to make room."""

RECORDS_AT_ONCE = 5
"""How many records of a list are read in one round trip."""

ID_BYTES = 16

RETENTION_ID = "retention"
"""The id of the job that sweeps a project's inboxes. A project has at most one."""

DELETION_ID = "deletion"
"""The id of the job that deletes a project's data. A project has at most one."""

_encode = msgspec.json.encode


class JobKind(Enum):
    """The kinds of jobs."""

    BROADCAST = "broadcast"
    IMPORT = "import"
    DELETE_PROJECT = "delete_project"
    RETENTION = "retention"


PLAN_VERSIONS: Mapping[JobKind, int] = {
    JobKind.BROADCAST: 1,
    JobKind.IMPORT: 1,
    JobKind.DELETE_PROJECT: 1,
    JobKind.RETENTION: 1,
}
"""The version of the plans that this gateway stores, by kind. A record without a version has version 1.

All kinds share one sequence of numbers. A new kind gets the number after the greatest one, and so does a kind whose
plan changes in a way that earlier gateways cannot follow.
"""

CANCELLED_VERSION = 2
"""The version of a cancelled job, whatever its kind. Gateways that know no cancelled jobs leave it alone."""

KNOWN_PLAN_VERSION = max(CANCELLED_VERSION, *PLAN_VERSIONS.values())
"""The newest version of a plan that this gateway can follow."""

_FREEING_KINDS = frozenset((JobKind.DELETE_PROJECT, JobKind.RETENTION))
"""The kinds of jobs that only remove data. A server that is out of memory accepts them too."""


class JobRecord(NamedTuple):
    """The stored record of a job. `errors` is a JSON array, and `counts` has the counts by name."""

    kind: str
    payload: bytes
    status: str
    created_ms: int
    errors: bytes
    counts: Mapping[str, int]


class JobStatus(NamedTuple):
    """The status of a job, and the place in the user index that a broadcast has reached."""

    status: str
    place: int


class JobPage(NamedTuple):
    """A page of a project's jobs of a kind, newest first.

    `newer_than` and `older_than` are the cursors of the neighbouring pages: the ids of the first and the last job, None
    if there are no newer or older ones. `jobs` lacks those that cannot be read.
    """

    jobs: Sequence[tuple[str, JobRecord]]
    newer_than: str | None
    older_than: str | None


# ---- functions


def _create(kind: str, version: int, payload: bytes, created_ms: int, portions: Sequence[bytes]) -> Arguments:
    return (kind, version, payload, created_ms, KEPT_SECONDS, *portions)


def _cancel(kind: str, version: int) -> Arguments:
    return (kind, version)


def _enqueue(entry: str, now_ms: int) -> Arguments:
    return (entry, now_ms)


def _list(job_id: str, created_ms: int, job_prefix: str) -> Arguments:
    return (job_id, created_ms, KEPT_SECONDS, MAX_LISTED, job_prefix)


def _find(oldest_ms: int, rank: int, limit: int) -> Arguments:
    return (oldest_ms, rank, limit)


def _page(oldest_ms: int, size: int, way: str, cursor: str) -> Arguments:
    return (oldest_ms, size, way, cursor)


def _reached(first: int, count: int) -> Arguments:
    return (first, count)


def _decode_found(reply: Any) -> tuple[int, list[str]]:
    total, *ids = reply
    return int(total), [job_id.decode(errors="replace") for job_id in ids]


def _decode_page(reply: Any) -> tuple[bool, bool, list[str]]:
    has_newer, has_older, *ids = reply
    return bool(has_newer), bool(has_older), [job_id.decode(errors="replace") for job_id in ids]


def _decode_reached(reply: Any) -> tuple[int, list[UserId]]:
    total, packed = reply
    return int(total), [UserId(str(UUID(bytes=packed[at : at + ID_BYTES]))) for at in range(0, len(packed), ID_BYTES)]


CREATE_JOB = writing_function("create_job", "job", _create, bool, when_full=True)
ENQUEUE_JOB = writing_function("enqueue_job", "queue", _enqueue, bool, frees_memory=True)
LIST_JOB = writing_function("list_job", "jobs of a kind", _list, bool)
CANCEL_JOB = writing_function("cancel_job", "job", _cancel, optional_bytes, frees_memory=True)
READ_JOB = reading_function("read_job", "job", no_arguments, untouched)
FIND_JOBS = reading_function("find_jobs", "jobs of a kind", _find, _decode_found)
PAGE_JOBS = reading_function("page_jobs", "jobs of a kind", _page, _decode_page)
READ_REACHED = reading_function("read_reached", "job", _reached, _decode_reached)


# ---- the store


class JobStore:
    """The records of jobs, for the code that enqueues and shows jobs. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient, unix: Callable[[], float] = time.time):
        self._client = client
        self._unix = unix

    async def enqueue(
        self,
        kind: JobKind,
        project_id: ProjectId,
        job_id: str,
        payload: bytes,
        created_ms: int,
        portions: Sequence[bytes] = (),
        listed: bool = True,
    ) -> None:
        """Enqueue a job. A repeated call completes one that failed, and otherwise changes nothing."""
        record = keys.job(project_id, job_id)
        create = CREATE_JOB(record, kind.value, PLAN_VERSIONS[kind], payload, created_ms, portions)
        await self._client.call(create.when_full() if kind in _FREEING_KINDS else create)
        await self._client.call(ENQUEUE_JOB(keys.JOB_QUEUE, f"{project_id} {job_id}", self._now_ms()))
        if listed:
            index = keys.jobs(project_id, kind.value)
            await self._client.call(LIST_JOB(index, job_id, created_ms, keys.job(project_id, "")))
        await self._client.publish(keys.CONTROL, CONTROL_JOBS.encode())

    async def enqueue_project_deletion(self, project_id: ProjectId) -> None:
        """Enqueue the deletion of everything that a project has, except the project's own record."""
        await self.enqueue(JobKind.DELETE_PROJECT, project_id, DELETION_ID, b"", self._now_ms(), listed=False)

    async def enqueue_retention(self, project_id: ProjectId, keep: ItemRetention) -> None:
        """Enqueue a sweep of a project's inboxes, unless one is enqueued already."""
        payload = _encode(tuple(keep))
        await self.enqueue(JobKind.RETENTION, project_id, RETENTION_ID, payload, self._now_ms(), listed=False)

    async def read(self, kind: JobKind, project_id: ProjectId, job_id: str) -> JobRecord | None:
        """Return the record of a job, or None if there is none of this kind.

        Raises StoreFormatError if the plan's version is newer than this gateway's, and StoreDataError for a broken
        record.
        """
        reply = await self._client.call(READ_JOB(keys.job(project_id, job_id)))
        record = _record(job_id, reply) if reply is not None else None
        return record if record is not None and record.kind == kind.value else None

    async def cancel(self, kind: JobKind, project_id: ProjectId, job_id: str) -> str | None:
        """Cancel a job, and return its status now: `cancelled`, or `processed` if it is done; None if there is none.

        The worker that runs it saves no further step. It records which users its last steps had reached by then, so the
        counts may grow for some milliseconds; if it has died, until another worker has claimed the job.
        """
        reply = await self._client.call(CANCEL_JOB(keys.job(project_id, job_id), kind.value, CANCELLED_VERSION))
        return reply.decode() if reply is not None else None

    async def statuses(self, kind: JobKind, project_id: ProjectId, job_ids: Sequence[str]) -> list[JobStatus | None]:
        """Return the statuses of jobs, in order, None for each that is not of this kind. Their plans are not read."""
        if not job_ids:
            return []
        reads = [("HMGET", keys.job(project_id, each), "kind", "status", "cursor") for each in job_ids]
        return [
            JobStatus(status.decode(), int(cursor) if cursor.isdigit() else 0)
            if stored == kind.value.encode()
            else None
            for stored, status, cursor in await self._client.commands(*reads)
        ]

    async def list_page(
        self, kind: JobKind, project_id: ProjectId, page: int, per_page: int
    ) -> tuple[int, list[tuple[str, JobRecord]]]:
        """Return how many jobs of a kind there are, and those of a page with their ids, newest first.

        Records that cannot be read are left out and logged.
        """
        oldest_ms = self._now_ms() - 1000 * KEPT_SECONDS
        index = keys.jobs(project_id, kind.value)
        total, ids = await self._client.call(FIND_JOBS(index, oldest_ms, (page - 1) * per_page, per_page))
        return total, await self._read_each(project_id, ids)

    async def page(
        self, kind: JobKind, project_id: ProjectId, size: int, after: str | None, before: str | None
    ) -> JobPage:
        """Return a page of the jobs of a kind: those directly after or before a job's id, or the newest."""
        oldest_ms = self._now_ms() - 1000 * KEPT_SECONDS
        way, cursor = ("after", after) if after else ("before", before) if before else ("", "")
        call = PAGE_JOBS(keys.jobs(project_id, kind.value), oldest_ms, size, way, cursor or "")
        has_newer, has_older, ids = await self._client.call(call)
        found = await self._read_each(project_id, ids)
        return JobPage(found, ids[0] if has_newer and ids else None, ids[-1] if has_older and ids else None)

    async def _read_each(self, project_id: ProjectId, ids: Sequence[str]) -> list[tuple[str, JobRecord]]:
        found: list[tuple[str, JobRecord]] = []
        # A large record has megabytes, so few are read at a time, and the calls of other requests run in between.
        for first in range(0, len(ids), RECORDS_AT_ONCE):
            some = ids[first : first + RECORDS_AT_ONCE]
            calls: list[FunctionCall[Any]] = [READ_JOB(keys.job(project_id, job_id)) for job_id in some]
            for job_id, reply in zip(some, await self._client.call_each(calls), strict=True):
                with contextlib.suppress(StoreDataError):
                    if reply is not None and not isinstance(reply, StoreDataError):
                        found.append((job_id, _record(job_id, reply)))
        return found

    async def read_reached(
        self, project_id: ProjectId, job_id: str, first: int, count: int
    ) -> tuple[int, list[UserId]]:
        """Return how many users a job has reached, and up to `count` of them from `first` on, in the order of delivery.

        `first` counts from 0.
        """
        return await self._client.call(READ_REACHED(keys.job(project_id, job_id), first, count))

    def _now_ms(self) -> int:
        return math.floor(self._unix() * 1000)


def _record(job_id: str, reply: Sequence[Any]) -> JobRecord:
    try:
        kind, payload, status, created_ms, errors, version, *counts = reply
        by_name = {name.decode(): int(count) for name, count in zip(counts[::2], counts[1::2], strict=True)}
        record = JobRecord(kind.decode(), bytes(payload), status.decode(), int(created_ms), bytes(errors), by_name)
        is_known = int(version) <= KNOWN_PLAN_VERSION
    except (ValueError, TypeError, AttributeError) as problem:
        raise broken_job(job_id, problem) from None
    if not is_known:
        raise StoreFormatError("This job was accepted by a newer version of the gateway", f"job {job_id}")
    return record


def broken_job(job_id: str, problem: Exception) -> StoreDataError:
    """Log that the record of a job cannot be read, and return the error to raise."""
    log.error("store_record_broken", job=job_id, problem=str(problem))
    return StoreDataError("The record of this job cannot be read", f"job {job_id}: {problem}")
