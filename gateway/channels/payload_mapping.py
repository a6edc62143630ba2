"""The mapping from the payload of an incoming webhook to notifications, which a project saves with an integration.

    {"matches": "type = 'issues' and payload.action = 'opened'",
     "title": "{{ payload.issue.title }}",
     "recipients": [{"external_id": "github-{{ payload.repository.owner.id }}"}]}

A condition is in the notation of domain/condition_text.py, over `type` (the provider's name of the event) and
`payload`. A template has paths in double braces, and no logic. A path to text, a number or a boolean becomes its text;
a path to anything else, or to nothing, becomes nothing.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from gateway.channels.incoming_webhook import WebhookDelivery
from gateway.domain.condition import MAX_BYTES, ConditionError, look_up, path_names
from gateway.domain.condition_reader import read_condition
from gateway.domain.condition_text import parse_text
from gateway.domain.objects import Array, Object
from gateway.domain.params import Param, Text

MAX_NOTIFICATIONS = 20
MAX_RECIPIENTS = 20
MAX_TEMPLATE_LENGTH = 2000

MAX_TITLE_LENGTH = 255
MAX_TEXT_LENGTH = 10_000
MAX_NAME_LENGTH = 255
MAX_URL_LENGTH = 2048
"""The lengths to which what a template yields is cut. A longer name or address is left out."""

MAX_SEARCHED_ITEMS = 1000
"""How many items of a list in the payload a condition looks at. A payload of some megabytes has millions of them, and a
mapping has thousands of comparisons. Meanwhile no other request would be served."""

ROOTS = ("type", "description", "payload")

_EXPRESSION = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_PATH = re.compile(r"(?:type|description|payload(?:\.[^\s.{}]+)+)")
_WEB = re.compile(r"https?://[!-~]+", re.IGNORECASE)


def _payload_path(path: str, column: int | None = None) -> tuple[str, ...]:
    """Split the path of a condition. Raises ConditionError."""
    names = path_names(path)
    if names[0] not in ROOTS:
        raise ConditionError(f"'{names[0]}' is not known; there are {', '.join(ROOTS)}", column)
    return names


@dataclass(frozen=True, slots=True, kw_only=True)
class _Template(Text):
    """A text with paths in double braces."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check the text, then each expression in it."""
        faults = len(problems)
        Text.check(self, value, path, problems)
        if len(problems) == faults and (fault := _template_fault(value)):
            problems.append(f"Param '{path}' {fault}")
        return value


def _template_fault(template: str) -> str:
    """Return what is wrong with a template, and where, "" if nothing is."""
    for found in _EXPRESSION.finditer(template):
        if not _PATH.fullmatch(found[1]):
            return (
                f"must have a path such as `payload.issue.title` in its braces; there is '{found[1][:50]}' "
                f"at column {found.start() + 1}"
            )
    rest = _EXPRESSION.sub(lambda found: " " * len(found[0]), template)
    column = min((at for at in (rest.find("{{"), rest.find("}}")) if at >= 0), default=-1)
    return f"must have each `{{{{` closed by `}}}}`; one is not at column {column + 1}" if column >= 0 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _PayloadCondition(Text):
    """A condition on the type and the payload of a delivery."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check the text, then parse it."""
        faults = len(problems)
        Text.check(self, value, path, problems)
        if len(problems) == faults:
            try:
                parse_text(value, _payload_path)
            except ConditionError as error:
                problems.append(f"Param '{path}' is not a condition: {error}")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class _UserCondition(Text):
    """A condition on users, as recipients of a notification have it."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check the text, then parse it."""
        faults = len(problems)
        Text.check(self, value, path, problems)
        if len(problems) == faults:
            try:
                read_condition(value)
            except ConditionError as error:
                problems.append(f"Param '{path}' is not a condition: {error}")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class _MappedRecipient(Object):
    """A recipient that has exactly one of its fields."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check the fields, and that there is one."""
        fields = Object.check(self, value, path, problems)
        if fields and sum(given is not None for given in fields.values()) != 1:
            problems.append(f"Param '{path}' must have one of {', '.join(self.fields)}")
        return fields


def _template(description: str, *, required: bool = False) -> Param:
    return _Template(max_length=MAX_TEMPLATE_LENGTH, required=required, description=description)


NOTIFICATIONS: Mapping[str, Param] = {
    "notifications": Array(
        max_items=MAX_NOTIFICATIONS,
        description="The notifications that an incoming webhook causes. In templates, `{{ payload.… }}` stands for a "
        "value of the payload, and `{{ type }}` and `{{ description }}` for what the response to the webhook has.",
        item=Object(
            fields={
                "matches": _PayloadCondition(
                    max_length=MAX_BYTES,
                    filled=True,
                    description="Only for webhooks that match this condition on `type` and `payload`, such as "
                    "`type = 'issues' and payload.action = 'opened'`. Without it, for all.",
                ),
                "title": _template("A template. An empty title is replaced by the description.", required=True),
                "content": _template("A template."),
                "action_url": _template("A template. What is not an http or https address is left out."),
                "category": Text(max_length=MAX_NAME_LENGTH),
                "topic": Text(max_length=MAX_NAME_LENGTH),
                "recipients": Array(
                    required=True,
                    min_items=1,
                    max_items=MAX_RECIPIENTS,
                    item=_MappedRecipient(
                        fields={
                            "external_id": _template("A template. A recipient whose name is empty gets nothing."),
                            "email": _template("A template, as for `external_id`."),
                            "matches": _UserCondition(
                                max_length=MAX_BYTES, filled=True, description="All users who match this condition."
                            ),
                        }
                    ),
                ),
            }
        ),
    )
}
"""The field of a configuration that has the mapping."""


class MappedRecipient(NamedTuple):
    """A recipient of a mapped notification. One of the fields is set."""

    external_id: str | None = None
    email: str | None = None
    matches: str | None = None


class MappedNotification(NamedTuple):
    """A notification that a delivery causes."""

    title: str
    content: str | None
    action_url: str | None
    category: str | None
    topic: str | None
    recipients: tuple[MappedRecipient, ...]


class _Payload(Mapping[str, Any]):
    """An object of a payload, whose lists end after MAX_SEARCHED_ITEMS."""

    def __init__(self, values: Mapping[str, Any]):
        self._values = values

    def __getitem__(self, name: str) -> Any:
        """Return a value, with its lists shortened."""
        value = self._values[name]
        if isinstance(value, dict):
            return _Payload(value)
        return value[:MAX_SEARCHED_ITEMS] if isinstance(value, list) else value

    def __iter__(self) -> Iterator[str]:
        """Return an iterator over the names."""
        return iter(self._values)

    def __len__(self) -> int:
        """Return the number of names."""
        return len(self._values)


def mapped(config: Mapping[str, Any], delivery: WebhookDelivery) -> list[MappedNotification]:
    """Return the notifications that a delivery causes by the mapping of a configuration, in its order."""
    values = {"type": delivery.type, "description": delivery.description, "payload": _Payload(delivery.payload)}
    found = []
    for entry in config.get("notifications") or ():
        condition = entry.get("matches")
        if condition and not parse_text(condition, _payload_path).matches(values):
            continue
        recipients = tuple(filter(None, (_recipient(each, values) for each in entry["recipients"])))
        if recipients:
            found.append(_notification(entry, values, recipients))
    return found


def _notification(
    entry: Mapping[str, Any], values: Mapping[str, Any], recipients: tuple[MappedRecipient, ...]
) -> MappedNotification:
    title = rendered(entry["title"], values)[:MAX_TITLE_LENGTH]
    fallback = str(values["description"])[:MAX_TITLE_LENGTH]
    content = rendered(entry.get("content") or "", values)[:MAX_TEXT_LENGTH]
    address = rendered(entry.get("action_url") or "", values).strip()
    is_address = len(address) <= MAX_URL_LENGTH and _WEB.fullmatch(address)
    return MappedNotification(
        title if title.strip() else fallback,
        content or None,
        address if is_address else None,
        entry.get("category"),
        entry.get("topic"),
        recipients,
    )


def _recipient(entry: Mapping[str, Any], values: Mapping[str, Any]) -> MappedRecipient | None:
    if entry.get("matches"):
        return MappedRecipient(matches=entry["matches"])
    field = "external_id" if entry.get("external_id") else "email"
    name = rendered(entry.get(field) or "", values).strip()
    if not name or len(name) > MAX_NAME_LENGTH or (field == "email" and not re.fullmatch(r"[^@\s]+@[^@\s]+", name)):
        return None
    return MappedRecipient(**{field: name})


def rendered(template: str, values: Mapping[str, Any]) -> str:
    """Return a template with the values of its paths in place of them, each cut to MAX_TEXT_LENGTH characters."""
    return _EXPRESSION.sub(lambda found: _text(look_up(values, found[1].split("."))), template)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:MAX_TEXT_LENGTH] if isinstance(value, str | int | float) else ""
