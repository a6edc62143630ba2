"""Profiles: attributes are set, removed and read without an event."""

import pytest

from gateway.domain.guard import UserDeletedError
from gateway.store import keys
from gateway.store.deletion import UserDeletion
from gateway.store.profiles import ProfileStore
from tests.store.conftest import InspectedClient, new_user

NOTHING = {"first_name": None, "last_name": None, "custom_attributes": None, "phone_numbers": None}


@pytest.fixture
def profiles(client: InspectedClient) -> ProfileStore:
    return ProfileStore(client)


async def test_setting_attributes_keeps_the_others_and_none_removes_one(profiles: ProfileStore) -> None:
    user = new_user()
    assert await profiles.set(user, {"first_name": "Ada", "last_name": "Byron"}) == {
        **NOTHING,
        "first_name": "Ada",
        "last_name": "Byron",
    }
    assert await profiles.set(user, {"last_name": None}) == {**NOTHING, "first_name": "Ada"}


async def test_an_attribute_that_is_no_json_counts_as_unset(profiles: ProfileStore, client: InspectedClient) -> None:
    user = new_user()
    await profiles.set(user, {"first_name": "Ada"})
    await client.redis.hset(keys.user(user.project_id, user.id), "last_name", "{")
    assert (await profiles.read_many([user]))[0]["last_name"] is None


async def test_setting_many_profiles_names_the_user_who_is_deleted(
    profiles: ProfileStore, client: InspectedClient
) -> None:
    known, deleted = new_user(), new_user()
    await UserDeletion(client).delete(deleted)
    with pytest.raises(UserDeletedError) as problem:
        await profiles.set_many([(known, {"first_name": "Ada"}), (deleted, {"first_name": "Bob"})])
    assert problem.value.user == deleted
    assert (await profiles.read_many([known]))[0]["first_name"] == "Ada"


async def test_profiles_of_many_users_are_read_in_one_go(profiles: ProfileStore, client: InspectedClient) -> None:
    known, _, deleted = users = [new_user(name) for name in ("known", "unknown", "deleted")]
    for user in (known, deleted):
        profile = {"first_name": "Jö", "custom_attributes": {"a": [1]}, "phone_numbers": ["+1"]}
        await profiles.set(user, {"external_id": "as the inbox remembers", **profile})
    await UserDeletion(client).delete(deleted)
    nothing = {"first_name": None, "last_name": None, "custom_attributes": None, "phone_numbers": None}
    assert await profiles.read_many(users) == [
        {"external_id": "known", "email": None, **nothing, **profile},
        {"external_id": "unknown", "email": None, **nothing},
        {"external_id": "deleted", "email": None, **nothing},
    ]
    assert await profiles.read_many([]) == []
