"""Devices: which tokens push notifications to a user would go to.

A device belongs to who registered it last, as an app's next user does. Its record lies in its user's slot, so that
whoever sends pushes reads one place; who may have such a record lies in the project's slot. Registering goes

    claim    the project notes the user as owner, in front of all others who may hold the device
    clear    those others lose it
    put      the user gets it
    settle   the project notes that the user alone holds it

so at every moment the project knows everybody who may hold a device, and whoever registers it next, the same user
or another, takes it from all of them. A crash after `clear` leaves a device that nobody holds until then. Of two
users who register at once the later claim wins: who finds somebody else in front when settling takes its own record
back. Claims are numbered, so that a late `clear` does not take away what was registered after it.
"""

from typing import NamedTuple
from uuid import UUID, uuid5

import msgspec

from gateway.domain.guard import UNGUARDED, Guard
from gateway.domain.principal import User, UserId
from gateway.store import keys
from gateway.store.guarded import USE, UserFunctions
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import Arguments, nothing, untouched, user_function, writing_function

MAX_DEVICES = 100
"""Devices of one user: apps change tokens and seldom unregister the old ones, so the oldest give way."""


class Device(NamedTuple):
    """An app installation of a user, by the token that its platform gave it."""

    token: str
    platform: str
    app_bundle_id: str | None


def _put(token: str, claim: int, now_ms: int, device: bytes) -> Arguments:
    return (token, claim, now_ms, device, MAX_DEVICES)


def _remove(token: str, claim: int | str) -> Arguments:
    return (token, claim)


def _of_user(token: str, user_id: str) -> Arguments:
    return (token, user_id)


def _release(token: str | bytes, user_id: str, claim: int | bytes) -> Arguments:
    return (token, user_id, claim)


PUT_DEVICE = user_function("put_device", _put, untouched)
REMOVE_DEVICE = user_function("remove_device", _remove, int, frees_memory=True, repeatable=False)
CLAIM_DEVICE = writing_function("claim_device", "holders", _of_user, untouched)
CONFIRM_DEVICE = writing_function("confirm_device", "holders", _of_user, bool, frees_memory=True)
RELEASE_DEVICE = writing_function("release_device", "holders", _release, nothing, frees_memory=True)


class DeviceStore:
    """Users' devices. Methods raise StoreUnavailableError: then a repetition completes what was begun."""

    def __init__(self, client: FunctionClient):
        self._client = client
        self._functions = UserFunctions(client)

    async def register(self, user: User, device: Device, now_ms: int, guard: Guard = UNGUARDED) -> UUID:
        """Make a device the user's, and nobody else's; give its id."""
        await self._functions.call(user, guard, USE())
        holders = keys.device_holders(user.project_id)
        device_id = id_of(user, device.token)
        claim, *others = await self._client.call(CLAIM_DEVICE(holders, device.token, user.id))
        if others:
            holders_before = [User(user.project_id, UserId(other.decode()), None, None) for other in others]
            # The replies do not matter: a user who was deleted holds no device.
            await self._functions.send_many(holders_before, [REMOVE_DEVICE(device.token, claim)] * len(others))
        encoded = msgspec.json.encode({"id": device_id, **device._asdict()})
        put = PUT_DEVICE(token=device.token, claim=claim, now_ms=now_ms, device=encoded)
        gone = await self._functions.call(user, UNGUARDED, put)
        if isinstance(gone, list):
            await self._client.call(RELEASE_DEVICE(holders, gone[0], user.id, gone[1]))
        if not await self._client.call(CONFIRM_DEVICE(holders, device.token, user.id)):
            await self._functions.call(user, UNGUARDED, REMOVE_DEVICE(device.token, claim))
            await self._client.call(RELEASE_DEVICE(holders, device.token, user.id, claim))
        return device_id

    async def unregister(self, user: User, token: str, guard: Guard = UNGUARDED) -> bool:
        """Forget a device of the user; False when the user has no such device."""
        claim = await self._functions.call(user, guard, REMOVE_DEVICE(token, claim=""))
        if claim < 0:
            return False
        await self._client.call(RELEASE_DEVICE(keys.device_holders(user.project_id), token, user.id, claim))
        return True


def id_of(user: User, token: str) -> UUID:
    """Give the id of a device: the same one whenever this user registers it."""
    return uuid5(UUID(user.id), token)
