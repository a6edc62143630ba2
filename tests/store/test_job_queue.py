"""The queue of jobs: a job is claimed by one worker at a time, and only the latest claim saves its steps."""

import asyncio
import secrets
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.domain.ids import ProjectId, UserId
from gateway.store import keys
from gateway.store.job_queue import LEASE_MS, Claim, ClaimLostError, Job, JobQueue, NewerJobError, Step
from gateway.store.jobs import KNOWN_PLAN_VERSION, JobKind, JobStore
from tests.servers import RedisServer
from tests.store.conftest import InspectedClient

T = TypeVar("T")


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Desk:
    """A project with jobs, in a queue that is empty at first."""

    client: InspectedClient
    clock: Clock = field(default_factory=Clock)
    project: ProjectId = field(default_factory=lambda: ProjectId(f"p-{secrets.token_hex(4)}"))

    def __post_init__(self) -> None:
        self.store = JobStore(self.client, self.clock)
        self.queue = JobQueue(self.client, self.clock)

    async def accept(self, *portions: bytes, kind: JobKind = JobKind.IMPORT) -> str:
        job_id = str(uuid4())
        await self.store.enqueue(kind, self.project, job_id, b"payload", int(self.clock.now * 1000), portions)
        return job_id

    async def claim(self) -> Claim:
        claim = await self.queue.claim()
        assert claim is not None
        return claim

    async def start(self) -> Job:
        job = await self.queue.start(await self.claim())
        assert job is not None
        return job

    async def counts(self, job_id: str) -> dict[str, int]:
        record = await self.store.read(JobKind.IMPORT, self.project, job_id)
        assert record is not None
        return dict(record.counts)


@pytest.fixture
async def desk(client: InspectedClient) -> Desk:
    await client.redis.unlink(keys.JOB_QUEUE, keys.JOB_QUEUE + keys.JOB_SUFFIXES["CLAIMS"])
    return Desk(client)


# ---- the queue


async def test_the_job_that_waits_longest_is_claimed_first_and_by_one_worker(desk: Desk) -> None:
    first = await desk.accept()
    desk.clock.now += 1
    second = await desk.accept()
    assert [(await desk.claim()).job_id for _ in range(2)] == [first, second]
    assert await desk.queue.claim() is None


async def test_a_job_whose_worker_died_can_be_claimed_when_its_lease_is_over(desk: Desk) -> None:
    job_id = await desk.accept()
    first = await desk.claim()
    desk.clock.now += LEASE_MS / 1000 - 0.001
    assert await desk.queue.claim() is None
    desk.clock.now += 0.001
    second = await desk.claim()
    assert second.job_id == job_id
    assert second.number > first.number


async def test_a_lease_that_is_renewed_goes_on_and_the_number_of_waiting_jobs_is_known(desk: Desk) -> None:
    await desk.accept()
    claim = await desk.claim()
    await desk.accept()
    desk.clock.now += LEASE_MS / 1000 - 1
    assert await desk.queue.renew(claim) == 1
    await desk.claim()
    desk.clock.now += 2
    assert await desk.queue.claim() is None


async def test_a_job_that_was_claimed_by_another_cannot_be_renewed_released_or_dropped(desk: Desk) -> None:
    await desk.accept()
    claim = await desk.claim()
    desk.clock.now += LEASE_MS / 1000
    await desk.claim()
    with pytest.raises(ClaimLostError):
        await desk.queue.renew(claim)
    await desk.queue.release(claim)
    await desk.queue.drop(claim)
    assert await desk.queue.claim() is None
    desk.clock.now += LEASE_MS / 1000
    await desk.claim()


async def test_a_job_that_is_released_goes_behind_those_that_wait(desk: Desk) -> None:
    first = await desk.accept()
    claim = await desk.claim()
    second = await desk.accept()
    desk.clock.now += 0.001
    await desk.queue.release(claim)
    assert [(await desk.claim()).job_id for _ in range(2)] == [second, first]


async def test_a_job_may_be_released_for_later(desk: Desk) -> None:
    await desk.accept()
    await desk.queue.release(await desk.claim(), after_ms=500)
    desk.clock.now += 0.499
    assert await desk.queue.claim() is None
    desk.clock.now += 0.001
    await desk.claim()


async def test_a_claim_is_higher_than_any_before_though_the_queue_was_lost(desk: Desk) -> None:
    await desk.accept()
    first = await desk.claim()
    await desk.client.redis.unlink(keys.JOB_QUEUE + keys.JOB_SUFFIXES["CLAIMS"])
    desk.clock.now += LEASE_MS / 1000
    assert (await desk.claim()).number > first.number


# ---- the record


async def test_a_job_goes_on_where_the_last_step_ended(desk: Desk) -> None:
    job_id = await desk.accept()
    job = await desk.start()
    await desk.queue.save(job, 1, Step("here", {"total": 2, "failures": 1}, [{"message": "no"}]))
    desk.clock.now += LEASE_MS / 1000
    again = await desk.start()
    assert (again.cursor, again.steps, again.attempts) == ("here", 1, 1)
    record = await desk.store.read(JobKind.IMPORT, desk.project, job_id)
    assert record is not None
    assert (record.status, record.errors) == ("processing", b'[{"message":"no"}]')
    assert record.counts == {"total": 2, "created": 0, "updated": 0, "failures": 1}


async def test_a_step_that_is_sent_twice_counts_once(desk: Desk) -> None:
    job_id = await desk.accept()
    job = await desk.start()
    user = UserId(str(uuid4()))
    for _ in range(2):
        await desk.queue.save(job, 1, Step("1", {"total": 1}, [{"message": "no"}], [user]))
    assert (await desk.counts(job_id))["total"] == 1
    assert await desk.store.read_reached(desk.project, job_id, 0, 10) == (1, [user])


async def test_a_worker_that_lost_its_claim_saves_and_finishes_nothing(desk: Desk) -> None:
    job_id = await desk.accept()
    late = await desk.start()
    desk.clock.now += LEASE_MS / 1000
    await desk.start()
    with pytest.raises(ClaimLostError):
        await desk.queue.save(late, 1, Step("1", {"total": 1}))
    with pytest.raises(ClaimLostError):
        await desk.queue.finish(late)
    with pytest.raises(ClaimLostError):
        await desk.queue.start(late.claim)
    assert (await desk.counts(job_id))["total"] == 0


async def test_attempts_are_counted_until_a_step_succeeds(desk: Desk) -> None:
    await desk.accept()
    for attempt in (1, 2, 3):
        job = await desk.start()
        assert job.attempts == attempt
        again = await desk.queue.start(job.claim)
        assert again is not None
        assert again.attempts == attempt, "the same claim is the same attempt"
        await desk.queue.release(job.claim)
        desk.clock.now += 1
    await desk.queue.save(await desk.start(), 1, Step(""))
    desk.clock.now += LEASE_MS / 1000
    assert (await desk.start()).attempts == 1


async def test_a_job_that_is_done_leaves_the_queue_and_its_portions(desk: Desk) -> None:
    job_id = await desk.accept(b"portion")
    job = await desk.start()
    await desk.queue.finish(job, "Given up")
    desk.clock.now += LEASE_MS / 1000
    assert await desk.queue.claim() is None
    assert await desk.queue.read_portion(job, 0) is None
    record = await desk.store.read(JobKind.IMPORT, desk.project, job_id)
    assert record is not None
    assert (record.status, record.errors) == ("processed", b'[{"message":"Given up"}]')


async def test_a_job_whose_plan_is_newer_is_not_started_and_stays_as_it_was(desk: Desk) -> None:
    job_id = await desk.accept()
    key = keys.job(desk.project, job_id)
    await desk.client.redis.hset(key, "version", KNOWN_PLAN_VERSION + 1)
    before = await desk.client.redis.hgetall(key)
    claim = await desk.claim()
    with pytest.raises(NewerJobError):
        await desk.queue.start(claim)
    assert await desk.client.redis.hgetall(key) == before
    newer_queue = JobQueue(desk.client, desk.clock, known_version=KNOWN_PLAN_VERSION + 1)
    job = await newer_queue.start(claim)
    assert job is not None
    assert job.attempts == 1, "the attempts of earlier gateways do not count"


# ---- random workers


class Workers(RuleBasedStateMachine):
    """Three workers that stall, die and repeat calls at any moment."""

    client: ClassVar[InspectedClient]
    loop: ClassVar[asyncio.AbstractEventLoop]

    def run(self, work: Awaitable[T]) -> T:
        return self.loop.run_until_complete(work)

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk(self.client)
        self.job_id = ""
        self.held: dict[int, Claim] = {}
        self.jobs: dict[int, tuple[Job, int]] = {}
        self.saved = 0
        self.latest_start = 0

    @initialize()
    def accept(self) -> None:
        self.run(self.client.redis.unlink(keys.JOB_QUEUE, keys.JOB_QUEUE + keys.JOB_SUFFIXES["CLAIMS"]))
        self.job_id = self.run(self.desk.accept())

    @rule(milliseconds=st.sampled_from([1, LEASE_MS // 2, LEASE_MS]))
    def wait(self, milliseconds: int) -> None:
        self.desk.clock.now += milliseconds / 1000

    @rule(worker=st.integers(0, 2))
    def claim(self, worker: int) -> None:
        claim = self.run(self.desk.queue.claim())
        if claim is not None:
            assert all(claim.number > other.number for other in self.held.values())
            self.held[worker] = claim
            self.jobs.pop(worker, None)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.held)))
        claim = self.held[worker]
        try:
            job = self.run(self.desk.queue.start(claim))
        except ClaimLostError:
            assert claim.number < self.latest_start
            return
        assert job is not None
        assert claim.number >= self.latest_start
        assert job.cursor == (str(self.saved) if self.saved else "")
        self.latest_start = claim.number
        self.jobs[worker] = (job, job.steps)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), times=st.integers(1, 2))
    def save(self, data: st.DataObject, times: int) -> None:
        worker = data.draw(st.sampled_from(sorted(self.jobs)))
        job, steps = self.jobs[worker]
        for _ in range(times):
            try:
                self.run(self.desk.queue.save(job, steps + 1, Step(str(steps + 1), {"total": 1})))
            except ClaimLostError:
                # To a later claim, or to a later step of its own that another attempt at this claim saved.
                assert job.claim.number < self.latest_start or steps < self.saved
                del self.jobs[worker]
                return
        assert job.claim.number == self.latest_start
        self.saved = max(self.saved, steps + 1)
        self.jobs[worker] = (job, steps + 1)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.held)))
        self.run(self.desk.queue.release(self.held[worker]))

    @invariant()
    def sum_of_steps(self) -> None:
        if self.job_id:
            assert self.run(self.desk.counts(self.job_id))["total"] == self.saved


def test_whatever_workers_do_each_step_is_saved_once_and_in_order(redis_server: RedisServer) -> None:
    loop = asyncio.new_event_loop()
    client = InspectedClient(redis_server.url)
    Workers.loop, Workers.client = loop, client
    try:
        loop.run_until_complete(Workers.client.load())
        run_state_machine_as_test(Workers, settings=settings(max_examples=60, stateful_step_count=25))
    finally:
        loop.run_until_complete(client.aclose())
        loop.close()
