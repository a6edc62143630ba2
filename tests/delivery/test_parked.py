"""Parked lanes are tried again."""

import time
from collections.abc import AsyncIterator

import pytest

from gateway.delivery.parked import TRY_AGAIN_SECONDS, ParkedLanes
from gateway.domain.delivery import Lane, Route
from gateway.domain.ids import ProjectId
from gateway.settings import Settings
from gateway.store.lanes import LaneStore
from gateway.store.library import LIBRARY
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from tests.servers import RedisServer, free_port
from tests.store.conftest import InspectedClient

LANE = Lane(ProjectId("1"), Route.EMAIL)


@pytest.fixture
async def lanes(redis_server: RedisServer) -> AsyncIterator[LaneStore]:
    client = InspectedClient(redis_server.url)
    await client.load()
    await client.redis.flushall()
    yield LaneStore(client)
    await client.aclose()


async def test_a_lane_is_tried_again_once_it_was_parked_for_long(lanes: LaneStore) -> None:
    await lanes.park(LANE, "suspended")
    parked = ParkedLanes(lanes)
    await parked.check(time.time() + TRY_AGAIN_SECONDS - 60)
    assert [status.parked for status in await lanes.all()] == ["suspended"]
    await parked.check(time.time() + TRY_AGAIN_SECONDS + 60)
    assert await lanes.all() == [] or not (await lanes.all())[0].parked


async def test_a_check_while_redis_is_down_does_nothing() -> None:
    client = FunctionClient(Topology(Settings(redis_url=f"redis://127.0.0.1:{free_port()}")), LIBRARY)
    await ParkedLanes(LaneStore(client)).check(time.time())
    client.close()
