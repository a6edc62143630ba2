"""Counts and random samples of a project's users, as the user index and the indexes of topics have them."""

from uuid import uuid4

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.preferences import Status
from gateway.domain.principal import Identity, User
from gateway.store import keys
from gateway.store.audience import AudienceStore
from gateway.store.directory import Directory
from gateway.store.subscriptions import SubscriptionStore
from tests.store.conftest import InspectedClient, new_user


async def people(client: InspectedClient, count: int) -> tuple[ProjectId, Directory, list[User]]:
    directory, project_id = Directory(client, lambda: 0.0), new_user().project_id
    resolved = await directory.resolve_many(project_id, [Identity(f"u{number}") for number in range(count)])
    return project_id, directory, [each.user for each in resolved]


async def test_deleted_users_are_not_counted_and_not_chosen(client: InspectedClient) -> None:
    project_id, directory, users = await people(client, 300)
    for user in users[10:20]:
        await directory.forget(user)
    store = AudienceStore(client)
    assert await store.count_users(project_id, 300) == 290
    assert await store.count_users(project_id, 15) == 10
    assert await store.users_at(project_id, [5, 15, 25]) == [users[5], users[25]]
    assert await store.users_at(project_id, []) == await store.users_at(project_id, [12, 999]) == []


async def test_an_id_that_begins_with_zeros_is_that_of_a_user(client: InspectedClient) -> None:
    project_id, directory, (user, gone) = await people(client, 2)
    await directory.forget(gone)
    await client.redis.setrange(keys.user_index(project_id, 0), 0, bytes(15) + b"\1")
    assert await AudienceStore(client).count_users(project_id, 2) == 1
    assert user.id


async def test_users_in_several_parts_of_the_index_are_counted(client: InspectedClient) -> None:
    project_id = new_user().project_id
    await client.redis.set(keys.user_index(project_id, 0), b"x" * 16 * 65_536)
    await client.redis.set(keys.user_index(project_id, 1), b"x" * 32 + bytes(16))
    assert await AudienceStore(client).count_users(project_id, 65_539) == 65_538


async def test_subscribers_are_chosen_without_the_claim_that_is_beside_them(client: InspectedClient) -> None:
    project_id, _, users = await people(client, 20)
    subscriptions, store = SubscriptionStore(client), AudienceStore(client)
    for user in users:
        await subscriptions.set(user, "news", Status.SUBSCRIBED, {"*": ""})
    assert await store.count_subscribers(project_id, "news") == 20
    for count, found in ((5, 5), (20, 20), (50, 20)):
        assert len(set(await store.sample_subscribers(project_id, "news", count))) == found
    assert await store.count_subscribers(project_id, "other") == 0
    assert await store.sample_subscribers(project_id, "other", 5) == []


async def test_names_are_found_and_a_user_without_a_record_is_left_out(client: InspectedClient) -> None:
    project_id, _, (user,) = await people(client, 1)
    store = AudienceStore(client)
    assert await store.find_ids(project_id, ["x:u0", "x:other"]) == [user.id, None]
    assert await store.find_ids(project_id, []) == []
    await client.redis.hdel(keys.directory(project_id), f"u:{user.id}")
    assert await store.users_at(project_id, [0]) == []
    assert UserId(str(uuid4())) != user.id
