"""Preferences of the calling user in the dialect of v2. What is stored is that of `/notification_preferences` in v1."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import msgspec
from starlette.responses import Response

from gateway.api.core.body import LISTS_BODY_BYTES, Body
from gateway.api.core.call import USER, UserCall
from gateway.api.core.operation import Operation
from gateway.api.core.responses import encode, raw_json_response
from gateway.api.core.schema import ResponseSpec
from gateway.api.v1 import preferences
from gateway.domain.objects import Array, Object
from gateway.domain.params import Choice, Switch, Text
from gateway.domain.preferences import Channel, Preference, label_of, merged_categories, slug_of
from gateway.store.categories import MAX_CATEGORIES

_CHANNEL = Object(
    required=True,
    name="UserPreferenceChannelChange",
    closed=True,
    fields={
        "name": Choice(required=True, options=tuple(channel.value for channel in Channel)),
        "enabled": Switch(required=True),
    },
)

_CATEGORY = Object(
    required=True,
    ignored=frozenset(("label",)),  # a field of our own responses, which clients send back
    name="UserPreferenceCategoryChange",
    closed=True,
    fields={
        "key": Text(required=True, max_length=100, description="The category."),
        "channels": Array(required=True, max_items=len(Channel), item=_CHANNEL),
    },
)

CHANGE = Body(
    "",
    Object(
        required=True,
        name="UserPreferencesChange",
        fields={"categories": Array(required=True, max_items=MAX_CATEGORIES, item=_CATEGORY)},
    ),
    example={"categories": [{"key": "orders", "channels": [{"name": "email", "enabled": False}]}]},
    max_bytes=LISTS_BODY_BYTES,
)


class UserPreferenceChannel(msgspec.Struct):
    """Whether the notifications of a category may use a channel."""

    name: str
    enabled: bool


class UserPreferenceCategory(msgspec.Struct):
    """A category with all its channels."""

    key: str
    label: str
    channels: list[UserPreferenceChannel]


class UserPreferences(msgspec.Struct):
    """Every category that the project has sent or that the user has preferences for."""

    categories: list[UserPreferenceCategory]


PREFERENCES = ResponseSpec(200, "All categories", UserPreferences)


@dataclass(frozen=True, slots=True)
class PreferencesResource(preferences.PreferencesResource):
    """The operations on the calling user's preferences, with the stores that they use."""

    async def get(self, call: UserCall) -> Response:
        """Return every category that the project has sent or the user has preferences for, with the channels of v2."""
        return await self._response(call, await self.preferences.read(call.user, call.guard))

    async def update(self, call: UserCall) -> Response:
        """Enable or disable channels of categories. Categories and channels that the body leaves out keep their state.

        The response has all categories with all channels. Open inboxes receive the event
        `notification_preferences/update`.
        """
        fields = call.fields(await call.body())
        return await self._response(call, await self.switch(call, fields, "", "key", "name"))

    async def _response(self, call: UserCall, switched: Mapping[str, Preference]) -> Response:
        sent = await self.categories.all(call.project.id)
        categories = b",".join(_category(*item) for item in merged_categories(sent, switched).items())
        return raw_json_response(b'{"categories":[' + categories + b"]}")


def _category(name: str, preference: Preference) -> bytes:
    key = slug_of(name)
    return encode({"key": key, "label": label_of(key)})[:-1] + b',"channels":' + _channels(preference) + b"}"


@cache
def _channels(preference: Preference) -> bytes:
    """Return the channels of a category as JSON. There are 128 preferences, one for each set of channels."""
    return encode([{"name": channel.value, "enabled": preference.allows(channel)} for channel in Channel])


_PATH = "/v2/channels/user_preferences"
_R = PreferencesResource

OPERATIONS = [
    Operation("GET", _PATH, USER, _R.get, "Fetch preferences", PREFERENCES),
    Operation("PUT", _PATH, USER, _R.update, "Update preferences", PREFERENCES, CHANGE),
]
