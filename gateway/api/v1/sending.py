"""The body of `POST /notifications` and `POST /broadcasts`, and the command that it describes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.api.core.objects import Array, Hash, Object
from gateway.api.core.params import Param, Text
from gateway.api.v1.identity import ATTRIBUTES, NAMES, NamedUser
from gateway.domain.condition import MAX_BYTES, ConditionError
from gateway.domain.condition_reader import read_condition
from gateway.domain.preferences import Channel
from gateway.sending.command import SendCommand

MAX_RECIPIENTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matches(Param):
    """A condition on users' attributes, see domain/condition_reader.py."""

    def oversized(self, is_object: bool) -> Any:
        """Return a condition that is longer than allowed."""
        return " " * (MAX_BYTES + 1)

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Add a message if the condition is invalid."""
        try:
            read_condition(value)
        except ConditionError as problem:
            problems.append(f"Param '{path}' is not a condition: {problem}")
        return value

    def shape(self) -> dict[str, Any]:
        """Return the schema of the two spellings."""
        return {"anyOf": [{"type": "null"}, {"type": "string"}, {"type": "object", "additionalProperties": True}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class _True(Param):
    """The value true, and no other."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Add a message for any other value."""
        if value is not True:
            problems.append(f"Param '{path}' must be true")
        return value

    def shape(self) -> dict[str, Any]:
        """Return the schema of a constant."""
        return {"const": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class _NewNotification(Object):
    """A notification to send. One that is for the subscribers of its topic must have a topic."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check every field, and that there is a topic if one is needed."""
        known = len(problems)
        fields = Object.check(self, value, path, problems)
        if len(problems) == known and not fields["topic"] and any(each["topic"] for each in fields["recipients"]):
            problems.append(f"Param '{path}.topic' is missing")
        return fields


_MANY: Mapping[str, Param] = {
    "matches": _Matches(
        description='`"*"` for every user, or a condition on the attributes of users: '
        '`custom_attributes.plan = "pro"`, or the same as an object: `{"custom_attributes": {"plan": "pro"}}`.'
    ),
    "topic": Object(
        fields={"subscribers": _True(required=True)},
        description="The users that subscribe to the notification's category in its topic.",
    ),
}

_IN_APP = Object(
    fields={
        "title": Text(max_length=255),
        "content": Text(max_length=4 * 1024 * 1024),
        "action_url": Text(max_length=2048),
    }
)

# Clients may override other channels, to which this gateway does not deliver.
_OTHER_CHANNELS = frozenset(channel.value for channel in Channel if channel is not Channel.IN_APP)

NOTIFICATION = _NewNotification(
    required=True,
    name="NewNotification",
    fields={
        "title": Text(required=True, max_length=255, description="Must not be blank."),
        "content": Text(max_length=4 * 1024 * 1024),
        "action_url": Text(max_length=2048, description="The address that a click on the notification opens."),
        "category": Text(max_length=100, description="Users enable and disable channels by category."),
        "topic": Text(max_length=100, description="Users subscribe to categories of a topic."),
        "custom_attributes": Hash(
            max_bytes=6000, description="Data of your own, which is returned with the notification."
        ),
        "recipients": Array(
            required=True,
            min_items=1,
            max_items=MAX_RECIPIENTS,
            item=NamedUser(
                required=True,
                name="SendingRecipient",
                description="A user, named by `external_id` or `email`, who is created if unknown; or many users: "
                "those that match a condition, or the subscribers of the topic.",
                fields={**NAMES, **ATTRIBUTES, **_MANY},
                other_ways=tuple(_MANY),
            ),
        ),
        "overrides": Object(
            fields={"channels": Object(fields={"in_app": _IN_APP}, ignored=_OTHER_CHANNELS)},
            ignored=frozenset(("providers",)),
            description="What inboxes show in place of the fields above.",
        ),
    },
)
"""The fields of the body, with the limits of the v1 contract."""


def command_of(values: Mapping[str, Any]) -> SendCommand:
    """Return the command that the checked fields of a body describe."""
    return msgspec.convert(values, SendCommand)
