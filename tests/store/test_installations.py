"""The installations of a user, whose secrets only the user's record can open."""

import pytest

from gateway.channels.secret_param import REDACTED
from gateway.domain.guard import UserDeletedError
from gateway.store import keys
from gateway.store.deletion import UserDeletion
from gateway.store.errors import TooManyError
from gateway.store.installations import MAX_INSTALLATIONS, InstallationStore
from tests.store.conftest import InspectedClient, new_user

VALUES = {"team": {"id": "T1"}, "access_token": "xoxb-hush"}
PATHS = ("access_token",)


async def test_an_installation_is_read_as_it_was_saved_and_encrypted_at_rest(client: InspectedClient) -> None:
    store, ada = InstallationStore(client, "k"), new_user("ada")
    assert await store.read(ada, "slack T1") is None
    saved = await store.replace(ada, "slack T1", VALUES, PATHS, None)
    assert saved is not None
    assert saved == await store.read(ada, "slack T1")
    assert (saved.values, saved.shown["access_token"]) == (VALUES, REDACTED)
    key = keys.user(ada.project_id, ada.id) + keys.USER_SUFFIXES["INSTALLATIONS"]
    (raw,) = await client.redis.hvals(key)
    assert b"hush" not in raw
    ben = new_user("ben")
    await client.redis.hset(keys.user(ben.project_id, ben.id) + keys.USER_SUFFIXES["INSTALLATIONS"], "slack T1", raw)
    copied = await store.read(ben, "slack T1")
    assert copied is not None
    assert copied.secrets == {}


async def test_a_change_does_not_overwrite_a_concurrent_one(client: InspectedClient) -> None:
    store, ada = InstallationStore(client, "k"), new_user("ada")
    first = await store.replace(ada, "inbox", {"locale": "en"}, (), None)
    assert await store.replace(ada, "inbox", {"locale": "de"}, (), None) is None
    second = await store.replace(ada, "inbox", {"locale": "de"}, (), first)
    assert second is not None
    assert (await store.read(ada, "inbox")) == second


async def test_a_user_has_a_bounded_number_of_them(client: InspectedClient) -> None:
    store, ada = InstallationStore(client, "k"), new_user("ada")
    for number in range(MAX_INSTALLATIONS):
        await store.replace(ada, f"templates {number}", {"text": "x"}, (), None)
    with pytest.raises(TooManyError, match="more than 100 installations"):
        await store.replace(ada, "one more", {"text": "x"}, (), None)
    kept = await store.read(ada, "templates 7")
    assert await store.replace(ada, "templates 7", {"text": "y"}, (), kept) is not None


async def test_they_are_deleted_with_the_user(client: InspectedClient) -> None:
    store, ada = InstallationStore(client, "k"), new_user("ada")
    await store.replace(ada, "inbox", {"locale": "en"}, (), None)
    await UserDeletion(client).delete(ada)
    with pytest.raises(UserDeletedError):
        await store.read(ada, "inbox")
    assert await client.redis.keys(f"*{ada.id}*{keys.USER_SUFFIXES['INSTALLATIONS']}") == []
