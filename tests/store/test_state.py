"""The state of the store: its name, its projects, and whether it accepts writes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store import keys
from gateway.store.projects import ProjectStore
from gateway.store.redis.problems import StoreFullError
from gateway.store.state import StoreState, check_writes, read_state
from tests.servers import running_redis
from tests.store.conftest import InspectedClient


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[InspectedClient]:
    """A client of an empty store."""
    with running_redis("valkey", tmp_path) as server:
        own = InspectedClient(server.url)
        yield own
        await own.aclose()


@pytest.mark.parametrize(
    ("state", "is_lost"),
    [
        (StoreState("", 0, 0), True),
        (StoreState("name", 0, 0), False),
        (StoreState("name", 0, 2), True),
        (StoreState("name", 1, 2), False),
    ],
)
def test_a_store_is_lost_without_its_name_or_with_none_of_its_projects(state: StoreState, is_lost: bool) -> None:
    assert state.is_lost is is_lost


async def test_a_store_has_a_name_once_it_was_prepared(own: InspectedClient) -> None:
    assert await read_state(own) == StoreState("", 0, 0)
    projects = ProjectStore(own, "secret")
    await projects.prepare()
    await projects.create("A project", hmac_enabled=True)
    state = await read_state(own)
    assert state.name
    assert state[1:] == (1, 1)


async def test_a_server_that_is_full_refuses_writes(own: InspectedClient) -> None:
    await check_writes(own, keys.PROJECTS)
    await own.redis.config_set("maxmemory", "1")
    with pytest.raises(StoreFullError):
        await check_writes(own, keys.PROJECTS)
