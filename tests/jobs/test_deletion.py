"""Deletion jobs: all data of a project is deleted, the record of the job last."""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

import pytest

from gateway.domain.delivery import Lane, Route
from gateway.domain.ids import ProjectId
from gateway.domain.principal import Identity
from gateway.jobs.deletion import ProjectDeletion
from gateway.store import erasure, keys
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.deletion import UserDeletion
from gateway.store.deliveries import Delivery
from gateway.store.directory import Directory
from gateway.store.erasure import Eraser
from gateway.store.inbox import InboxStore
from gateway.store.job_queue import Job, JobQueue
from gateway.store.jobs import DELETION_ID, JobKind, JobStore
from gateway.store.lanes import LaneStore
from tests.jobs.test_runner import queue, running, soon
from tests.store.conftest import InspectedClient, at, new_user

__all__ = ["queue", "soon"]


async def keys_of(client: InspectedClient, project_id: ProjectId) -> set[str]:
    return {key.decode("latin-1") async for key in client.redis.scan_iter(f"*{project_id}*", count=10_000)}


async def fill(client: InspectedClient, store: InboxStore, names: Sequence[str]) -> ProjectId:
    """Create a project with some users, who share an item."""
    project_id = new_user().project_id
    identities = [Identity(name) for name in names]
    users = [found.user for found in await Directory(client, lambda: 0.0).resolve_many(project_id, identities)]
    content = Content.encode(str(uuid4()), NotificationFields(title="t"))
    await ContentStore(client).put(project_id, content)
    await store.create(content.as_reference(), [Delivery(user) for user in users], at(1), remember=True)
    return project_id


async def test_a_deletion_erases_all_but_the_records_that_users_were_deleted(
    client: InspectedClient, queue: JobQueue, store: InboxStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "SCANNED_KEYS", 5)  # several steps a pass
    doomed, other = await fill(client, store, ["ada", "joe", "eve"]), await fill(client, store, ["ada"])
    lanes = LaneStore(client)
    for project_id in (doomed, other):
        await lanes.add(Lane(project_id, Route.EMAIL), new_user().id)
    before = await keys_of(client, other)
    await JobStore(client).enqueue_project_deletion(doomed)
    deletion = ProjectDeletion(Eraser(client, UserDeletion(client)), 0)
    async with running(queue, deletion.work, kind=JobKind.DELETE_PROJECT), asyncio.timeout(20):
        while await client.redis.zcard(keys.JOB_QUEUE):
            await asyncio.sleep(0.01)
    left = await keys_of(client, doomed)
    assert len(left) == 3
    assert all([await client.redis.hgetall(key) == {b"deleted": b"1"} for key in left])
    assert await keys_of(client, other) == before
    assert await lanes.of_project(doomed) == []
    assert len(await lanes.of_project(other)) == 1


async def test_the_record_of_the_job_is_spared_while_it_runs(
    client: InspectedClient, queue: JobQueue, store: InboxStore
) -> None:
    doomed = await fill(client, store, ["ada"])
    await JobStore(client).enqueue_project_deletion(doomed)
    claim = await queue.claim()
    assert claim is not None
    job = await queue.start(claim)
    assert isinstance(job, Job)
    steps = [step async for step in ProjectDeletion(Eraser(client, UserDeletion(client)), 0).work(job)]
    assert len(steps) >= 2, "the last pass finds nothing"
    assert await client.redis.exists(keys.job(doomed, DELETION_ID))
    assert await queue.start(claim) is not None
