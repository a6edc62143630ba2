"""The limits of new users whose names are not proven."""

import asyncio
import time
from uuid import uuid4

import pytest

from gateway.domain.ids import ProjectId
from gateway.domain.new_user_limits import NewUserLimits
from gateway.domain.principal import Identity
from gateway.store import keys
from gateway.store.directory import Directory
from gateway.store.errors import TooManyNewUsersError
from tests.store.conftest import InspectedClient, new_user

ADDRESS = "203.0.113.1"


async def come(client: InspectedClient, project: ProjectId, limits: NewUserLimits, name: str = "") -> None:
    """Resolve a new user, without use of a cache."""
    identity = Identity(external_id=name or str(uuid4()))
    await Directory(client, time.monotonic).resolve_limited(project, identity, lambda: ADDRESS, limits)


def counter(project: ProjectId, address: str = "") -> str:
    return keys.directory(project) + keys.DIRECTORY_SUFFIXES["NEW_USER_LIMITS"] + address


async def test_as_many_users_may_be_created_at_once_as_in_an_hour(client: InspectedClient) -> None:
    project = new_user().project_id
    for _ in range(5):
        await come(client, project, NewUserLimits(5, 0))
    with pytest.raises(TooManyNewUsersError) as refused:
        await come(client, project, NewUserLimits(5, 0))
    assert 700 <= refused.value.retry_after_seconds <= 720
    assert not refused.value.of_address
    assert 3590 <= await client.redis.ttl(counter(project)) <= 3601


async def test_then_users_are_created_at_the_average_rate(client: InspectedClient) -> None:
    project, limits = new_user().project_id, NewUserLimits(1_800, 0)
    await client.redis.set(counter(project), f"{time.time() + 3600:.6f}")
    with pytest.raises(TooManyNewUsersError) as refused:
        await come(client, project, limits)
    assert refused.value.retry_after_seconds in {1, 2}
    async with asyncio.timeout(30):
        while True:
            try:
                return await come(client, project, limits)
            except TooManyNewUsersError:
                await asyncio.sleep(0.01)


async def test_a_refused_user_uses_up_nothing(client: InspectedClient) -> None:
    project, limits = new_user().project_id, NewUserLimits(5, 1)
    await come(client, project, limits)
    before = await client.redis.get(counter(project))
    with pytest.raises(TooManyNewUsersError) as refused:
        await come(client, project, limits)
    assert refused.value.of_address
    assert await client.redis.get(counter(project)) == before


async def test_a_known_user_is_not_counted(client: InspectedClient) -> None:
    project, limits = new_user().project_id, NewUserLimits(2, 2)
    for _ in range(5):
        await come(client, project, limits, "ada")
    await come(client, project, limits, "joe")


async def test_a_counter_that_a_wrong_clock_wrote_refuses_no_user(client: InspectedClient) -> None:
    project = new_user().project_id
    await client.redis.set(counter(project), f"{time.time() + 40 * 24 * 3600:.6f}")
    await come(client, project, NewUserLimits(5, 5))


async def test_limits_of_zero_and_unknown_addresses_do_not_limit(client: InspectedClient) -> None:
    project, directory = new_user().project_id, Directory(client, time.monotonic)
    for _ in range(5):
        identity = Identity(email=f"{uuid4()}@example.com")
        await directory.resolve_limited(project, identity, lambda: "", NewUserLimits(0, 1))
    counters = keys.directory(project) + keys.DIRECTORY_SUFFIXES["NEW_USER_LIMITS"]
    assert [key async for key in client.redis.scan_iter(match=f"{counters}*")] == []
