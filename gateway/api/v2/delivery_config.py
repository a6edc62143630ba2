"""Delivery configs: through which channels the notifications of a category are delivered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from gateway.api.core.body import LISTS_BODY_BYTES, Body
from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import Operation
from gateway.api.core.problems import not_found
from gateway.api.core.query import Formed
from gateway.api.core.responses import json_response
from gateway.api.core.schema import Errors, ResponseSpec
from gateway.domain.condition import MAX_BYTES, ConditionError
from gateway.domain.delivery_condition import excerpt, parse_delivery_condition
from gateway.domain.delivery_config import DEFAULT_KEY
from gateway.domain.errors import invalid
from gateway.domain.objects import Array, Object
from gateway.domain.params import Choice, FormedText, Integer, Switch, Text
from gateway.domain.preferences import Channel
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.store.delivery_configs import DeliveryConfigStore, SavedChannel, SavedConfig
from gateway.store.errors import TooManyError
from gateway.store.project_events import ProjectEvents

MAX_DELAY_SECONDS = 365 * 24 * 3600
MAX_PRIORITY = 1_000_000
"""These limits are our own. A longer delay is a mistake, such as milliseconds."""

_KEY_PATTERN = r"[A-Za-z0-9_.:/\-]+"
_KEY_FORM = "made of letters, digits and _ . : / -"


@dataclass(frozen=True, slots=True, kw_only=True)
class _If(Text):
    """The condition of a channel, see domain/delivery_condition.py."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check type and length, and that the text is a condition."""
        known = len(problems)
        Text.check(self, value, path, problems)
        if len(problems) == known:
            try:
                parse_delivery_condition(value)
            except ConditionError as problem:
                place = excerpt(value, problem.column or 1)
                problems.append(f"Param '{path}' is not a condition: {problem}\n{place}")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Channel(Object):
    """A channel of a config. Notifications enter the inbox at once, so a delay of `in_app` is refused."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check every field, and that the inbox has no delay."""
        known = len(problems)
        fields = Object.check(self, value, path, problems)
        if len(problems) == known and fields["channel"] == Channel.IN_APP.value and fields["delay"]:
            problems.append(f"Param '{path}.delay' must be 0 for in_app: notifications enter the inbox at once")
        return fields


@dataclass(frozen=True, slots=True, kw_only=True)
class _Channels(Array):
    """The channels of a config, each once."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check every channel, and that none comes twice."""
        known = len(problems)
        found = Array.check(self, value, path, problems)
        if len(problems) == known:
            seen: set[str] = set()
            for index, channel in enumerate(found):
                if channel["channel"] in seen:
                    problems.append(f"Param '{path}[{index}].channel' is a channel that is listed already")
                seen.add(channel["channel"])
        return found


_CHANNEL = _Channel(
    required=True,
    name="DeliveryChannelChange",
    closed=True,
    fields={
        "channel": Choice(required=True, options=tuple(channel.value for channel in Channel)),
        "delay": Integer(
            least=0, most=MAX_DELAY_SECONDS, description="The seconds between the sending and the use of the channel."
        ),
        "disabled": Switch(description="Whether the channel is not used. A disabled `in_app` takes effect at once."),
        "if": _If(
            max_length=MAX_BYTES,
            absent_if_empty=True,
            description="The channel is used if this holds when it is due, such as `{{ notification.unseen and "
            "notification.category == 'orders' }}`. There are `notification.seen`, `unseen`, `read`, `unread`, "
            "`archived`, `category`, `topic` and `custom_attributes.…`, with `not`, `and`, `or`, `==` and `!=`.",
        ),
        "priority": Integer(
            least=0,
            most=MAX_PRIORITY,
            description="Orders the channels, the lower ones first. One without a priority follows the one before it.",
        ),
    },
)

CONFIG = Body(
    "",
    Object(
        required=True,
        name="DeliveryConfigChange",
        fields={
            "key": FormedText(
                max_length=255,
                min_length=3,
                pattern=_KEY_PATTERN,
                form=_KEY_FORM,
                description=f"The category. Without one, or with `{DEFAULT_KEY}`, it is the default of all categories "
                "that have no config of their own.",
            ),
            "channels": _Channels(required=True, max_items=len(Channel), item=_CHANNEL),
            "disabled": Switch(description="Whether notifications are not delivered at all. Takes effect at once."),
            "required": Switch(
                description="Whether emails of the category offer no way to unsubscribe, such as those that reset a "
                "password. This is an extension of this gateway."
            ),
        },
    ),
    example={
        "key": "orders",
        "channels": [
            {"channel": "in_app"},
            {"channel": "email", "delay": 3600, "if": "{{ notification.unseen }}", "priority": 1},
        ],
    },
    max_bytes=LISTS_BODY_BYTES,
)

KEY = (
    Formed(
        "key",
        "The category of the config; without one, the default.",
        f"3 to 255 characters, {_KEY_FORM}",
        r"[A-Za-z0-9_.:/\-]{3,255}",
    ),
)


class DeliveryChannel(msgspec.Struct, rename={"condition": "if"}):
    """A channel of a delivery config, with the fields that were saved."""

    channel: str
    disabled: bool
    delay: int | UnsetType = UNSET
    condition: str | UnsetType = UNSET
    priority: int | UnsetType = UNSET


class DeliveryConfig(msgspec.Struct):
    """The delivery config of a category, or the default one."""

    key: str
    disabled: bool
    channels: list[DeliveryChannel]
    required: bool | UnsetType = UNSET


FOUND = ResponseSpec(200, "The delivery config", DeliveryConfig)
NOT_FOUND = ResponseSpec(404, "The category has no delivery config of its own", Errors)

_DEFAULT = SavedConfig([SavedChannel(channel.value) for channel in Channel])
"""What applies to a project that has set none: all of its channels, at once."""


@dataclass(frozen=True, slots=True)
class DeliveryConfigResource:
    """The operations on the project's delivery configs, with the stores that they use."""

    configs: DeliveryConfigStore
    events: ProjectEvents

    async def get(self, call: ProjectCall) -> Response:
        """Return the delivery config of a category, or the default one.

        A project that has set no default uses all of its channels at once: the response lists every channel, so it can
        be saved as it is. A category without a config of its own, to which the default applies, is not found.
        """
        key = call.query()["key"] or DEFAULT_KEY
        saved = (await self.configs.read(call.project.id)).get(key)
        if saved is None and key != DEFAULT_KEY:
            raise not_found("Delivery config")
        return json_response(_shown(key, saved or _DEFAULT))

    async def save(self, call: ProjectCall) -> Response:
        """Save the delivery config of a category, or the default one, in place of the present one.

        A disabled category, a disabled `in_app` and an `if` of `in_app` apply to every notification from now on, on all
        nodes: one that they suppress enters no inbox, and becomes an event. The sender's response stays the same. What
        is in inboxes already stays there. A config that does not list `in_app` leaves it enabled. The other channels
        are kept for the delivery by them.
        """
        key, saved = _read(call.query()["key"], call.fields(await call.body()))
        try:
            await self.configs.put(call.project.id, key, saved)
        except TooManyError as problem:
            raise invalid(f"Param 'key' would leave the project with {problem}") from None
        await self.events.write(
            call.project.id, ProjectEvent(ProjectEventType.DELIVERY_CONFIG_CHANGED, None, {"key": key})
        )
        return json_response(_shown(key, saved))


def _read(query_key: str | None, values: Mapping[str, Any]) -> tuple[str, SavedConfig]:
    """Return the key and the config of a request. Raises ApiError 422 if its query and its body name two keys."""
    key = values["key"]
    if query_key and key and query_key != key:
        raise invalid("Param 'key' is not the same in the query and in the body")
    channels = [
        SavedChannel(
            channel["channel"], channel["delay"], channel["priority"], bool(channel["disabled"]), channel["if"]
        )
        for channel in values["channels"]
    ]
    return key or query_key or DEFAULT_KEY, SavedConfig(channels, bool(values["disabled"]), bool(values["required"]))


def _shown(key: str, saved: SavedConfig) -> DeliveryConfig:
    channels = [_shown_channel(channel) for channel in saved.channels]
    return DeliveryConfig(key, saved.disabled, channels, saved.required or UNSET)


def _shown_channel(channel: SavedChannel) -> DeliveryChannel:
    given = {
        name: value for name in ("delay", "condition", "priority") if (value := getattr(channel, name)) is not None
    }
    return DeliveryChannel(channel.channel, channel.disabled, **given)


_PATH = "/v2/channels/deliveryconfig"
_R = DeliveryConfigResource

OPERATIONS = [
    Operation("GET", _PATH, PROJECT, _R.get, "Fetch a delivery config", FOUND, query=KEY, failures=(NOT_FOUND,)),
    Operation("PUT", _PATH, PROJECT, _R.save, "Save a delivery config", FOUND, CONFIG, query=KEY),
]
