"""Devices: the tokens of the app installations that receive a user's push notifications.

A device belongs to the user that registered it last, such as the next user of a shared phone. Its record lies in the
slot of its user, so that a sender of push notifications reads a single slot. The project's slot has the holders of each
device: the users that may have such a record. A registration takes four steps:

    claim     in the project's slot, the user becomes the owner, in front of all other holders
    remove    in the slots of the other holders, their records are removed
    put       in the user's slot, the record is written
    confirm   in the project's slot, the user becomes the only holder

So the project's slot always lists every user that may hold a device, and the next registration removes the device from
all others. After a crash that follows `remove`, no user holds the device until it is registered again. If two users
register at once, the later claim wins: a user that is no longer the owner at `confirm` removes its own record. Claims
are numbered, so that a late `remove` does not remove a later registration.
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
"""The maximum number of devices of a user. Apps change tokens and seldom unregister old ones. The oldest are
removed."""


class Device(NamedTuple):
    """An app installation of a user. `token` was assigned by its platform."""

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
    """Users' devices. Methods raise StoreUnavailableError; repeating the call then completes the change."""

    def __init__(self, client: FunctionClient):
        self._client = client
        self._functions = UserFunctions(client)

    async def register(self, user: User, device: Device, now_ms: int, guard: Guard = UNGUARDED) -> UUID:
        """Register a device for a user, remove it from all other users, and return its id.

        Raises the exceptions of UserFunctions.
        """
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
        displaced = await self._functions.call(user, UNGUARDED, put)
        if isinstance(displaced, list):
            await self._client.call(RELEASE_DEVICE(holders, displaced[0], user.id, displaced[1]))
        if not await self._client.call(CONFIRM_DEVICE(holders, device.token, user.id)):
            await self._functions.call(user, UNGUARDED, REMOVE_DEVICE(device.token, claim))
            await self._client.call(RELEASE_DEVICE(holders, device.token, user.id, claim))
        return device_id

    async def unregister(self, user: User, token: str, guard: Guard = UNGUARDED) -> bool:
        """Remove a device of a user. Return whether there was one. Raises the exceptions of UserFunctions."""
        claim = await self._functions.call(user, guard, REMOVE_DEVICE(token, claim=""))
        if claim < 0:
            return False
        await self._client.call(RELEASE_DEVICE(keys.device_holders(user.project_id), token, user.id, claim))
        return True


def id_of(user: User, token: str) -> UUID:
    """Return the id of a device (RFC 9562, UUIDv5). It is the same at every registration by this user."""
    return uuid5(UUID(user.id), token)
