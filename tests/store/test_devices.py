"""Devices: only the user that registered a device last has it, even after crashes and concurrent registrations."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from gateway.domain.guard import UNGUARDED
from gateway.domain.principal import ProjectId, User, UserId
from gateway.store import keys
from gateway.store.deletion import UserDeletion
from gateway.store.devices import MAX_DEVICES, PUT_DEVICE, REMOVE_DEVICE, Device, DeviceStore
from gateway.store.guarded import UserFunctions
from gateway.store.redis.client import FunctionClient, StoreUnavailableError
from gateway.store.redis.functions import FunctionCall
from tests.store.conftest import InspectedClient, new_user

DEVICE = Device("token", "ios", None)


def colleague(user: User, name: str) -> User:
    """Another user of the same project."""
    return User(user.project_id, UserId(str(uuid4())), name, None)


@pytest.fixture
def ada() -> User:
    return new_user("ada")


@pytest.fixture
def bob(ada: User) -> User:
    return colleague(ada, "bob")


@pytest.fixture
def devices(client: InspectedClient) -> DeviceStore:
    return DeviceStore(client)


async def tokens(client: InspectedClient, user: User) -> set[str]:
    """Return the tokens stored with a user."""
    key = keys.user(user.project_id, user.id) + keys.USER_SUFFIXES["DEVICES"]
    return {bytes(token).decode() for token in await client.redis.hkeys(key)}  # type: ignore[arg-type] # str only with decode_responses


async def holders(client: InspectedClient, project_id: ProjectId) -> list[str]:
    """Return the holders of a device in the project's slot."""
    packed = await client.redis.hget(keys.device_holders(project_id), DEVICE.token)
    return [user for user, _ in msgspec.json.decode(packed)] if packed else []


class FailingClient(FunctionClient):
    """A client that loses Redis after some calls."""

    def __init__(self, client: InspectedClient, calls: int):
        super().__init__(client.topology, client.library)
        self.left = calls

    async def call_many(self, calls: Sequence[FunctionCall[Any]]) -> list[Any]:
        if self.left == 0:
            raise StoreUnavailableError("lost")
        self.left -= 1
        return await super().call_many(calls)


class DawdlingClient(FunctionClient):
    """A client that takes a random time before each call."""

    def __init__(self, client: InspectedClient):
        super().__init__(client.topology, client.library)

    async def call_many(self, calls: Sequence[FunctionCall[Any]]) -> list[Any]:
        for _ in range(random.randrange(6)):
            await asyncio.sleep(0)
        return await super().call_many(calls)


async def test_a_device_is_stored_with_its_user(devices: DeviceStore, client: InspectedClient, ada: User) -> None:
    device_id = await devices.register(ada, Device("token", "android", "org.example"), 5000)
    key = keys.user(ada.project_id, ada.id) + keys.USER_SUFFIXES["DEVICES"]
    stored = await client.redis.hget(key, "token") or b""
    claim, registered_ms, encoded = bytes(stored).split(b" ", 2)  # type: ignore[arg-type] # str only with decode_responses
    assert (claim, registered_ms) == (b"1", b"5000")
    assert msgspec.json.decode(encoded) == {
        "id": str(device_id),
        "token": "token",
        "platform": "android",
        "app_bundle_id": "org.example",
    }


async def test_a_device_keeps_its_id_when_its_user_registers_it_again(devices: DeviceStore, ada: User) -> None:
    assert await devices.register(ada, DEVICE, 1) == await devices.register(ada, DEVICE, 2)


async def test_a_device_belongs_to_the_user_that_registered_it_last(
    devices: DeviceStore, client: InspectedClient, ada: User, bob: User
) -> None:
    for user, other in ((ada, bob), (bob, ada), (ada, bob)):
        await devices.register(user, DEVICE, 1)
        assert await tokens(client, user) == {"token"}
        assert await tokens(client, other) == set()
        assert await holders(client, ada.project_id) == [user.id]


async def test_users_of_two_projects_may_hold_the_same_token(
    devices: DeviceStore, client: InspectedClient, ada: User
) -> None:
    stranger = new_user()
    await devices.register(ada, DEVICE, 1)
    await devices.register(stranger, DEVICE, 1)
    assert await tokens(client, ada) == await tokens(client, stranger) == {"token"}


async def test_an_unregistered_device_leaves_nothing_behind(
    devices: DeviceStore, client: InspectedClient, ada: User
) -> None:
    await devices.register(ada, DEVICE, 1)
    assert await devices.unregister(ada, "token") is True
    assert await devices.unregister(ada, "token") is False
    assert await tokens(client, ada) == set()
    assert await holders(client, ada.project_id) == []


async def test_a_device_of_somebody_else_cannot_be_unregistered(
    devices: DeviceStore, client: InspectedClient, ada: User, bob: User
) -> None:
    await devices.register(ada, DEVICE, 1)
    assert await devices.unregister(bob, "token") is False
    assert await tokens(client, ada) == {"token"}


async def test_the_device_registered_longest_ago_is_removed(
    devices: DeviceStore, client: InspectedClient, ada: User
) -> None:
    for number in range(MAX_DEVICES):
        await devices.register(ada, Device(str(number), "ios", None), now_ms=1000 + number)
    await devices.register(ada, Device("0", "ios", None), now_ms=3000)
    await devices.register(ada, DEVICE, now_ms=10)  # by a clock that is behind
    assert await tokens(client, ada) == {*map(str, range(MAX_DEVICES)), "token"} - {"1"}


@pytest.mark.parametrize("next_one", ["the same user", "the owner before", "somebody else"])
@pytest.mark.parametrize("calls", range(4))
async def test_the_next_registration_of_a_device_repairs_the_state_after_a_crash(
    devices: DeviceStore, client: InspectedClient, ada: User, bob: User, calls: int, next_one: str
) -> None:
    await devices.register(ada, DEVICE, 1)
    with pytest.raises(StoreUnavailableError):
        await DeviceStore(FailingClient(client, calls)).register(bob, DEVICE, 2)
    holding = [user for user in (ada, bob) if await tokens(client, user)]
    assert len(holding) <= 1, "a device never belongs to two"
    assert {user.id for user in holding} <= set(await holders(client, ada.project_id))

    eve = colleague(ada, "eve")
    user = {"the same user": bob, "the owner before": ada, "somebody else": eve}[next_one]
    await devices.register(user, DEVICE, 3)
    assert [one for one in (ada, bob, eve) if await tokens(client, one)] == [user]
    assert await holders(client, ada.project_id) == [user.id]


@pytest.mark.parametrize("calls", range(2))
async def test_a_crash_while_unregistering_does_no_harm(
    devices: DeviceStore, client: InspectedClient, ada: User, bob: User, calls: int
) -> None:
    await devices.register(ada, DEVICE, 1)
    with pytest.raises(StoreUnavailableError):
        await DeviceStore(FailingClient(client, calls)).unregister(ada, "token")
    await devices.register(bob, DEVICE, 2)
    assert await tokens(client, ada) == set()
    assert await tokens(client, bob) == {"token"}
    assert await holders(client, ada.project_id) == [bob.id]


async def test_of_users_who_register_a_device_at_once_one_gets_it(client: InspectedClient, ada: User) -> None:
    users = [ada, *(colleague(ada, str(number)) for number in range(4))]
    devices = DeviceStore(DawdlingClient(client))
    for _ in range(15):
        racing = random.choices(users, k=6)
        await asyncio.gather(*(devices.register(user, DEVICE, 1) for user in racing))
        holding = [user.id for user in users if await tokens(client, user)]
        assert holding == await holders(client, ada.project_id)
        assert len(holding) == 1


async def test_unregistering_while_others_register_leaves_the_device_with_one_at_most(
    client: InspectedClient, ada: User, bob: User
) -> None:
    devices = DeviceStore(DawdlingClient(client))
    for _ in range(15):
        await asyncio.gather(
            devices.register(ada, DEVICE, 1),
            devices.unregister(ada, "token"),
            devices.register(bob, DEVICE, 1),
            devices.unregister(ada, "token"),
        )
        holding = [user.id for user in (ada, bob) if await tokens(client, user)]
        assert len(holding) <= 1
        assert set(holding) <= set(await holders(client, ada.project_id))


async def test_a_late_registration_of_the_same_user_does_not_replace_the_newer_one(
    client: InspectedClient, ada: User
) -> None:
    functions = UserFunctions(client)
    assert await functions.call(ada, UNGUARDED, PUT_DEVICE("token", 2, 1, b"{}")) == 1
    assert await functions.call(ada, UNGUARDED, PUT_DEVICE("token", 1, 1, b"{}")) == 0
    assert await functions.call(ada, UNGUARDED, REMOVE_DEVICE("token", 1)) == -1
    assert await functions.call(ada, UNGUARDED, REMOVE_DEVICE("token", 2)) == 2


async def known_tokens(client: InspectedClient, project_id: ProjectId) -> int:
    """Return the number of tokens in the project's slot. One field is the last claim."""
    return await client.redis.hlen(keys.device_holders(project_id)) - 1


async def test_the_project_forgets_a_device_that_had_to_go(
    client: InspectedClient, devices: DeviceStore, ada: User
) -> None:
    for number in range(MAX_DEVICES + 5):
        await devices.register(ada, Device(f"token{number}", "ios", None), number)
    assert await known_tokens(client, ada.project_id) == len(await tokens(client, ada)) == MAX_DEVICES


async def test_the_project_forgets_the_devices_of_a_deleted_user(
    client: InspectedClient, devices: DeviceStore, ada: User, bob: User
) -> None:
    await devices.register(ada, Device("hers", "ios", None), 1)
    await devices.register(ada, Device("shared", "ios", None), 1)
    await devices.register(bob, Device("shared", "ios", None), 2)
    await UserDeletion(client).delete(ada)
    assert await known_tokens(client, ada.project_id) == 1
    assert await tokens(client, bob) == {"shared"}
