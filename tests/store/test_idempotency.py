"""An Idempotency-Key names one request: it runs once, and repetitions get its response."""

import asyncio
import time

import pytest

from gateway.domain.ids import ProjectId
from gateway.store import keys
from gateway.store.idempotency import IDEMPOTENCY_SECONDS, Busy, Finished, IdempotencyStore, Reused, Run
from tests.store.conftest import InspectedClient, new_user


@pytest.fixture
def project() -> ProjectId:
    return new_user().project_id


async def test_the_first_request_with_a_key_runs_and_the_next_is_replayed(
    client: InspectedClient, project: ProjectId
) -> None:
    store = IdempotencyStore(client)
    assert await store.begin(project, "k", "f", b"plan") == Run(b"plan", True)
    assert await store.begin(project, "k", "f", b"other") == Busy()
    await store.finish(project, "k", 201, b"answer")
    assert await store.begin(project, "k", "f", b"other") == Finished(201, b"answer")
    assert await store.begin(project, "k", "g", b"other") == Reused()


async def until_it_runs(store: IdempotencyStore, project: ProjectId) -> Run:
    """Repeat a request until it may run."""
    while isinstance(claim := await store.begin(project, "k", "f", b"other"), Busy):
        await asyncio.sleep(0.01)
    assert isinstance(claim, Run)
    return claim


async def test_a_request_that_died_is_taken_over_with_its_plan(client: InspectedClient, project: ProjectId) -> None:
    died, store = IdempotencyStore(client, lease_ms=50), IdempotencyStore(client, lease_ms=50)
    await died.begin(project, "k", "f", b"plan")
    assert await until_it_runs(store, project) == Run(b"plan", False)


async def test_a_request_that_runs_for_long_is_not_taken_over(client: InspectedClient, project: ProjectId) -> None:
    running, store = IdempotencyStore(client, lease_ms=1000), IdempotencyStore(client, lease_ms=1000)
    await running.begin(project, "k", "f", b"plan")
    record = keys.idempotency(project, "k")
    before = int(await client.redis.hget(record, "lease_ms") or 0)
    await asyncio.sleep(0.01)
    await running.renew()
    assert int(await client.redis.hget(record, "lease_ms") or 0) > before
    assert await store.begin(project, "k", "f", b"other") == Busy()


async def test_a_try_that_was_taken_over_does_not_renew_the_lease_of_the_next(
    client: InspectedClient, project: ProjectId
) -> None:
    first, second = IdempotencyStore(client, lease_ms=20), IdempotencyStore(client, lease_ms=20)
    await first.begin(project, "k", "f", b"plan")
    await until_it_runs(second, project)
    lease = await client.redis.hget(keys.idempotency(project, "k"), "lease_ms")
    await first.renew()
    assert await client.redis.hget(keys.idempotency(project, "k"), "lease_ms") == lease


async def test_a_lease_that_a_clock_ahead_wrote_is_over(client: InspectedClient, project: ProjectId) -> None:
    store, record = IdempotencyStore(client), keys.idempotency(project, "k")
    await store.begin(project, "k", "f", b"plan")
    await client.redis.hset(record, "lease_ms", str(int((time.time() + 40 * 86400) * 1000)))
    await client.redis.expire(record, 41 * 86400)
    assert await IdempotencyStore(client).begin(project, "k", "f", b"other") == Run(b"plan", False)
    assert await client.redis.ttl(record) <= IDEMPOTENCY_SECONDS


async def test_a_request_that_was_cut_off_here_is_taken_over_at_once(
    client: InspectedClient, project: ProjectId
) -> None:
    store = IdempotencyStore(client)
    await store.begin(project, "k", "f", b"plan")
    store.cut_off(project, "k")
    assert await store.begin(project, "k", "f", b"other") == Run(b"plan", False)
    assert await store.begin(project, "k", "f", b"other") == Busy()


async def test_a_refused_request_frees_its_key(client: InspectedClient, project: ProjectId) -> None:
    store = IdempotencyStore(client)
    await store.begin(project, "k", "f", b"plan")
    await store.abandon(project, "k")
    assert await store.begin(project, "k", "g", b"other") == Run(b"other", True)
