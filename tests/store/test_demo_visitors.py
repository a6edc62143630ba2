"""The visitors of the demo are bounded, and idle ones are deleted with all of their users."""

import time

from gateway.domain.ids import ProjectId
from gateway.domain.principal import Identity
from gateway.store import keys
from gateway.store.demo_visitors import DELETED_AT_ONCE, IDLE_SECONDS, YIELDS_AFTER_SECONDS, DemoVisitors
from gateway.store.directory import Directory
from tests.store.conftest import InspectedClient, new_user


def names_of(visitor: str) -> list[str]:
    return [f"ada-{visitor}", f"grace-{visitor}"]


def visitors_of(client: InspectedClient, most: int = 100) -> tuple[DemoVisitors, Directory, ProjectId]:
    directory = Directory(client, time.monotonic)
    return DemoVisitors(client, directory, names_of, most), directory, new_user().project_id


async def test_an_idle_visitor_is_deleted_with_its_users_when_another_one_comes(client: InspectedClient) -> None:
    visitors, directory, project_id = visitors_of(client)
    assert await visitors.touch(project_id, "a", 1000)
    assert await visitors.touch(project_id, "b", 2000)
    users = [await directory.resolve(project_id, Identity(name, None)) for name in names_of("a") + names_of("b")]
    assert await visitors.touch(project_id, "c", 1000 + IDLE_SECONDS)
    deleted = [await client.redis.hexists(keys.user(project_id, user.id), "deleted") for user in users]
    assert deleted == [True, True, False, False]
    assert [await directory.find(project_id, f"x:{name}") for name in names_of("a")] == [None, None]
    assert await client.redis.zrange(keys.demo_visitors(project_id), 0, -1) == [b"b", b"c"]


async def test_a_new_visitor_deletes_a_bounded_number_of_others(client: InspectedClient) -> None:
    visitors, _, project_id = visitors_of(client)
    for number in range(DELETED_AT_ONCE + 3):
        await visitors.touch(project_id, f"v{number}", 1)
    await visitors.touch(project_id, "last", 2 + IDLE_SECONDS)
    assert await client.redis.zcard(keys.demo_visitors(project_id)) == 4


async def test_when_there_is_no_room_only_a_visitor_who_is_not_here_any_more_yields(client: InspectedClient) -> None:
    visitors, _, project_id = visitors_of(client, most=2)
    assert await visitors.touch(project_id, "a", 1000)
    assert await visitors.touch(project_id, "b", 1000)
    assert not await visitors.touch(project_id, "c", 1001)
    now = 1000 + YIELDS_AFTER_SECONDS
    assert await visitors.touch(project_id, "b", now)
    assert await visitors.touch(project_id, "c", now)
    assert not await visitors.touch(project_id, "a", now)
    assert await client.redis.zrange(keys.demo_visitors(project_id), 0, -1) == [b"b", b"c"]
