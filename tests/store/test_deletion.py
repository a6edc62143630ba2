"""Deleting a user leaves only the field that says so, and is published to every node."""

import pytest

from gateway.channels import expo
from gateway.domain.guard import UserDeletedError
from gateway.domain.notification import Command, Filter
from gateway.domain.preferences import Status
from gateway.domain.principal import Identity
from gateway.store import keys
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.deletion import TOMBSTONE_SECONDS, UserDeletion
from gateway.store.deliveries import Delivery
from gateway.store.directory import Directory
from gateway.store.inbox import InboxStore
from gateway.store.subscriptions import SubscriptionStore
from tests.store.conftest import InspectedClient, at, new_user
from tests.store.test_inbox import content


async def test_only_the_field_deleted_is_left_of_a_deleted_user(store: InboxStore, client: InspectedClient) -> None:
    user = new_user()
    for number in range(9):
        one = content(category=f"c{number % 2}", topic=f"t{number}")
        await store.create(one, [Delivery(user)], at(1), remember=False)
        for command in (Command.SEEN, Command.READ, Command.ARCHIVE)[: number % 4]:
            await store.change(user, one.id, command, None, at(2))
    await UserDeletion(client).delete(user)
    name = keys.user(user.project_id, user.id)
    assert [key async for key in client.redis.scan_iter(match=f"*{user.id}*")] == [name.encode()]
    assert await client.redis.hgetall(name) == {b"deleted": b"1"}


async def test_a_deleted_user_is_known_as_such_for_a_day(store: InboxStore, client: InspectedClient) -> None:
    user = new_user()
    await UserDeletion(client).delete(user)
    with pytest.raises(UserDeletedError):
        await store.list_page(user, Filter(), 1, 10)
    assert 0 < await client.redis.ttl(keys.user(user.project_id, user.id)) <= TOMBSTONE_SECONDS


async def test_a_deletion_is_published_to_the_users_open_inboxes(client: InspectedClient) -> None:
    user = new_user()
    async with client.redis.pubsub() as subscriber:
        await subscriber.execute_command("SSUBSCRIBE", keys.user(user.project_id, user.id))
        assert (await subscriber.parse_response())[0] == b"ssubscribe"
        await UserDeletion(client).delete(user)
        assert (await subscriber.parse_response())[2] == b"!deleted"


async def test_the_project_forgets_what_a_deleted_user_subscribed_to_and_which_tokens_it_had(
    client: InspectedClient,
) -> None:
    user = new_user()
    user = await Directory(client, lambda: 0.0).resolve(user.project_id, Identity("joe"))
    await SubscriptionStore(client).set(user, "topic", Status.SUBSCRIBED, {"*": ""})
    await ChannelTokenStore(client).register(user, expo.TOKEN, {"device_token": "token"}, 1)
    await UserDeletion(client).delete(user)
    subscribers = keys.directory(user.project_id) + keys.DIRECTORY_SUFFIXES["SUBSCRIBERS"] + "topic"
    assert await client.redis.exists(subscribers) == 0
    assert await client.redis.hkeys(keys.token_holders(user.project_id)) == [b""]


async def test_many_users_are_deleted_at_once(store: InboxStore, client: InspectedClient) -> None:
    users = [new_user() for _ in range(3)]
    for user in users:
        await store.create(content(), [Delivery(user)], at(1), remember=False)
    await UserDeletion(client).delete_many(users)
    for user in users:
        assert await client.redis.hgetall(keys.user(user.project_id, user.id)) == {b"deleted": b"1"}
