"""A broadcast to somebody whose data cannot be read: everybody else gets it, and the job says who did not."""

import asyncio
import json
import secrets
from uuid import uuid4

import msgspec
import pytest

from gateway.domain.notification import Filter
from gateway.domain.principal import Identity, ProjectId, User
from gateway.domain.retention import KEEP_ALL, ItemRetention
from gateway.jobs import runner as runner_module
from gateway.jobs.broadcasts import Broadcaster
from gateway.sending.command import Recipient
from gateway.sending.deliverer import Deliverer
from gateway.sending.plans import BroadcastPlan
from gateway.store import keys
from gateway.store.contents import ContentStore, NotificationFields
from gateway.store.directory import Directory
from gateway.store.event_log import Moment
from gateway.store.inbox import InboxStore
from gateway.store.job_queue import JobQueue
from gateway.store.jobs import JobKind, JobStore
from gateway.store.profiles import ProfileStore
from gateway.store.subscriptions import SubscriptionStore
from tests.jobs.test_runner import running
from tests.store.conftest import InspectedClient
from tests.store.test_directory import Clock


@pytest.mark.parametrize(
    "recipients", [[Recipient(matches="*")], [Recipient(external_id=name) for name in ("u0", "u1", "u2")]]
)
async def test_a_recipient_whose_data_cannot_be_read_is_a_failure_and_the_others_get_it(
    client: InspectedClient, store: InboxStore, monkeypatch: pytest.MonkeyPatch, recipients: list[Recipient]
) -> None:
    monkeypatch.setattr(runner_module, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(runner_module, "BROKEN_RETRY_MS", 10)
    await client.redis.unlink(keys.JOB_QUEUE, keys.JOB_QUEUE + keys.JOB_SUFFIXES["CLAIMS"])
    project = ProjectId("p-" + secrets.token_hex(4))
    directory = Directory(client, Clock())
    users = [await directory.resolve(project, Identity(f"u{number}")) for number in range(3)]
    await client.redis.set(keys.user(project, users[1].id), "not a hash")
    jobs, queue = JobStore(client), JobQueue(client)

    async def keep(project_id: ProjectId) -> ItemRetention:
        return KEEP_ALL

    subscriptions = SubscriptionStore(client)
    deliverer, contents = Deliverer(directory, store), ContentStore(client)
    broadcaster = Broadcaster(jobs, directory, deliverer, ProfileStore(client), contents, subscriptions, keep)
    job_id = str(uuid4())
    moment = Moment(1_800_000_000_000, "e0")
    shown = NotificationFields(title="Hello")
    plan = BroadcastPlan(msgspec.Raw(b"{}"), shown, recipients, "broadcast", moment, len(users))
    await jobs.enqueue(JobKind.BROADCAST, project, job_id, msgspec.json.encode(plan), 1_800_000_000_000)
    async with running(queue, broadcaster.work, kind=JobKind.BROADCAST), asyncio.timeout(20):
        while (record := await jobs.read(JobKind.BROADCAST, project, job_id)) is None or record.status != "processed":
            await asyncio.sleep(0.01)
    assert (record.counts["total"], record.counts["failures"]) == (3, 1)
    assert users[1].id in json.loads(record.errors)[0]["message"]
    for user in (users[0], users[2]):
        assert (await _listed(store, user)) == [job_id]


async def _listed(store: InboxStore, user: User) -> list[str]:
    return [json.loads(item)["id"] for item in (await store.list_page(user, Filter(), 1, 10)).items]
