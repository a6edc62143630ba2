"""The project events of jobs: a broadcast begins, reaches users and ends, and an import ends."""

import contextlib
from collections.abc import Mapping

from gateway.domain.project_event import ContextValue, ProjectEvent, ProjectEventType
from gateway.store.job_queue import Job, Step
from gateway.store.jobs import JobKind, JobStore
from gateway.store.project_events import ProjectEvents
from gateway.store.redis.problems import StoreUnavailableError


class JobEvents:
    """Writes the events of broadcasts and imports. Other jobs have none."""

    def __init__(self, jobs: JobStore, events: ProjectEvents):
        self._jobs = jobs
        self._events = events

    def started(self, job: Job) -> None:
        """Note that a broadcast begins. Whoever resumes it is not its beginning."""
        if job.kind is JobKind.BROADCAST and job.steps == 0 and job.attempts == 1 and not job.is_cancelled:
            self._note(job, ProjectEventType.BROADCAST_CHANGED, {"broadcast_id": job.id, "status": "processing"})

    def saved(self, job: Job, step: Step) -> None:
        """Note the users whom a step of a broadcast reached, as one event."""
        if job.kind is JobKind.BROADCAST and step.reached:
            self._events.usage.stored(job.project_id, len(step.reached))
            self._note(job, ProjectEventType.STORED, {"broadcast_id": job.id, "count": len(step.reached)})

    async def finished(self, job: Job) -> None:
        """Note that a broadcast or an import is done, with its counts if they can be read."""
        if job.kind not in (JobKind.BROADCAST, JobKind.IMPORT):
            return
        counts: Mapping[str, int] = {}
        is_cancelled = False
        with contextlib.suppress(StoreUnavailableError):
            record = await self._jobs.read(job.kind, job.project_id, job.id)
            if record is not None:
                counts, is_cancelled = record.counts, record.status == "cancelled"
        total, failures = counts.get("total"), counts.get("failures")
        if job.kind is JobKind.BROADCAST:
            status = "cancelled" if is_cancelled else "processed"
            context = {"broadcast_id": job.id, "status": status, "total": total, "failures": failures}
            self._note(job, ProjectEventType.BROADCAST_CHANGED, context)
        else:
            context = {"import_id": job.id, "total": total, "failures": failures}
            self._note(job, ProjectEventType.IMPORT_DONE, context)

    def _note(self, job: Job, kind: ProjectEventType, context: Mapping[str, ContextValue]) -> None:
        self._events.note(job.project_id, ProjectEvent(kind, None, context))
