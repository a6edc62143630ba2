"""The records of jobs: they are created once, listed and read, and have a version."""

from uuid import uuid4

import pytest

from gateway.domain.ids import ProjectId, UserId
from gateway.store import jobs as jobs_module
from gateway.store import keys
from gateway.store.job_queue import Step
from gateway.store.jobs import KNOWN_PLAN_VERSION, PLAN_VERSIONS, JobKind
from gateway.store.redis.problems import StoreDataError, StoreFormatError
from tests.logs import captured_log
from tests.store.test_job_queue import Desk, desk

__all__ = ["desk"]


async def test_accepting_a_job_again_changes_nothing(desk: Desk) -> None:
    job_id = str(uuid4())
    for payload in (b"one", b"two"):
        await desk.store.enqueue(JobKind.IMPORT, desk.project, job_id, payload, 1, [payload])
    job = await desk.start()
    assert job.payload == b"one"
    assert await desk.queue.read_portion(job, 0) == b"one"
    assert await desk.queue.read_portion(job, 1) is None
    assert await desk.queue.claim() is None


async def test_accepting_a_job_that_is_done_again_does_nothing(desk: Desk) -> None:
    job_id = await desk.accept()
    await desk.queue.finish(await desk.start())
    await desk.store.enqueue(JobKind.IMPORT, desk.project, job_id, b"payload", 1)
    assert await desk.queue.start(await desk.claim()) is None


async def test_a_job_of_another_kind_is_not_there(desk: Desk) -> None:
    job_id = await desk.accept()
    assert await desk.store.read(JobKind.BROADCAST, desk.project, job_id) is None
    assert await desk.store.read(JobKind.IMPORT, ProjectId("other"), job_id) is None


async def test_everything_of_a_job_expires(desk: Desk) -> None:
    job_id = await desk.accept(b"portion")
    job = await desk.start()
    await desk.queue.save(job, 1, Step("1", {}, [{"message": "no"}], [UserId(str(uuid4()))]))
    found = [key async for key in desk.client.redis.scan_iter(f"*{desk.project}*")]
    assert len(found) == 5
    assert [await desk.client.redis.ttl(key) for key in found] == [pytest.approx(jobs_module.KEPT_SECONDS, abs=120)] * 5
    assert (await desk.store.list_page(JobKind.IMPORT, desk.project, 1, 5))[1][0][0] == job_id
    desk.clock.now += jobs_module.KEPT_SECONDS + 1
    assert await desk.store.list_page(JobKind.IMPORT, desk.project, 1, 5) == (0, [])


async def test_jobs_are_listed_newest_first_in_pages(desk: Desk) -> None:
    ids = []
    for _ in range(5):
        ids.append(await desk.accept())
        desk.clock.now += 1
    total, page = await desk.store.list_page(JobKind.IMPORT, desk.project, 2, 2)
    assert total == 5
    assert [job_id for job_id, _ in page] == [ids[2], ids[1]]


async def test_jobs_are_listed_after_and_before_a_job(desk: Desk) -> None:
    ids = []
    for _ in range(5):
        ids.append(await desk.accept())
        desk.clock.now += 1
    newest = ids[::-1]

    async def page(after: str | None, before: str | None, size: int = 2) -> tuple[list[str], str | None, str | None]:
        found = await desk.store.page(JobKind.IMPORT, desk.project, size, after, before)
        return [job_id for job_id, _ in found.jobs], found.newer_than, found.older_than

    assert await page(None, None) == (newest[:2], None, newest[1])
    assert await page(newest[1], None) == (newest[2:4], newest[2], newest[3])
    assert await page(newest[3], None) == (newest[4:], newest[4], None)
    assert await page(newest[4], None) == ([], None, None)
    assert await page(None, newest[4]) == (newest[2:4], newest[2], newest[3])
    assert await page(None, newest[1]) == (newest[:1], None, newest[0])
    assert await page(None, newest[0]) == ([], None, None)
    # A job that is no longer listed was older than all others.
    assert await page(str(uuid4()), None) == ([], None, None)
    assert await page(None, str(uuid4())) == (newest[3:], newest[3], None)
    assert await page(None, None, 5) == (newest, None, None)
    desk.clock.now += jobs_module.KEPT_SECONDS - 2
    assert await page(None, None, 5) == (newest[:2], None, None)
    assert await page(newest[1], None) == ([], None, None)


async def test_of_too_many_jobs_the_oldest_that_are_done_go(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "MAX_LISTED", 2)
    first = await desk.accept()
    desk.clock.now += 1
    await desk.queue.finish(await desk.start())
    rest = []
    for _ in range(3):
        rest.append(await desk.accept())
        desk.clock.now += 1
    _, page = await desk.store.list_page(JobKind.IMPORT, desk.project, 1, 9)
    assert [job_id for job_id, _ in page] == rest[::-1], "what is not done stays"
    assert await desk.store.read(JobKind.IMPORT, desk.project, first) is None


async def test_reached_users_are_read_in_pages(desk: Desk) -> None:
    job_id = await desk.accept()
    users = [UserId(str(uuid4())) for _ in range(5)]
    job = await desk.start()
    await desk.queue.save(job, 1, Step("1", reached=users[:2]))
    await desk.queue.save(job, 2, Step("2", reached=users[2:]))
    assert await desk.store.read_reached(desk.project, job_id, 1, 3) == (5, users[1:4])
    assert await desk.store.read_reached(desk.project, job_id, 5, 3) == (5, [])


async def test_the_record_of_a_job_has_the_version_of_its_plan(desk: Desk) -> None:
    job_id = await desk.accept(kind=JobKind.BROADCAST)
    version = await desk.client.redis.hget(keys.job(desk.project, job_id), "version")
    assert version == b"%d" % PLAN_VERSIONS[JobKind.BROADCAST]


async def test_a_record_without_a_version_is_of_the_first_one(desk: Desk) -> None:
    job_id = await desk.accept()
    await desk.client.redis.hdel(keys.job(desk.project, job_id), "version")
    assert (await desk.start()).id == job_id
    assert await desk.store.read(JobKind.IMPORT, desk.project, job_id) is not None


async def test_a_record_whose_plan_is_newer_cannot_be_read_and_is_left_out_of_lists(desk: Desk) -> None:
    newer, known = await desk.accept(), await desk.accept()
    await desk.client.redis.hset(keys.job(desk.project, newer), "version", KNOWN_PLAN_VERSION + 1)
    with pytest.raises(StoreFormatError):
        await desk.store.read(JobKind.IMPORT, desk.project, newer)
    total, page = await desk.store.list_page(JobKind.IMPORT, desk.project, 1, 9)
    assert (total, [job_id for job_id, _ in page]) == (2, [known])


@pytest.mark.parametrize("garbage", [{"created_ms": "never"}, {"total": "many"}, {"version": "one"}])
async def test_a_record_that_cannot_be_read_is_logged_and_left_out_of_lists(
    desk: Desk, garbage: dict[str, str]
) -> None:
    broken, known = await desk.accept(), await desk.accept()
    await desk.client.redis.hset(keys.job(desk.project, broken), mapping=garbage)  # type: ignore[arg-type] # wider
    with captured_log() as lines:
        with pytest.raises(StoreDataError):
            await desk.store.read(JobKind.IMPORT, desk.project, broken)
        total, page = await desk.store.list_page(JobKind.IMPORT, desk.project, 1, 9)
    assert (total, [job_id for job_id, _ in page]) == (2, [known])
    assert broken in [line.get("job") for line in lines if line["event"] == "store_record_broken"]
