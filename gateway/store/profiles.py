"""Users' profiles: the attributes that a user's record in Redis holds besides its names."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.domain.guard import UNGUARDED
from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.guarded import UserFunctions, unwrapped
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import (
    Arguments,
    no_arguments,
    reading_function,
    untouched,
    user_function,
)
from gateway.store.redis.problems import StoreDataError

ATTRIBUTES = ("first_name", "last_name", "custom_attributes", "phone_numbers")
"""The fields of a profile, in the order in which the function `read_profile` returns them."""


def _set(fields: Arguments) -> Arguments:
    return fields


SET_PROFILE = user_function("set_profile", _set, untouched)
READ_PROFILE = reading_function("read_profile", "user", no_arguments, untouched)


class ProfileStore:
    """All profiles. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient):
        self._client = client
        self._functions = UserFunctions(client)

    async def set(self, user: User, profile: Mapping[str, Any]) -> dict[str, Any]:
        """Set fields of a user's record (None removes a field), and return its attributes by name, None for unset ones.

        `profile` may also have the names `external_id` and `email`, which the user's items then show. Raises
        UserDeletedError.
        """
        return decode_attributes(await self._functions.call(user, UNGUARDED, SET_PROFILE(profile_arguments(profile))))

    async def set_many(self, profiles: Sequence[tuple[User, Mapping[str, Any]]]) -> None:
        """Set fields of several users' records in one round trip.

        Raises UserDeletedError for one of the users; profiles of others may be written by then.
        """
        users = [user for user, _ in profiles]
        calls = [SET_PROFILE(profile_arguments(profile)) for _, profile in profiles]
        for reply, user in zip(await self._functions.send_many(users, calls), users, strict=True):
            unwrapped(reply, user, UNGUARDED)

    async def read_many(self, users: Sequence[User]) -> list[dict[str, Any]]:
        """Return the names and attributes of some users, in order, in one round trip.

        For a deleted user, and for one whose record cannot be read, all attributes are None.
        """
        calls = [READ_PROFILE(keys.user(user.project_id, user.id)) for user in users]
        # A user whose data cannot be read is logged, and must not prevent the others from being returned.
        nothing = [None] * len(ATTRIBUTES)
        return [
            {
                "external_id": user.external_id,
                "email": user.email,
                **decode_attributes(nothing if isinstance(values, StoreDataError) else values),
            }
            for user, values in zip(users, await self._client.call_each(calls), strict=True)
        ]


def profile_arguments(profile: Mapping[str, Any]) -> Arguments:
    """Return fields of a profile as the Lua functions accept them: name, JSON, name, JSON …"""
    return tuple(part for name, value in profile.items() for part in (name, msgspec.json.encode(value)))


def decode_attributes(values: Sequence[bytes | None]) -> dict[str, Any]:
    """Return the attributes by name, None for unset ones, that Lua functions return in the order of ATTRIBUTES."""
    return dict(zip(ATTRIBUTES, map(_attribute, values), strict=True))


def _attribute(value: bytes | None) -> Any:
    try:
        return msgspec.json.decode(value) if value is not None else None
    except msgspec.DecodeError:
        return None  # a value that is not JSON counts as unset
