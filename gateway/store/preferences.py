"""Users' preferences: the channels that each category may use."""

from collections.abc import Mapping, Sequence

import msgspec

from gateway.domain.guard import UNGUARDED, Guard
from gateway.domain.preferences import UPDATE_EVENT, V1_CHANNELS, Channel, Preference, label_of, slug_of, switches_code
from gateway.domain.principal import User
from gateway.store.categories import MAX_CATEGORIES
from gateway.store.errors import TooManyError
from gateway.store.event_log import LogRetention, LogWrite, Moment
from gateway.store.guarded import UserFunctions
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import (
    Arguments,
    no_arguments,
    untouched,
    user_function,
    user_reading_function,
)

_encode = msgspec.json.encode


def _set(log: LogWrite, client_id: bytes, channels: Sequence[bytes], categories: Sequence[str | bytes]) -> Arguments:
    return (*log, MAX_CATEGORIES, UPDATE_EVENT, client_id, len(V1_CHANNELS), len(channels), *channels, *categories)


READ_PREFERENCES = user_reading_function("read_preferences", no_arguments, untouched)
SET_PREFERENCES = user_function("set_preferences", _set, untouched)


class PreferenceStore:
    """Users' preferences, by category. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient, retention: LogRetention):
        self._functions = UserFunctions(client)
        self._retention = retention

    async def read(self, user: User, guard: Guard = UNGUARDED) -> dict[str, Preference]:
        """Return the preferences of a user by category. Categories without any are left out."""
        return _preferences(await self._functions.read(user, guard, READ_PREFERENCES()))

    async def update(
        self,
        user: User,
        switches: Mapping[str, Mapping[Channel, bool]],
        client_id: str | None,
        moment: Moment,
        guard: Guard = UNGUARDED,
    ) -> dict[str, Preference]:
        """Switch channels of some categories, and return all preferences. If any channel changes, there is one event.

        Raises TooManyError.
        """
        categories: list[str | bytes] = []
        for category, changes in switches.items():
            categories += (category, switches_code(changes), _category_head(category))
        call = SET_PREFERENCES(
            self._retention.context(moment),
            client_id=_encode(client_id) if client_id else b"",
            channels=[_channel_head(channel) for channel in Channel],
            categories=categories,
        )
        reply = await self._functions.call(user, guard, call)
        if reply == -1:
            raise TooManyError("categories", MAX_CATEGORIES)
        return _preferences(reply)


def _preferences(flat: Sequence[bytes]) -> dict[str, Preference]:
    return {
        category.decode(errors="replace"): Preference.decode(code.decode(errors="replace"))
        for category, code in zip(flat[::2], flat[1::2], strict=True)
    }


def _channel_head(channel: Channel) -> bytes:
    return _encode({"slug": channel.value, "label": channel.label})[:-1] + b',"enabled":'


def _category_head(category: str) -> bytes:
    slug = slug_of(category)
    return _encode({"slug": slug, "label": label_of(slug)})[:-1] + b',"channels":'
