"""Broadcast jobs: named users first, then the audience, each user once, even after interruptions."""

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from gateway.domain.ids import ProjectId
from gateway.domain.notification import Filter, read_item_id
from gateway.domain.preferences import Status
from gateway.domain.principal import Identity, User
from gateway.domain.retention import KEEP_ALL, ItemRetention
from gateway.jobs import broadcasts as broadcasts_module
from gateway.jobs import runner as runner_module
from gateway.jobs.broadcasts import Broadcaster
from gateway.sending.command import Recipient, TopicRecipients
from gateway.sending.deliverer import Deliverer
from gateway.sending.plans import BroadcastPlan
from gateway.store import keys
from gateway.store.audience import AudienceStore
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.deletion import UserDeletion
from gateway.store.directory import Directory
from gateway.store.event_log import Moment
from gateway.store.inbox import InboxStore
from gateway.store.job_queue import JobQueue, Step
from gateway.store.jobs import JobKind, JobRecord, JobStore
from gateway.store.profiles import ProfileStore
from gateway.store.recipient_states import RecipientStates
from gateway.store.redis.problems import StoreUnavailableError
from gateway.store.subscriptions import SubscriptionStore
from tests.jobs.test_runner import queue, running, soon
from tests.sending import recorded
from tests.sending.rules import inbox_rules, outbox_sender
from tests.store.conftest import InspectedClient, new_user

__all__ = ["queue", "soon"]

EVERYONE = Recipient(matches="*")
ADAS = Recipient(matches={"first_name": "Ada"})
SUBSCRIBERS = Recipient(topic=TopicRecipients(True))


@dataclass
class Station:
    """A project and the sender of broadcasts to its users."""

    client: InspectedClient
    queue: JobQueue
    inboxes: InboxStore

    def __post_init__(self) -> None:
        self.project_id: ProjectId = new_user().project_id
        self.directory = Directory(self.client, lambda: 0.0)
        self.jobs = JobStore(self.client)
        self.profiles = ProfileStore(self.client)
        self.contents = ContentStore(self.client)
        self.subscriptions = SubscriptionStore(self.client)

        async def keep(project_id: ProjectId) -> ItemRetention:
            return KEEP_ALL

        deliverer = Deliverer(
            self.directory, self.inboxes, inbox_rules(self.client), outbox_sender(self.client, self.inboxes)
        )
        self.broadcaster = Broadcaster(
            self.jobs,
            self.directory,
            deliverer,
            self.profiles,
            self.contents,
            self.subscriptions,
            keep,
            AudienceStore(self.client),
            RecipientStates(self.client),
        )

    async def users(self, count: int) -> list[User]:
        identities = [Identity(f"u{number}") for number in range(count)]
        return [found.user for found in await self.directory.resolve_many(self.project_id, identities)]

    def plan(self, *recipients: Recipient, users: int, topic: str | None = None) -> bytes:
        shown = NotificationFields(title="Hello", topic=topic)
        moment = Moment(1_800_000_000_000, "e0")
        plan = BroadcastPlan(msgspec.Raw(b"{}"), shown, list(recipients), "broadcast", moment, users)
        return msgspec.json.encode(plan)

    async def enqueue(self, payload: bytes) -> str:
        job_id = str(uuid4())
        await self.jobs.enqueue(JobKind.BROADCAST, self.project_id, job_id, payload, 1_800_000_000_000)
        return job_id

    async def finish(self, job_id: str) -> JobRecord:
        async with running(self.queue, self.broadcaster.work, kind=JobKind.BROADCAST), asyncio.timeout(20):
            while (record := await self.record(job_id)).status != "processed":
                await asyncio.sleep(0.01)
        return record

    async def record(self, job_id: str) -> JobRecord:
        record = await self.jobs.read(JobKind.BROADCAST, self.project_id, job_id)
        assert record is not None
        return record

    async def send(self, *recipients: Recipient, users: int, topic: str | None = None) -> tuple[str, JobRecord]:
        job_id = await self.enqueue(self.plan(*recipients, users=users, topic=topic))
        return job_id, await self.finish(job_id)

    async def who_has(self, job_id: str, users: Sequence[User]) -> list[int]:
        """Return the places of the users who have the item; each of them has it once."""
        found = []
        for place, user in enumerate(users):
            items = (await self.inboxes.list_page(user, Filter(), 1, 10)).items
            ids = [json.loads(item)["id"] for item in items]
            assert ids.count(job_id) <= 1
            found += [place] if job_id in ids else []
        return found


@pytest.fixture
def station(client: InspectedClient, queue: JobQueue, store: InboxStore) -> Station:
    return Station(client, queue, store)


async def test_everyone_gets_the_item_except_users_who_were_created_afterwards(station: Station) -> None:
    users = await station.users(4)
    job_id, record = await station.send(EVERYONE, users=3)
    assert await station.who_has(job_id, users) == [0, 1, 2]
    assert (record.counts["total"], record.counts["failures"]) == (3, 0)


async def test_named_users_matching_users_and_subscribers_get_it_once_each(station: Station) -> None:
    users = await station.users(5)
    for number in (0, 1):
        await station.profiles.set(users[number], {"first_name": "Ada"})
    for number in (1, 2, 3):
        await station.subscriptions.set(users[number], "t", Status.SUBSCRIBED, {"*": ""})
    named = Recipient(external_id="u3")
    job_id, record = await station.send(named, named, ADAS, SUBSCRIBERS, users=5, topic="t")
    assert await station.who_has(job_id, users) == [0, 1, 2, 3]
    assert record.counts["total"] == 4


async def test_subscribers_are_reached_in_chunks(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcasts_module, "CHUNK_USERS", 2)
    users = await station.users(5)
    for user in users[1:]:
        await station.subscriptions.set(user, "t", Status.SUBSCRIBED, {"*": ""})
    job_id, record = await station.send(SUBSCRIBERS, users=5, topic="t")
    assert await station.who_has(job_id, users) == [1, 2, 3, 4]
    assert record.counts["total"] == 4


async def test_named_recipients_alone_need_no_pass(station: Station) -> None:
    users = await station.users(2)
    job_id, _ = await station.send(Recipient(external_id="u1"), users=2)
    assert await station.who_has(job_id, users) == [1]
    total, reached = await station.jobs.read_reached(station.project_id, job_id, 0, 10)
    assert (total, reached) == (1, [users[1].id])


async def test_conflicting_recipients_are_failures_and_the_others_get_it(station: Station) -> None:
    users = await station.users(1)
    await station.directory.resolve(station.project_id, Identity(None, "joe@example.com"))
    conflicting = Recipient(external_id="u0", email="joe@example.com")
    job_id, record = await station.send(EVERYONE, conflicting, Recipient(external_id="u0"), users=2)
    assert await station.who_has(job_id, users) == [0]
    message = "Param 'broadcast.recipients[1]' has the external_id of one user and the email of another"
    assert json.loads(record.errors) == [{"message": message}]
    assert (record.counts["total"], record.counts["failures"]) == (3, 1)


async def test_a_user_who_was_deleted_meanwhile_is_left_out(station: Station) -> None:
    users = await station.users(3)
    await UserDeletion(station.client).delete(users[1])
    _, record = await station.send(EVERYONE, users=3)
    assert (record.counts["total"], record.counts["failures"]) == (2, 0)


@pytest.mark.parametrize("recipients", [[EVERYONE], [Recipient(external_id=name) for name in ("u0", "u1", "u2")]])
async def test_a_recipient_whose_data_cannot_be_read_is_a_failure_and_the_others_get_it(
    station: Station, monkeypatch: pytest.MonkeyPatch, recipients: list[Recipient]
) -> None:
    monkeypatch.setattr(runner_module, "BROKEN_RETRY_MS", 10)
    users = await station.users(3)
    await station.client.redis.set(keys.user(station.project_id, users[1].id), "not a hash")
    job_id, record = await station.send(*recipients, users=3)
    assert (record.counts["total"], record.counts["failures"]) == (3, 1)
    assert users[1].id in json.loads(record.errors)[0]["message"]
    assert await station.who_has(job_id, [users[0], users[2]]) == [0, 1]


async def test_a_broadcast_that_is_interrupted_after_any_step_reaches_every_user_once(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcasts_module, "CHUNK_USERS", 2)
    users = await station.users(7)
    job_id = await station.enqueue(station.plan(EVERYONE, Recipient(external_id="u3"), users=7))
    saved = station.queue.save

    async def save_and_fail(job: Any, number: int, step: Step) -> None:
        await saved(job, number, step)
        raise StoreUnavailableError

    monkeypatch.setattr(station.queue, "save", save_and_fail)
    record = await station.finish(job_id)
    assert await station.who_has(job_id, users) == list(range(7))
    assert record.counts["total"] == 7


async def test_the_content_is_cached_for_the_open_inboxes_of_the_worker_that_sends(station: Station) -> None:
    await station.users(1)
    job_id, _ = await station.send(EVERYONE, users=1)
    assert station.contents.expand_cached(b'{"id":"%b"\0' % job_id.encode()) is not None


async def test_the_content_is_cached_by_a_worker_that_resumes_the_job(station: Station) -> None:
    await station.users(1)
    job_id = await station.enqueue(station.plan(EVERYONE, users=1))
    claim = await station.queue.claim()
    assert claim is not None
    job = await station.queue.start(claim)
    assert job is not None
    await station.queue.save(job, 1, Step("begin"))
    await station.queue.release(claim)
    await station.finish(job_id)
    assert station.contents.expand_cached(b'{"id":"%b"\0' % job_id.encode()) is not None


# ---- jobs of earlier versions


async def test_a_broadcast_that_was_begun_before_plans_had_versions_goes_on_where_it_was(station: Station) -> None:
    users = await station.users(5)
    record = {
        "format": "1",
        "kind": "broadcast",
        "payload": recorded.BROADCAST_PLAN.replace(b":1203}", b":5}"),
        "created_ms": "1795961054378",
        "status": "processing",
        "cursor": "2",
        "steps": "2",
        "claim": "1795961054379",
        "attempts": "0",
        "total": "2",
        "failures": "0",
    }
    job_id = recorded.BROADCAST_ID
    key = keys.job(station.project_id, job_id)
    content = Content(read_item_id(job_id), "orders", "order:1", recorded.CONTENT)
    await station.contents.put(station.project_id, content)
    await station.client.redis.hset(key, mapping=record)  # type: ignore[arg-type] # wider than its own type
    await station.client.redis.zadd(keys.JOB_QUEUE, {f"{station.project_id} {job_id}": 1795961054378})
    found = await station.finish(job_id)
    assert await station.who_has(job_id, users) == [2, 3, 4]
    assert found.counts["total"] == 5
    item = await station.inboxes.get(users[2], read_item_id(job_id))
    assert item is not None
    assert item.startswith(recorded.CONTENT)


# ---- cancelling


async def cancelled_count(station: Station, job_id: str, users: Sequence[User]) -> int:
    """Return how many users a cancelled broadcast reached. Its count and its list are exact."""
    record = await station.record(job_id)
    holders = await station.who_has(job_id, users)
    _, reached = await station.jobs.read_reached(station.project_id, job_id, 0, len(users))
    assert record.status == "cancelled"
    assert sorted(reached) == sorted(users[place].id for place in holders)
    assert record.counts["total"] == len(holders)
    return len(holders)


async def until_dropped(station: Station) -> None:
    async with asyncio.timeout(20):
        while await station.client.redis.zcard(keys.JOB_QUEUE):
            await asyncio.sleep(0.01)


async def test_a_broadcast_that_is_cancelled_before_it_begins_reaches_nobody(station: Station) -> None:
    users = await station.users(3)
    job_id = await station.enqueue(station.plan(Recipient(external_id="u1"), EVERYONE, users=3))
    for _ in range(2):
        assert await station.jobs.cancel(JobKind.BROADCAST, station.project_id, job_id) == "cancelled"
    async with running(station.queue, station.broadcaster.work, kind=JobKind.BROADCAST):
        await until_dropped(station)
    assert await cancelled_count(station, job_id, users) == 0


async def test_a_broadcast_that_is_done_stays_so(station: Station) -> None:
    users = await station.users(2)
    job_id, _ = await station.send(EVERYONE, users=2)
    assert await station.jobs.cancel(JobKind.BROADCAST, station.project_id, job_id) == "processed"
    assert await station.jobs.cancel(JobKind.IMPORT, station.project_id, job_id) is None
    assert await station.jobs.cancel(JobKind.BROADCAST, station.project_id, str(uuid4())) is None
    assert len(await station.who_has(job_id, users)) == 2


@pytest.mark.parametrize("seed", range(8))
async def test_the_count_of_a_cancelled_broadcast_is_exact_although_workers_die_at_any_point(
    station: Station, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Cancel between any two commands of a step, with a worker that is killed before or after it, or goes on."""
    draw = random.Random(seed)
    monkeypatch.setattr(broadcasts_module, "CHUNK_USERS", 2)
    users = await station.users(40)
    for user in users[::3]:
        await station.subscriptions.set(user, "t", Status.SUBSCRIBED, {"*": ""})
    recipients = (SUBSCRIBERS,) if seed % 3 == 2 else (EVERYONE,)
    named = [Recipient(external_id=f"u{number}") for number in (3, 30)]
    job_id = await station.enqueue(station.plan(*named, *recipients, users=40, topic="t"))
    steps, record = draw.randrange(8 if recipients == (EVERYONE,) else 4), keys.job(station.project_id, job_id)

    async def cancel() -> None:
        while int(await station.client.redis.hget(record, "steps") or 0) < steps:
            await asyncio.sleep(0)
        await station.jobs.cancel(JobKind.BROADCAST, station.project_id, job_id)

    cancelling = asyncio.create_task(cancel())
    for _ in range(draw.randrange(3)):  # these are killed
        async with running(station.queue, station.broadcaster.work, kind=JobKind.BROADCAST):
            for _ in range(draw.randrange(200)):
                await asyncio.sleep(0)
    async with running(station.queue, station.broadcaster.work, kind=JobKind.BROADCAST):
        await cancelling
        await until_dropped(station)
    assert await cancelled_count(station, job_id, users) < 40
