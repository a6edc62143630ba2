"""Notification preferences: the channels through which the notifications of each category may reach the user."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from starlette.responses import Response

from gateway.api.core.body import LISTS_BODY_BYTES, Body
from gateway.api.core.call import USER, UserCall
from gateway.api.core.operation import Operation
from gateway.api.core.responses import encode, raw_json_response
from gateway.api.core.schema import ResponseSpec
from gateway.domain.errors import invalid
from gateway.domain.notification import stored_categories
from gateway.domain.objects import Array, Object
from gateway.domain.params import Choice, Switch, Text
from gateway.domain.preferences import V1_CHANNELS, Channel, Preference, label_of, merged_categories, slug_of
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.store.categories import MAX_CATEGORIES, CategoryStore
from gateway.store.errors import TooManyError
from gateway.store.event_log import Moment
from gateway.store.preferences import PreferenceStore
from gateway.store.project_events import ProjectEvents

_LABEL = frozenset(("label",))
"""A field of our own responses, which clients send back."""

_CHANNEL = Object(
    required=True,
    ignored=_LABEL,
    name="ChannelChange",
    fields={
        "slug": Choice(required=True, options=tuple(channel.value for channel in V1_CHANNELS)),
        "enabled": Switch(required=True),
    },
)

_CATEGORY = Object(
    required=True,
    ignored=_LABEL,
    name="CategoryChange",
    fields={
        "slug": Text(required=True, max_length=100),
        "channels": Array(required=True, max_items=len(V1_CHANNELS), item=_CHANNEL),
    },
)

CHANGE = Body(
    "notification_preferences",
    Object(
        required=True,
        name="PreferencesChange",
        fields={"categories": Array(required=True, max_items=MAX_CATEGORIES, item=_CATEGORY)},
    ),
    example={"categories": [{"slug": "orders", "channels": [{"slug": "email", "enabled": False}]}]},
    max_bytes=LISTS_BODY_BYTES,
)


class ChannelPreference(msgspec.Struct):
    """Whether the notifications of a category may use a channel."""

    slug: str
    label: str
    enabled: bool


class CategoryPreference(msgspec.Struct):
    """A category with all its channels."""

    slug: str
    label: str
    channels: list[ChannelPreference]


class Preferences(msgspec.Struct):
    """Every category that the project has sent or that the user has preferences for."""

    categories: list[CategoryPreference]


class PreferencesAnswer(msgspec.Struct):
    """A user's preferences."""

    notification_preferences: Preferences


PREFERENCES = ResponseSpec(200, "All categories", PreferencesAnswer)


@dataclass(frozen=True, slots=True)
class PreferencesResource:
    """The operations on the calling user's preferences, with the stores that they use."""

    preferences: PreferenceStore
    categories: CategoryStore
    now: Callable[[], Moment]
    events: ProjectEvents

    async def get(self, call: UserCall) -> Response:
        """Return every category that the project has sent or that the user has preferences for, with all channels."""
        return await self._response(call, await self.preferences.read(call.user, call.guard))

    async def update(self, call: UserCall) -> Response:
        """Enable or disable channels of categories. Channels that the body leaves out keep their state.

        The response has all categories with all channels.
        """
        fields = call.fields(await call.body())
        return await self._response(call, await self.switch(call, fields, "notification_preferences.", "slug", "slug"))

    async def switch(
        self, call: UserCall, fields: Mapping[str, Any], prefix: str, category_name: str, channel_name: str
    ) -> dict[str, Preference]:
        """Store what a body changes, and return all preferences. The names are those of fields. Raises ApiError 422."""
        switches: dict[str, dict[Channel, bool]] = {}
        for category in fields["categories"]:
            (name,) = stored_categories([category[category_name]])
            changes = {Channel(channel[channel_name]): channel["enabled"] for channel in category["channels"]}
            switches.setdefault(name, {}).update(changes)
        try:
            preferences = await self.preferences.update(call.user, switches, call.client_id, self.now(), call.guard)
        except TooManyError as problem:
            raise invalid(f"Param '{prefix}categories' would leave the user with {problem}") from None
        event = ProjectEvent(ProjectEventType.PREFERENCES_CHANGED, call.user.id, {"categories": len(switches)})
        self.events.note(call.project.id, event)
        return preferences

    async def _response(self, call: UserCall, switched: Mapping[str, Preference]) -> Response:
        sent = await self.categories.all(call.project.id)
        categories = b",".join(_category(*item) for item in merged_categories(sent, switched).items())
        return raw_json_response(b'{"notification_preferences":{"categories":[' + categories + b"]}}")


def _category(name: str, preference: Preference) -> bytes:
    slug = slug_of(name)
    return encode({"slug": slug, "label": label_of(slug)})[:-1] + b',"channels":' + _channels(preference) + b"}"


@cache
def _channels(preference: Preference) -> bytes:
    """Return the channels of a category as JSON. There are 128 preferences, one for each set of channels."""
    return encode(
        [
            {"slug": channel.value, "label": channel.label, "enabled": preference.allows(channel)}
            for channel in V1_CHANNELS
        ]
    )


OPERATIONS = [
    Operation(
        "GET",
        "/notification_preferences",
        USER,
        PreferencesResource.get,
        "Fetch preferences",
        PREFERENCES,
        known_users_only=True,
    ),
    Operation(
        "PUT",
        "/notification_preferences",
        USER,
        PreferencesResource.update,
        "Update preferences",
        PREFERENCES,
        CHANGE,
    ),
]
