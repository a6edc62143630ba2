"""Sweeps: they trim inboxes that get no new items, and continue after interruptions."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import pytest

from gateway.domain.ids import ProjectId
from gateway.domain.notification import Filter
from gateway.domain.principal import Identity, User
from gateway.domain.retention import KEEP_ALL, ItemRetention
from gateway.jobs import retention as retention_module
from gateway.jobs.retention import RetentionLookup, Sweeper, SweepScheduler, sweep_seconds
from gateway.jobs.runner import JobRunner
from gateway.store import keys
from gateway.store.deliveries import Delivery
from gateway.store.directory import Directory
from gateway.store.event_log import LogRetention, Moment
from gateway.store.inbox import InboxStore
from gateway.store.job_queue import JobQueue
from gateway.store.jobs import RETENTION_ID, JobKind, JobStore
from gateway.store.project_records import ProjectChange
from gateway.store.projects import ProjectStore
from gateway.store.sweeps import SweepRecord, SweepStore
from gateway.store.trimming import ItemTrimmer
from tests.jobs.test_runner import queue, soon
from tests.logs import captured_log
from tests.sending import recorded
from tests.store.conftest import InspectedClient
from tests.store.test_inbox import content

__all__ = ["queue", "soon"]

SENT_BEFORE = 100


class Swept:
    """A project with some users, and its sweeper."""

    def __init__(self, client: InspectedClient, queue: JobQueue, store: InboxStore):
        self._client = client
        self.projects = ProjectStore(client, "secret")
        self.directory = Directory(client, time.monotonic)
        self.jobs = JobStore(client)
        self.sweeps = SweepStore(client)
        self.inboxes = store
        self.trimmer = ItemTrimmer(client, LogRetention(events=1000, seconds=1000))
        self.queue = queue
        self.users: list[User] = []

    async def begin(self, users: int, items: int, bounds: ItemRetention) -> None:
        """Create a project with these bounds, and users with so many items each, sent a while ago."""
        self.project = await self.projects.create(
            "Shop", True, item_retention_count=bounds.items, item_retention_seconds=bounds.seconds
        )
        identities = [Identity(external_id=f"user{number}") for number in range(users)]
        self.users = [found.user for found in await self.directory.resolve_many(self.project.id, identities)]
        moment = Moment((int(time.time()) - SENT_BEFORE) * 1000, "e0")
        for _ in range(items):
            await self.inboxes.create(content(), [Delivery(user) for user in self.users], moment, remember=False)

    def scheduler(self, default: ItemRetention = KEEP_ALL) -> SweepScheduler:
        return SweepScheduler(self.projects, self.sweeps, self.jobs, default)

    async def sizes(self) -> list[int]:
        return [(await self.inboxes.list_page(user, Filter(), 1, 1)).total for user in self.users]

    async def last(self) -> SweepRecord | None:
        return (await self.sweeps.last([self.project.id]))[self.project.id]

    async def is_idle(self) -> bool:
        """Return whether no sweep is enqueued or running."""
        return await self._client.redis.zscore(keys.JOB_QUEUE, f"{self.project.id} {RETENTION_ID}") is None

    @contextlib.asynccontextmanager
    async def running(self, default: ItemRetention = KEEP_ALL) -> AsyncIterator[None]:
        """Run the jobs for the time of a block."""
        retentions = RetentionLookup(self.projects, default)
        sweeper = Sweeper(retentions, self.sweeps, self.directory, self.trimmer, lambda: "e1")
        task = asyncio.create_task(JobRunner(self.queue, {JobKind.RETENTION: sweeper.work}, 1).run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@pytest.fixture
def swept(client: InspectedClient, queue: JobQueue, store: InboxStore) -> Swept:
    return Swept(client, queue, store)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while True:
            found = condition()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.01)


async def test_a_sweep_trims_every_inbox_of_its_project_by_count(swept: Swept) -> None:
    bounds = ItemRetention(items=2)
    await swept.begin(users=5, items=4, bounds=bounds)
    async with swept.running():
        await swept.scheduler().check()
        await until(swept.last)
    assert await swept.sizes() == [2] * 5
    record = await swept.last()
    assert record is not None
    assert record.keep == bounds


async def test_a_sweep_trims_inboxes_by_age_that_get_nothing_new(swept: Swept) -> None:
    await swept.begin(users=3, items=2, bounds=ItemRetention(seconds=SENT_BEFORE // 2))
    async with swept.running():
        await swept.scheduler().check()
        await until(swept.last)
    assert await swept.sizes() == [0] * 3


async def test_the_settings_bounds_count_for_projects_that_have_none(swept: Swept) -> None:
    await swept.begin(users=1, items=3, bounds=KEEP_ALL)
    default = ItemRetention(items=1)
    await swept.projects.update(swept.project.api_key, ProjectChange(item_retention_count="default"))
    async with swept.running(default):
        await swept.scheduler(default).check()
        await until(swept.last)
    assert await swept.sizes() == [1]


async def test_a_sweep_that_is_cut_off_goes_on_where_it_was(swept: Swept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention_module, "CHUNK_USERS", 1)
    await swept.begin(users=40, items=3, bounds=ItemRetention(items=1))
    await swept.scheduler().check()
    async with swept.running():
        await until(lambda: _some_are_trimmed(swept))
    assert await swept.last() is None, "it was too quick to be cut off"
    async with swept.running():
        await until(swept.last)
    assert await swept.sizes() == [1] * 40


async def _some_are_trimmed(swept: Swept) -> bool:
    return (await swept.inboxes.list_page(swept.users[2], Filter(), 1, 1)).total == 1


async def test_a_sweep_whose_bounds_change_removes_no_more(swept: Swept) -> None:
    await swept.begin(users=3, items=4, bounds=ItemRetention(items=1))
    await swept.scheduler().check()
    await swept.projects.update(swept.project.api_key, ProjectChange(item_retention_count=3))
    async with swept.running():
        await until(swept.is_idle)
        assert await swept.sizes() == [4] * 3
        await swept.scheduler().check()
        await until(swept.last)
    assert await swept.sizes() == [3] * 3


async def test_a_project_is_swept_again_when_its_items_have_aged_or_its_bounds_changed(swept: Swept) -> None:
    bounds = ItemRetention(seconds=7 * 24 * 3600)
    await swept.begin(users=1, items=1, bounds=bounds)
    now_ms = int(time.time() * 1000)
    for started_ms, keep, expected in (
        (now_ms - 1000, bounds, False),
        (now_ms - 2 * 3600 * 1000, bounds, True),
        (now_ms + 3600 * 1000, bounds, True),
        (now_ms - 1000, ItemRetention(items=1), True),
    ):
        await swept.sweeps.record(swept.project.id, SweepRecord(started_ms, keep))
        await swept.scheduler().check()
        assert await swept.is_idle() is not expected, (started_ms - now_ms, keep)
        async with swept.running():
            await until(swept.is_idle)


async def test_a_project_that_keeps_everything_is_never_swept(swept: Swept) -> None:
    await swept.begin(users=1, items=1, bounds=KEEP_ALL)
    await swept.scheduler(ItemRetention(items=1, seconds=1)).check()
    assert await swept.is_idle(), "a bound of 0 is one of its own"


async def test_a_sweep_that_was_enqueued_before_plans_had_versions_is_done(
    swept: Swept, client: InspectedClient
) -> None:
    await swept.begin(users=2, items=1, bounds=ItemRetention(100, 604800))
    record = {
        "format": "1",
        "kind": "retention",
        "payload": recorded.RETENTION_PLAN,
        "created_ms": "1795961054928",
        "status": "enqueued",
        "cursor": "",
        "steps": "0",
        "claim": "0",
        "attempts": "0",
    }
    key = keys.job(swept.project.id, RETENTION_ID)
    await client.redis.hset(key, mapping=record)  # type: ignore[arg-type] # wider than its own type
    await client.redis.zadd(keys.JOB_QUEUE, {f"{swept.project.id} {RETENTION_ID}": 1795961054928})
    async with swept.running():
        await until(swept.last)
    assert await swept.last() == SweepRecord(1795961054928, ItemRetention(100, 604800))


async def test_a_broken_project_record_keeps_no_other_project_from_being_swept(
    swept: Swept, client: InspectedClient
) -> None:
    await swept.begin(users=1, items=3, bounds=ItemRetention(items=1))
    broken = f"broken-{uuid4()}"
    await client.redis.hset(keys.PROJECTS, broken, "{")
    try:
        await swept.scheduler().check()
        assert not await swept.is_idle()
    finally:
        await client.redis.hdel(keys.PROJECTS, broken)


def test_the_shorter_items_live_the_more_often_they_are_swept() -> None:
    ages = [60, 3600, 24 * 3600, 365 * 24 * 3600]
    assert [sweep_seconds(ItemRetention(seconds=age)) for age in ages] == [10, 150, 3600, 3600]


async def test_a_server_that_is_full_is_swept_as_well(swept: Swept, client: InspectedClient) -> None:
    await swept.begin(users=3, items=4, bounds=ItemRetention(items=1))
    before = (await client.redis.config_get("maxmemory"))["maxmemory"]
    await client.redis.config_set("maxmemory", 1)
    try:
        assert await swept.sweeps.claim_check(60)
        async with swept.running():
            await swept.scheduler().check()
            await until(swept.is_idle)
        assert await swept.sizes() == [1] * 3
    finally:
        await client.redis.config_set("maxmemory", before or 0)


async def test_a_running_scheduler_enqueues_sweeps_of_due_projects(swept: Swept, client: InspectedClient) -> None:
    await swept.begin(users=1, items=3, bounds=ItemRetention(items=1))
    await client.redis.delete(keys.SWEEP_CHECK)
    scheduler = SweepScheduler(swept.projects, swept.sweeps, swept.jobs, KEEP_ALL, check_seconds=0.02)
    task = asyncio.create_task(scheduler.run())
    async with swept.running():
        await until(swept.last)
    task.cancel()
    await asyncio.wait([task])
    assert await swept.sizes() == [1]


async def test_the_log_has_the_progress_of_a_long_sweep(swept: Swept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention_module, "PROGRESS_SECONDS", 0)
    monkeypatch.setattr(retention_module, "CHUNK_USERS", 2)
    await swept.begin(users=3, items=2, bounds=ItemRetention(items=1))
    with captured_log() as lines:
        async with swept.running():
            await swept.scheduler().check()
            await until(swept.last)
    progress = [line for line in lines if line["event"] == "retention_sweep"]
    assert [(line["users"], line["removed"]) for line in progress] == [(2, 2), (3, 3)]


async def test_a_project_that_does_not_exist_keeps_everything(swept: Swept) -> None:
    assert await RetentionLookup(swept.projects, ItemRetention(items=1)).of_project(ProjectId("999999")) == KEEP_ALL
