"""The runner: it runs jobs in steps and in turns, and continues after failures."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from uuid import uuid4

import pytest

from gateway.domain.ids import ProjectId
from gateway.jobs import runner as runner_module
from gateway.jobs.runner import MAX_ATTEMPTS, MAX_RUNNING, JobRunner
from gateway.store import keys
from gateway.store.job_queue import Claim, Job, JobQueue, Step
from gateway.store.jobs import KNOWN_PLAN_VERSION, JobKind, JobRecord, JobStore
from gateway.store.redis.client import StoreUnavailableError
from tests.logs import captured_log
from tests.store.conftest import InspectedClient

PROJECT = ProjectId("p-" + secrets.token_hex(4))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the queue often."""
    monkeypatch.setattr(runner_module, "POLL_SECONDS", 0.01)


@pytest.fixture
async def queue(client: InspectedClient) -> JobQueue:
    """Return a queue that is empty at first."""
    await client.redis.unlink(keys.JOB_QUEUE, keys.JOB_QUEUE + keys.JOB_SUFFIXES["CLAIMS"])
    return JobQueue(client)


@pytest.fixture
def jobs(client: InspectedClient) -> JobStore:
    return JobStore(client)


async def accept(jobs: JobStore, name: str = "") -> str:
    job_id = str(uuid4())
    await jobs.enqueue(JobKind.IMPORT, PROJECT, job_id, name.encode(), 1_800_000_000_000)
    return job_id


async def done(jobs: JobStore, job_id: str) -> JobRecord:
    async with asyncio.timeout(20):
        while True:
            record = await jobs.read(JobKind.IMPORT, PROJECT, job_id)
            if record is not None and record.status == "processed":
                return record
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running(
    queue: JobQueue,
    work: Callable[[Job], AsyncGenerator[Step, None]],
    retry_ms: int = 1,
    kind: JobKind = JobKind.IMPORT,
) -> AsyncIterator[JobRunner]:
    """Run a runner for the time of a block."""
    runner = JobRunner(queue, {kind: work}, retry_ms)
    task = asyncio.create_task(runner.run())
    try:
        yield runner
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def steps_of(job: Job, count: int) -> range:
    """Return the numbers of the steps that are left."""
    return range(int(job.cursor or 0) + 1, count + 1)


async def test_a_job_is_done_step_by_step(queue: JobQueue, jobs: JobStore) -> None:
    async def work(job: Job) -> AsyncGenerator[Step, None]:
        for number in steps_of(job, 3):
            yield Step(str(number), {"total": number})

    async with running(queue, work):
        record = await done(jobs, await accept(jobs))
    assert record.counts["total"] == 6
    assert await queue.claim() is None


async def test_a_step_that_fails_once_is_done_again_from_where_the_last_ended(queue: JobQueue, jobs: JobStore) -> None:
    begun = []

    async def work(job: Job) -> AsyncGenerator[Step, None]:
        begun.append(job.cursor)
        for number in steps_of(job, 3):
            if number == 2 and len(begun) == 1:
                raise RuntimeError("once")
            yield Step(str(number), {"total": 1})

    async with running(queue, work):
        record = await done(jobs, await accept(jobs))
    assert begun == ["", "1"]
    assert (record.counts["total"], record.errors) == (3, b"[]")


async def test_a_job_whose_work_always_fails_is_given_up_with_an_error(queue: JobQueue, jobs: JobStore) -> None:
    begun = []

    async def work(job: Job) -> AsyncGenerator[Step, None]:
        begun.append(job.cursor)
        if not job.cursor:
            yield Step("1", {"total": 1})
        raise RuntimeError("always")

    async with running(queue, work):
        record = await done(jobs, await accept(jobs))
    assert begun == ["", *["1"] * (MAX_ATTEMPTS - 1)] or begun == ["", *["1"] * MAX_ATTEMPTS]
    assert record.counts["total"] == 1
    assert b"Given up" in record.errors


async def test_a_job_goes_on_after_an_outage_of_the_store(queue: JobQueue, jobs: JobStore) -> None:
    outage = [True, True]

    async def work(job: Job) -> AsyncGenerator[Step, None]:
        for number in steps_of(job, 3):
            if number == 2 and outage:
                outage.pop()
                raise StoreUnavailableError("for a moment")
            yield Step(str(number), {"total": 1})

    async with running(queue, work):
        record = await done(jobs, await accept(jobs))
    assert (record.counts["total"], record.errors) == (3, b"[]")


async def test_a_small_job_is_not_stuck_behind_large_ones(
    queue: JobQueue, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "TURN_SECONDS", 0.01)
    stop = asyncio.Event()

    async def work(job: Job) -> AsyncGenerator[Step, None]:
        number = int(job.cursor or 0)
        while job.payload == b"large" and not stop.is_set():
            number += 1
            yield Step(str(number), {"total": 1})

    async with running(queue, work):
        large = [await accept(jobs, "large") for _ in range(2 * MAX_RUNNING)]
        await done(jobs, await accept(jobs, "small"))
        assert {(await jobs.read(JobKind.IMPORT, PROJECT, job)).status for job in large} == {  # type: ignore[union-attr]
            "processing"
        }
        stop.set()
        for job_id in large:
            assert (await done(jobs, job_id)).counts["total"] > 0


async def test_a_new_job_starts_when_the_runner_is_woken(
    queue: JobQueue, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "POLL_SECONDS", 1000.0)

    async def work(job: Job) -> AsyncGenerator[Step, None]:
        yield Step("")

    async with running(queue, work) as runner:
        job_id = await accept(jobs)
        runner.wake()
        await done(jobs, job_id)


async def test_a_worker_that_stops_releases_its_jobs_at_once(queue: JobQueue, jobs: JobStore) -> None:
    started = asyncio.Event()

    async def stuck(job: Job) -> AsyncGenerator[Step, None]:
        yield Step("1", {"total": 1})
        started.set()
        await asyncio.Event().wait()

    async def work(job: Job) -> AsyncGenerator[Step, None]:
        assert job.cursor == "1"
        yield Step("2", {"total": 1})

    async with running(queue, stuck):
        job_id = await accept(jobs)
        await started.wait()
    async with asyncio.timeout(3), running(queue, work):
        assert (await done(jobs, job_id)).counts["total"] == 2


async def test_an_entry_without_a_record_is_dropped(queue: JobQueue, jobs: JobStore, client: InspectedClient) -> None:
    async def work(job: Job) -> AsyncGenerator[Step, None]:
        raise AssertionError
        yield

    job_id = await accept(jobs)
    await client.redis.unlink(keys.job(PROJECT, job_id))
    async with asyncio.timeout(10), running(queue, work):
        while await client.redis.zcard(keys.JOB_QUEUE):
            await asyncio.sleep(0.01)


async def finished_at_once(job: Job) -> AsyncGenerator[Step, None]:
    yield Step("1", {"total": 1})


@pytest.mark.parametrize(
    "garbage",
    [
        {"kind": "nothing we know"},
        {"steps": "many"},
        {"claim": "no number"},
        {"created_ms": "\xff"},
    ],
)
async def test_a_job_whose_record_cannot_be_read_is_logged_and_delays_no_other(
    client: InspectedClient, queue: JobQueue, jobs: JobStore, garbage: dict[str, str]
) -> None:
    broken = await accept(jobs)
    await client.redis.hset(keys.job(PROJECT, broken), mapping=garbage)  # type: ignore[arg-type] # wider than its own type
    good = await accept(jobs)
    with captured_log() as lines:
        async with running(queue, finished_at_once):
            await done(jobs, good)
            async with asyncio.timeout(10):
                while not any(line["event"] == "job_record_broken" for line in lines):
                    await asyncio.sleep(0.01)
    assert broken in [line.get("job") for line in lines]


@pytest.mark.parametrize("entry", [b"no-space", b"\xff\xfe nonsense", b""])
async def test_an_entry_that_names_no_job_is_removed(
    client: InspectedClient, queue: JobQueue, jobs: JobStore, entry: bytes
) -> None:
    await client.redis.zadd(keys.JOB_QUEUE, {entry: 0})
    good = await accept(jobs)
    with captured_log() as lines:
        async with running(queue, finished_at_once):
            await done(jobs, good)
    assert await client.redis.zscore(keys.JOB_QUEUE, entry) is None
    assert "job_entry_broken" in [line["event"] for line in lines]


async def test_a_queue_of_a_wrong_type_stops_the_jobs_until_it_is_repaired(
    client: InspectedClient, queue: JobQueue, jobs: JobStore
) -> None:
    waiting = await accept(jobs)
    await client.redis.rename(keys.JOB_QUEUE, keys.JOB_QUEUE + ":aside")
    await client.redis.set(keys.JOB_QUEUE, "not a queue")
    async with running(queue, finished_at_once):
        await asyncio.sleep(0.1)  # it checks the queue many times
        await client.redis.rename(keys.JOB_QUEUE + ":aside", keys.JOB_QUEUE)
        await done(jobs, waiting)


async def test_a_bug_that_one_job_meets_ends_no_other(queue: JobQueue, jobs: JobStore) -> None:
    class Mistaken(JobQueue):
        async def start(self, claim: Claim) -> Job | None:
            if claim.job_id == bad:
                raise KeyError("a bug")
            return await queue.start(claim)

    bad, good = await accept(jobs), await accept(jobs)
    mistaken = Mistaken(queue._client)
    with captured_log() as lines:
        async with running(mistaken, finished_at_once):
            await done(jobs, good)
    failed = next(line for line in lines if line["event"] == "job_failed")
    assert failed["problem"] == "KeyError"
    assert "test_runner.py" in failed["where"][0]
    assert "a bug" not in str(lines)


# ---- jobs of newer versions


async def test_a_job_whose_plan_is_newer_is_left_to_newer_gateways(
    client: InspectedClient, queue: JobQueue, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "NEWER_RETRY_MS", 1)
    newer = await accept(jobs)
    key = keys.job(PROJECT, newer)
    await client.redis.hset(key, mapping={"version": KNOWN_PLAN_VERSION + 1, "kind": "of a later version"})
    before = await client.redis.hgetall(key)
    with captured_log() as lines:
        async with running(queue, finished_at_once):
            for _ in range(2 * MAX_ATTEMPTS):
                await done(jobs, await accept(jobs))
    assert await client.redis.hgetall(key) == before
    assert await client.redis.zscore(keys.JOB_QUEUE, f"{PROJECT} {newer}") is not None
    assert [line["job"] for line in lines if line["event"] == "job_newer"] == [newer], "the log names it once"

    await client.redis.hset(key, "kind", "import")
    newer_gateway = JobQueue(client, known_version=KNOWN_PLAN_VERSION + 1)
    async with running(newer_gateway, finished_at_once), asyncio.timeout(10):
        while await client.redis.hget(key, "status") != b"processed":
            await asyncio.sleep(0.01)


async def test_a_job_that_is_left_to_newer_gateways_delays_no_other(
    client: InspectedClient, queue: JobQueue, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "MAX_NOTED", 2)
    for _ in range(2 * MAX_RUNNING):
        await client.redis.hset(keys.job(PROJECT, await accept(jobs)), "version", KNOWN_PLAN_VERSION + 1)
    async with running(queue, finished_at_once):
        assert (await done(jobs, await accept(jobs))).counts["total"] == 1
