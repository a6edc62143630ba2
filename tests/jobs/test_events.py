"""The project events of jobs: one when a broadcast begins, one a step, one at the end; of an import only the last."""

from uuid import uuid4

import pytest

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.project_event import ProjectEventType
from gateway.jobs.events import JobEvents
from gateway.store.job_queue import Claim, Job, Step
from gateway.store.jobs import JobKind, JobStore
from gateway.store.project_event_log import EventRetention, ProjectEventLog
from gateway.store.project_events import ProjectEvents
from tests.store.conftest import InspectedClient


def job_of(kind: JobKind, steps: int = 0, attempts: int = 1) -> Job:
    claim = Claim(ProjectId(f"p{uuid4().hex[:8]}"), str(uuid4()), 1)
    return Job(claim, kind, b"", "", steps, 1_800_000_000_000, attempts)


async def events_of(client: InspectedClient, job: Job) -> list[tuple[str, bytes]]:
    """Return the events of a job that begins, saves a step and ends."""
    log = ProjectEventLog(client, EventRetention(100, 100))
    events = ProjectEvents(log)
    observer = JobEvents(JobStore(client), events)
    observer.started(job)
    observer.saved(job, Step("1", {}, (), [UserId(str(uuid4()))] * 3))
    observer.saved(job, Step("2"))
    await observer.finished(job)
    await events.flush()
    found = (await log.read(job.project_id, ProjectEventType, 10)).events
    return [(event.type.label, event.context) for event in reversed(found) if event.type]


async def test_a_broadcast_has_an_event_for_each_step_that_reached_somebody(client: InspectedClient) -> None:
    job = job_of(JobKind.BROADCAST)
    await JobStore(client).enqueue(JobKind.BROADCAST, job.project_id, job.id, b"", 1_800_000_000_000)
    broadcast = b'{"broadcast_id":"%s",' % job.id.encode()
    assert await events_of(client, job) == [
        ("broadcast.changed", broadcast + b'"status":"processing"}'),
        ("notification.stored", broadcast + b'"count":3}'),
        ("broadcast.changed", broadcast + b'"status":"processed","total":0,"failures":0}'),
    ]


async def test_a_resumed_broadcast_does_not_begin_again(client: InspectedClient) -> None:
    job = job_of(JobKind.BROADCAST, steps=1)
    assert [kind for kind, _ in await events_of(client, job)] == ["notification.stored", "broadcast.changed"]


async def test_an_import_has_an_event_when_it_is_done(client: InspectedClient) -> None:
    job = job_of(JobKind.IMPORT)
    assert await events_of(client, job) == [("import.done", b'{"import_id":"%s"}' % job.id.encode())]


@pytest.mark.parametrize("kind", [JobKind.RETENTION, JobKind.DELETE_PROJECT])
async def test_other_jobs_have_no_events(client: InspectedClient, kind: JobKind) -> None:
    assert await events_of(client, job_of(kind)) == []
