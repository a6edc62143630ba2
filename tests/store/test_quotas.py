"""Limits of projects, checked in memory with figures that are kept."""

import asyncio
import time
from datetime import UTC, datetime
from functools import partial

import pytest

from gateway.domain.errors import ApiError, ErrorCode
from gateway.domain.ids import ProjectId
from gateway.domain.limits import Limit, ProjectLimits, Used
from gateway.domain.principal import Identity, Project
from gateway.domain.project_event import ProjectEventType
from gateway.store.directory import Directory
from gateway.store.project_event_log import EventRetention, ProjectEventLog
from gateway.store.project_events import ProjectEvents
from gateway.store.quotas import IDLE_SECONDS, Quotas, UsedFigures
from gateway.store.redis.problems import StoreUnavailableError
from gateway.store.usage import UsageWriter
from gateway.telemetry.metrics import LIMIT_REFUSALS
from tests.store.conftest import InspectedClient, new_user

NOON = datetime(2026, 3, 31, 12, 5, 30, tzinfo=UTC).timestamp()


class Worker:
    """The parts of a worker that limits concern, at a time of the test's own."""

    def __init__(self, client: InspectedClient):
        self.at = NOON
        self.directory = Directory(client, time.monotonic)
        self.events = ProjectEvents(ProjectEventLog(client, EventRetention(100, 0)))
        self.usage = UsageWriter(client, self.events.usage, self.now)
        self.quotas = Quotas(UsedFigures(client, self.directory, self.now), self.events, self.now)
        self.directory.on_created = self.quotas.created
        self.directory.is_full = self.quotas.is_full
        self.directory.full_error = partial(self.quotas.refusal, limit=Limit.USERS)

    def now(self) -> float:
        return self.at

    async def prepare(self, project: Project) -> None:
        """Do what `ProjectStore` does with a project that it has read."""
        self.quotas.note(project)
        await self.quotas.prepare([project])

    def send(self, project_id: ProjectId) -> None:
        """Send as `Sender` does: admit, then count."""
        self.quotas.admit_send(project_id)
        self.events.usage.accepted(project_id)


@pytest.fixture
def project() -> ProjectId:
    return new_user().project_id


@pytest.fixture
def worker(client: InspectedClient) -> Worker:
    return Worker(client)


def limited(project_id: ProjectId, **limits: int) -> Project:
    return Project(project_id, "Shop", "key", True, (), limits=ProjectLimits(**limits))


def refused(error: pytest.ExceptionInfo[ApiError]) -> tuple[ErrorCode | None, int | None]:
    return error.value.code, error.value.retry_after_seconds


async def test_a_project_without_limits_is_never_refused_and_nothing_is_read(
    worker: Worker, project: ProjectId, client: InspectedClient
) -> None:
    worker.quotas.note(limited(project))
    for _ in range(100):
        worker.send(project)
    assert not worker.quotas.is_full(project)
    await asyncio.wait_for(worker.quotas.refresh(), 5)


async def test_sends_of_a_minute_and_a_month_are_limited_on_one_worker_exactly(
    worker: Worker, project: ProjectId
) -> None:
    worker.quotas.note(limited(project, max_sends_per_minute=3, max_sends_per_month=5))
    for _ in range(3):
        worker.send(project)
        await worker.quotas.refresh()  # what is yet to be written still counts
    with pytest.raises(ApiError) as error:
        worker.send(project)
    assert refused(error) == (ErrorCode.SENDS_PER_MINUTE_REACHED, 30)
    await worker.usage.write()
    worker.at += 60
    await worker.quotas.refresh()
    worker.send(project)
    worker.send(project)
    with pytest.raises(ApiError) as error:
        worker.send(project)
    assert refused(error) == (ErrorCode.SENDS_PER_MONTH_REACHED, 11 * 3600 + 53 * 60 + 30)


async def test_another_worker_counts_what_was_written(
    worker: Worker, client: InspectedClient, project: ProjectId
) -> None:
    other = Worker(client)
    for each in (worker, other):
        each.quotas.note(limited(project, max_sends_per_month=2))
    worker.send(project)
    worker.send(project)
    await worker.usage.write()
    other.quotas.admit_send(project)  # not known yet
    await other.quotas.refresh()
    with pytest.raises(ApiError):
        other.quotas.admit_send(project)


async def test_unknown_users_are_refused_when_a_project_is_full_and_known_ones_are_not(
    worker: Worker, project: ProjectId
) -> None:
    worker.quotas.note(limited(project, max_users=2))
    await worker.quotas.refresh()
    await worker.directory.resolve_many(project, [Identity("ada"), Identity("joe", "joe@example.com")])
    assert worker.quotas.is_full(project)
    worker.directory.forget_all()
    known = [Identity("ada"), Identity("jo", "joe@example.com")]
    await worker.directory.require_room(project, known)
    assert len(await worker.directory.resolve_many(project, known[:1])) == 1
    for names in ([Identity("eve")], [Identity("ada"), Identity("eve")]):
        worker.directory.forget_all()
        with pytest.raises(ApiError) as error:
            await worker.directory.resolve_many(project, names)
        assert refused(error) == (ErrorCode.USER_LIMIT_REACHED, None)
    with pytest.raises(ApiError):
        await worker.directory.resolve(project, Identity("eve"))
    assert await worker.directory.user_index_size(project) == 2
    await worker.directory.resolve_many(project, [Identity("eve")], is_accepted=True)
    assert await worker.directory.user_index_size(project) == 3


async def test_several_unknown_users_are_refused_together_if_there_is_no_room_for_all(
    worker: Worker, project: ProjectId
) -> None:
    worker.quotas.note(limited(project, max_users=3))
    await worker.directory.resolve_many(project, [Identity("ada")])
    worker.directory.forget_all()
    ada, *others = [Identity(name) for name in ("ada", "eve", "joe", "kim")]
    with pytest.raises(ApiError) as error:
        await worker.directory.resolve_many(project, [ada, *others])
    assert refused(error) == (ErrorCode.USER_LIMIT_REACHED, None)
    assert await worker.directory.user_index_size(project) == 1
    assert len(await worker.directory.resolve_many(project, [ada, others[0], others[1], others[1]])) == 4
    assert worker.quotas.is_full(project)


async def test_the_first_request_waits_for_the_figures_so_that_a_worker_that_was_started_now_refuses_it(
    worker: Worker, client: InspectedClient, project: ProjectId
) -> None:
    worker.send(project)
    await worker.usage.write()
    running = asyncio.create_task(worker.quotas.run())
    try:
        await worker.prepare(limited(project, max_sends_per_month=1))
        with pytest.raises(ApiError):
            worker.send(project)
        await worker.prepare(limited(project, max_sends_per_month=2, max_sends_per_minute=1))
        with pytest.raises(ApiError) as error:
            worker.send(project)
        assert error.value.code is ErrorCode.SENDS_PER_MINUTE_REACHED
    finally:
        running.cancel()


async def test_a_request_does_not_wait_longer_for_the_figures_than_for_a_store_that_does_not_reply(
    worker: Worker, project: ProjectId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.quotas.FIRST_SECONDS", 0.01)
    await asyncio.wait_for(worker.prepare(limited(project, max_sends_per_month=1)), 30)
    worker.send(project)


async def test_a_new_month_begins_at_once(worker: Worker, project: ProjectId) -> None:
    worker.quotas.note(limited(project, max_sends_per_month=1))
    worker.send(project)
    await worker.usage.write()
    await worker.quotas.refresh()
    with pytest.raises(ApiError):
        worker.send(project)
    worker.at += 12 * 3600
    worker.send(project)
    with pytest.raises(ApiError) as error:
        worker.send(project)
    assert refused(error) == (ErrorCode.SENDS_PER_MONTH_REACHED, 30 * 86400 - 5 * 60 - 30)


async def test_figures_of_a_minute_that_ended_while_they_were_read_count_for_nothing(
    worker: Worker, project: ProjectId, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.at = datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC).timestamp()
    worker.quotas.note(limited(project, max_sends_per_minute=1, max_sends_per_month=1))
    worker.send(project)
    await worker.usage.write()
    read = worker.quotas._figures.of_project

    async def slow(project_id: ProjectId, limits: ProjectLimits) -> Used:
        found = await read(project_id, limits)
        worker.at += 1
        return found

    monkeypatch.setattr(worker.quotas._figures, "of_project", slow)
    await worker.quotas.refresh()
    worker.send(project)


async def test_a_refusal_is_counted_and_noted_once_a_minute(
    worker: Worker, project: ProjectId, client: InspectedClient
) -> None:
    metric = LIMIT_REFUSALS.labels("max_storage_bytes")
    before = metric._value.get()
    await worker.directory.resolve(project, Identity("ada"))
    worker.quotas.note(limited(project, max_storage_bytes=1))
    await worker.quotas.refresh()
    for _ in range(3):
        with pytest.raises(ApiError) as error:
            worker.send(project)
        assert refused(error) == (ErrorCode.STORAGE_LIMIT_REACHED, None)
    assert metric._value.get() - before == 3
    await worker.events.flush()
    assert len(worker.events._waiting) == 0
    page = await worker.events._log.read(project, [ProjectEventType.LIMIT_REACHED], 10)
    assert [each.context for each in page.events] == [page.events[0].context]
    assert b'"limit":"max_storage_bytes","max":1,"used":' in page.events[0].context


async def test_limits_follow_the_record_and_are_forgotten(worker: Worker, project: ProjectId) -> None:
    worker.quotas.note(limited(project, max_sends_per_month=1))
    worker.send(project)
    with pytest.raises(ApiError):
        worker.send(project)
    worker.quotas.note(limited(project, max_sends_per_month=5))
    worker.send(project)
    worker.quotas.note(limited(project))
    worker.send(project)
    worker.quotas.note(limited(project, max_sends_per_month=1))
    worker.at += IDLE_SECONDS + 1
    await worker.quotas.refresh()
    assert not worker.quotas._states


async def test_figures_are_refreshed_in_the_background_and_kept_while_the_store_is_away(
    worker: Worker, project: ProjectId, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = asyncio.create_task(worker.quotas.run())
    await worker.directory.resolve(project, Identity("ada"))
    worker.quotas.note(limited(project, max_users=1))
    async with asyncio.timeout(30):
        while not worker.quotas.is_full(project):
            await asyncio.sleep(0.01)
    running.cancel()

    async def unavailable(*_: object) -> None:
        raise StoreUnavailableError

    monkeypatch.setattr(worker.quotas._figures, "of_project", unavailable)
    await worker.quotas.refresh()
    assert worker.quotas.is_full(project)
