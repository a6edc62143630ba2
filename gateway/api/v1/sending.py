"""The body of `POST /notifications` and `POST /broadcasts`, and the command that it describes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gateway.api.v1.identity import ATTRIBUTES, MAX_EMAIL, MAX_EXTERNAL_ID, MAX_FIELD, NAMES, NamedUser
from gateway.api.v1.overrides import overrides
from gateway.domain.condition import MAX_BYTES, ConditionError
from gateway.domain.condition_reader import read_condition
from gateway.domain.errors import ErrorCode
from gateway.domain.objects import Array, Hash, Object
from gateway.domain.params import Param, Text
from gateway.sending.command import Recipient, SendCommand

MAX_RECIPIENTS = 1000
MAX_TITLE = 255
MAX_CONTENT = 4 * 1024 * 1024
MAX_URL = 2048
MAX_NAME = 100
"""The most characters of a category and of a topic."""


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
class NewNotification(Object):
    """A notification to send. One that is for the subscribers of its topic must have a topic."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check every field, and that there is a topic if one is needed."""
        known = len(problems)
        fields = Object.check(self, value, path, problems)
        if len(problems) == known and not fields["topic"] and any(each["topic"] for each in fields["recipients"]):
            problems.append(f"Param '{path}{'.' if path else ''}topic' is missing")
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

_CUSTOM_ATTRIBUTES = Hash(max_bytes=6000, description="Data of your own, which is returned with the notification.")

NOTIFICATION = NewNotification(
    required=True,
    name="NewNotification",
    fields={
        "title": Text(required=True, max_length=MAX_TITLE, description="Must not be blank."),
        "content": Text(max_length=MAX_CONTENT),
        "action_url": Text(max_length=MAX_URL, description="The address that a click on the notification opens."),
        "category": Text(max_length=MAX_NAME, description="Users enable and disable channels by category."),
        "topic": Text(max_length=MAX_NAME, description="Users subscribe to categories of a topic."),
        "custom_attributes": _CUSTOM_ATTRIBUTES,
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
        "overrides": overrides(MAX_TITLE, MAX_CONTENT, MAX_URL),
    },
)
"""The fields of the body, with the limits of the v1 contract."""


LIMITS = (
    ErrorCode.STORAGE_LIMIT_REACHED,
    ErrorCode.USER_LIMIT_REACHED,
    ErrorCode.SENDS_PER_MINUTE_REACHED,
    ErrorCode.SENDS_PER_MONTH_REACHED,
)
"""The limits of a project that may refuse a valid request to send."""


def command_of(values: Mapping[str, Any]) -> SendCommand:
    """Return the command that the checked fields of a body describe."""
    return msgspec.convert(values, SendCommand)


class PlainRecipient(Recipient, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A recipient that its decoder validates, but for the email and the custom attributes."""

    external_id: Annotated[str, Meta(min_length=1, max_length=MAX_EXTERNAL_ID)] | None = None
    email: Annotated[str, Meta(min_length=1, max_length=MAX_EMAIL)] | None = None
    first_name: Annotated[str, Meta(max_length=MAX_FIELD)] | None = None
    last_name: Annotated[str, Meta(max_length=MAX_FIELD)] | None = None
    custom_attributes: dict[str, Any] | None = None
    phone_numbers: Annotated[list[Annotated[str, Meta(max_length=MAX_FIELD)]], Meta(max_length=MAX_FIELD)] | None = None
    matches: None = None
    topic: None = None


class PlainCommand(SendCommand, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command that its decoder validates, but for blank titles and the custom attributes."""

    title: Annotated[str, Meta(max_length=MAX_TITLE)]
    content: Annotated[str, Meta(max_length=MAX_CONTENT)] | None = None
    action_url: Annotated[str, Meta(max_length=MAX_URL)] | None = None
    category: Annotated[str, Meta(max_length=MAX_NAME)] | None = None
    topic: Annotated[str, Meta(max_length=MAX_NAME)] | None = None
    custom_attributes: dict[str, Any] | None = None
    recipients: Annotated[Sequence[PlainRecipient], Meta(min_length=1, max_length=MAX_RECIPIENTS)]
    overrides: None = None


class _PlainBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    notification: PlainCommand


_decode_plain = msgspec.json.Decoder(_PlainBody).decode


def plain_command(body: bytes) -> SendCommand | None:
    """Return the command of a valid body with named users and without overrides, None for any other body.

    Most bodies are of this kind. One decoding in C also validates them, which takes 1 µs where NOTIFICATION takes 15
    (measured). NOTIFICATION reads all others, and finds every fault.
    """
    try:
        command = _decode_plain(body).notification
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not command.title.strip():
        return None
    if command.custom_attributes is not None and not _is_valid(_CUSTOM_ATTRIBUTES, command.custom_attributes):
        return None
    return command if all(map(_is_plain, command.recipients)) else None


def _is_plain(recipient: Recipient) -> bool:
    """Return whether a decoded recipient is named and valid. Its email is not checked by the decoder."""
    email, attributes = recipient.email, recipient.custom_attributes
    return (
        bool(recipient.external_id or email)
        and (email is None or _is_valid(NAMES["email"], email))
        and (attributes is None or _is_valid(ATTRIBUTES["custom_attributes"], attributes))
    )


def _is_valid(param: Param, value: Any) -> bool:
    problems: list[str] = []
    param.check(value, "", problems)
    return not problems
