"""Leases outlast every attempt."""

import asyncio
import time

from gateway.delivery.lease import LEASE_SECONDS, Lease
from gateway.domain.delivery import Claim, Lane, LaneReport, Route
from gateway.domain.ids import ProjectId, UserId
from gateway.store.lanes import LaneStore
from tests.servers import RedisServer
from tests.store.conftest import InspectedClient

USER = UserId("018c0000-0000-7000-8000-00000000000a")
LANE = Lane(ProjectId("1"), Route.EMAIL)


async def claimed(lanes: LaneStore) -> Claim:
    await lanes.add(LANE, USER)
    lanes.wake()
    (claim,) = await lanes.claim(10, int(LEASE_SECONDS * 1000))
    return claim


async def until_later(client: InspectedClient, claim: Claim) -> None:
    """Wait until a lease that begins now differs from that of a claim, which is known by its millisecond."""
    while True:
        seconds, microseconds = await client.redis.time()
        if seconds * 1000 + microseconds // 1000 > claim.lease_ms - LEASE_SECONDS * 1000:
            return


async def test_a_lease_that_is_too_short_is_extended_once_for_all_who_need_it(
    redis_server: RedisServer,
) -> None:
    client = InspectedClient(redis_server.url)
    await client.load()
    await client.redis.flushall()
    lanes = LaneStore(client)
    first = await claimed(lanes)
    held = Lease(lanes, first, time.monotonic() - LEASE_SECONDS + 10)
    assert not held.is_over
    assert await held.covers(USER, 3)
    assert held.claim is first
    await until_later(client, first)
    assert all(await asyncio.gather(*(held.covers(USER, 6) for _ in range(5))))
    assert held.claim.lease_score != first.lease_score
    await lanes.done(first, {USER: None}, LaneReport())  # by its former lease, which ends nothing
    assert await held.covers(USER, 3 * LEASE_SECONDS)
    (status,) = await lanes.of_project(LANE.project_id)
    assert status.first_due_ms > (time.time() + 3 * LEASE_SECONDS) * 1000
    await client.aclose()
