"""Notification preferences: the channels that each category may use to reach the user."""

from collections.abc import Mapping
from functools import cache

import msgspec
from starlette.responses import Response

from gateway.api.core.operation import Call, Operation, Scope, encode, raw_json_response
from gateway.api.core.params import LISTS_BODY_BYTES, Array, Body, Choice, Object, Switch, Text
from gateway.api.core.schema import Answer
from gateway.domain.errors import invalid
from gateway.domain.notification import stored_categories
from gateway.domain.preferences import Channel, Preference, label_of, merged_categories, slug_of
from gateway.store.categories import MAX_CATEGORIES
from gateway.store.errors import TooManyError

_LABEL = frozenset(("label",))
"""What our own answer has besides: clients send it back."""

_CHANNEL = Object(
    required=True,
    ignored=_LABEL,
    name="ChannelChange",
    fields={
        "slug": Choice(required=True, options=tuple(channel.value for channel in Channel)),
        "enabled": Switch(required=True),
    },
)

_CATEGORY = Object(
    required=True,
    ignored=_LABEL,
    name="CategoryChange",
    fields={
        "slug": Text(required=True, max_length=100),
        "channels": Array(required=True, max_items=len(Channel), item=_CHANNEL),
    },
)

BODY = Body(
    "notification_preferences",
    Object(
        required=True,
        name="PreferencesChange",
        fields={"categories": Array(required=True, max_items=MAX_CATEGORIES, item=_CATEGORY)},
    ),
    example={"categories": [{"slug": "orders", "channels": [{"slug": "email", "enabled": False}]}]},
    max_bytes=LISTS_BODY_BYTES,
)
"""What `PUT /notification_preferences` takes."""


class ChannelPreference(msgspec.Struct):
    """Whether a category may use a channel."""

    slug: str
    label: str
    enabled: bool


class CategoryPreference(msgspec.Struct):
    """A category with all its channels."""

    slug: str
    label: str
    channels: list[ChannelPreference]


class Preferences(msgspec.Struct):
    """Every category that the project sends or the user has preferences for."""

    categories: list[CategoryPreference]


class PreferencesAnswer(msgspec.Struct):
    """A user's preferences."""

    notification_preferences: Preferences


PREFERENCES = Answer(200, "All categories", PreferencesAnswer)


async def get(call: Call) -> Response:
    """Return every category that the project sends or the user has preferences for, with all channels."""
    return await _answer(call, await call.services.preferences.read(call.user, call.guard))


async def put(call: Call) -> Response:
    """Switch channels of some categories; what the body leaves out is unchanged."""
    values = call.fields(await call.body())
    switches: dict[str, dict[Channel, bool]] = {}
    for category in values["categories"]:
        (name,) = stored_categories([category["slug"]])
        changes = {Channel(channel["slug"]): channel["enabled"] for channel in category["channels"]}
        switches.setdefault(name, {}).update(changes)
    try:
        preferences = await call.services.preferences.update(
            call.user, switches, call.client_id, call.services.moment(), call.guard
        )
    except TooManyError as problem:
        raise invalid(f"Param 'notification_preferences.categories' would leave the user with {problem}") from None
    return await _answer(call, preferences)


async def _answer(call: Call, preferences: Mapping[str, Preference]) -> Response:
    sent = await call.services.categories.all(call.project.id)
    categories = b",".join(_category(*item) for item in merged_categories(sent, preferences).items())
    return raw_json_response(b'{"notification_preferences":{"categories":[' + categories + b"]}}")


def _category(name: str, preference: Preference) -> bytes:
    slug = slug_of(name)
    return encode({"slug": slug, "label": label_of(slug)})[:-1] + b',"channels":' + _channels(preference) + b"}"


@cache
def _channels(preference: Preference) -> bytes:
    """Encode the channels of a category. There are as many preferences as sets of channels, 64."""
    return encode(
        [{"slug": channel.value, "label": channel.label, "enabled": preference.allows(channel)} for channel in Channel]
    )


OPERATIONS = [
    Operation(
        "GET",
        "/notification_preferences",
        Scope.USER,
        get,
        "Fetch preferences",
        PREFERENCES,
        known_users_only=True,
    ),
    Operation("PUT", "/notification_preferences", Scope.USER, put, "Update preferences", PREFERENCES, BODY),
]
