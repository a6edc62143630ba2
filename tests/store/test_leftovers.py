"""What older gateways leave of users whom they delete is deleted when they are gone, and nothing of other users."""

from collections.abc import AsyncIterator

import pytest

from gateway.channels import apns, expo
from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.leftovers import LATER_SUFFIXES, Leftovers
from tests.servers import RedisServer
from tests.store.conftest import new_user
from tests.store.test_older_functions import CODE, Versions


@pytest.fixture
async def versions(redis_server: RedisServer) -> AsyncIterator[Versions]:
    versions = Versions(redis_server.url)
    yield versions
    versions.close()


@pytest.mark.parametrize("is_expired", [False, True])
async def test_the_tokens_of_a_user_whom_an_older_gateway_deleted_are_deleted_later(
    versions: Versions, is_expired: bool
) -> None:
    ada = new_user()
    bob = User(ada.project_id, new_user().id, None, None)
    store, client = ChannelTokenStore(versions.new), versions.new
    for kind in (apns.TOKEN, expo.TOKEN):
        for user in (ada, bob):
            await store.register(user, kind, {"device_token": user.id}, 1)
    record = keys.user(ada.project_id, ada.id)
    await client.command("HSET", record + keys.USER_SUFFIXES["INSTALLATIONS"], "slack", "{}")
    await versions.call_old("delete_user", record, 100)
    if is_expired:
        await client.command("DEL", record)
    await Leftovers(client).erase()

    kept = await client.command("KEYS", f"{record}?*")
    assert kept == []
    assert (await client.command("TTL", record)) > 0, "only that the user is deleted is kept, for some time"
    for kind in (apns.TOKEN, expo.TOKEN):
        assert len((await store.page(bob, kind, 5, None, None, live_only=True)).tokens) == 1
    holding = await client.command("HVALS", keys.token_holders(ada.project_id))
    assert sum(ada.id.encode() in value for value in holding) == 0
    assert sum(bob.id.encode() in value for value in holding) == 2


def test_every_key_that_older_functions_do_not_know_is_looked_for() -> None:
    unknown = {
        name for name, suffix in keys.USER_SUFFIXES.items() if f"{suffix}'" not in CODE and f'{suffix}"' not in CODE
    }
    assert unknown == set(LATER_SUFFIXES)
