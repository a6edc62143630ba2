"""Templates of messages: which ones apply to a message, and the texts that they give.

A project saves templates by channel, and within a channel by category:

    {"email": {"subject": "…", "content": "…", "categories": {"orders": {"subject": "…"}}}, "sms": {"content": "…"}}

A category's field comes before that of the channel. A text that a user has installed for a channel comes before both,
as the content. A field without a template has the notification's own text, with the overrides of the request. So it is
for a template that fails: a wrong template must not keep a message from its recipient.

`content` is HTML, as the content of a notification may be: values are escaped in it. A content template without any tag
of HTML is a text, whose line ends are kept. The other fields are plain text.
"""

import html
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.channels.email_content import is_html
from gateway.channels.message import Addressee
from gateway.domain.preferences import Channel
from gateway.domain.unknown_names import nearest_name

if TYPE_CHECKING:
    from gateway.channels.template_engine import Deadline, Parsed

FIELDS: Mapping[str, int] = {"title": 1_000, "content": 256 * 1024, "action_url": 2_048}
"""The fields of all channels, with the most characters that a template gives."""

MAIL_FIELDS: Mapping[str, int] = {**FIELDS, "subject": 1_000}
"""Those of mails. Without a template for `subject`, it is the title."""

CHANNELS = tuple(channel for channel in Channel if channel is not Channel.IN_APP)
"""The channels that have templates. Inboxes show notifications as they were sent."""

CATEGORIES = "categories"

MISSING_EXTRA = "templates need the extra `templates`: pip install 'inbox-gateway[templates]'"

_NEEDED = ("title", "subject")
_NAMED = (Channel.EMAIL, Channel.MOBILE_PUSH, Channel.WEB_PUSH)
"""The channels whose messages cannot do without a title. An empty one of a template is not used there."""

MAX_PARSED = 500
"""How many parsed templates are kept: 50 KB each at most."""

MAX_TIMEOUTS = 3
"""A template that took too much time so often is not rendered any more by this process."""

_HTML_TAG = re.compile(r"<[A-Za-z/!]")
_MARKED = re.compile(r"(\{\{.*?(?:\}\}|\Z)|\{%.*?(?:%\}|\Z))", re.DOTALL)
"""What is not text. Without an end, it reaches to that of the template: another search for each would take minutes."""

_KNOWN: Mapping[str, tuple[str, ...]] = {
    "notification": ("id", "title", "content", "action_url", "category", "topic", "custom_attributes", "sent_at"),
    "recipient": ("external_id", "email", "first_name", "last_name", "name", "phone_numbers", "custom_attributes"),
    "project": ("name",),
}
_FREE = "custom_attributes"


class TemplateFault(NamedTuple):
    """What is wrong with a template. `field` is its place, such as `email.categories.orders.title`."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Rendered:
    """The texts that templates give. A field that has no template, or whose template failed, is absent.

    `faults` are those of the templates that failed, for the trace: they contain the text of templates, and no text of
    a notification. `used` are the places of the templates that were rendered.
    """

    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    used: tuple[str, ...] = ()
    faults: tuple[TemplateFault, ...] = ()


NOTHING = Rendered()


def fields_of(channel: Channel) -> Mapping[str, int]:
    """Return the fields that templates of a channel may have, with the most characters of each."""
    return MAIL_FIELDS if channel is Channel.EMAIL else FIELDS


def installed_names(channel: Channel, category: str | None) -> tuple[str, ...]:
    """Return the names of the user's installations that apply to a message, the first of which comes first."""
    names = [f"templates {channel.value} {category}"] if category else []
    return (*names, f"templates {channel.value} ")


def variables_of(
    *,
    notification_id: str,
    title: str,
    content: str | None,
    action_url: str | None,
    category: str | None,
    topic: str | None,
    custom_attributes: Mapping[str, Any] | None,
    sent_at: str,
    recipient: Addressee,
    project_name: str,
) -> dict[str, Any]:
    """Return what templates can refer to. The texts are those of the channel. `sent_at` is RFC 3339, in UTC."""
    name = " ".join(part for part in (recipient.first_name, recipient.last_name) if part)
    return {
        "notification": {
            "id": notification_id,
            "title": title,
            "content": content or "",
            "action_url": action_url or "",
            "category": category or "",
            "topic": topic or "",
            "custom_attributes": dict(custom_attributes or {}),
            "sent_at": sent_at,
        },
        "recipient": {
            "external_id": recipient.external_id or "",
            "email": recipient.email or "",
            "first_name": recipient.first_name or "",
            "last_name": recipient.last_name or "",
            "name": name,
            "phone_numbers": list(recipient.phone_numbers),
            "custom_attributes": dict(recipient.custom_attributes),
        },
        "project": {"name": project_name},
    }


def templates_of(
    config: Mapping[str, Any] | None, installed: str | None, channel: Channel, category: str | None
) -> dict[str, tuple[str, str]]:
    """Return the templates that apply to a message: by field, the place and the text of each.

    `config` is the project's configuration, in which anything that is no template is passed over. `installed` is the
    text that the user has installed, None for none.
    """
    found: dict[str, tuple[str, str]] = {}
    base = _object((config or {}).get(channel.value))
    of_category = _object(_object(base.get(CATEGORIES)).get(category or ""))
    for prefix, templates in ((channel.value, base), (f"{channel.value}.{CATEGORIES}.{category}", of_category)):
        for name in fields_of(channel):
            if isinstance(text := templates.get(name), str):
                found[name] = (f"{prefix}.{name}", text)
    if installed is not None:
        found["content"] = ("the user's installation", installed)
    return found


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


@dataclass(slots=True)
class _Kept:
    """A parsed template, or why it cannot be parsed."""

    parsed: "Parsed | None" = None
    fault: str = ""
    timeouts: int = 0


class TemplateRenderer:
    """Parses templates once and renders them. A process has one."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, bool], _Kept] = OrderedDict()
        self._environments: dict[bool, Any] = {}

    def render(
        self,
        templates: Mapping[str, tuple[str, str]],
        channel: Channel,
        variables: Mapping[str, Any],
    ) -> Rendered:
        """Return the texts of `templates_of`, with variables of `variables_of`. Never raises."""
        if not templates:
            return NOTHING
        try:
            from gateway.channels.template_engine import Deadline
        except ImportError:
            place, _ = next(iter(templates.values()))
            return Rendered(faults=(TemplateFault(place.partition(".")[0], MISSING_EXTRA),))
        texts, used, faults = {}, [], []
        deadline, limits = Deadline(), fields_of(channel)
        for name, (place, source) in templates.items():
            text, fault = self._render(name, source, variables, deadline, limits[name])
            if fault:
                faults.append(TemplateFault(place, fault))
            elif text or name not in _NEEDED or channel not in _NAMED:
                texts[name] = text
                used.append(place)
        return Rendered(texts, tuple(used), tuple(faults))

    def faults(self, name: str, source: str) -> list[str]:
        """Return why a template of a field is not valid: what cannot be parsed, and unknown variables."""
        try:
            kept = self._parsed(name, source)
        except ImportError:
            return [MISSING_EXTRA]
        if kept.parsed is None:
            return [kept.fault]
        return [fault for line, path in kept.parsed.variables if (fault := _unknown(line, path))]

    def missing(self, name: str, source: str, variables: Mapping[str, Any]) -> list[str]:
        """Return the variables of a valid template that have no value, such as `line 2: recipient.first_name`."""
        parsed = self._parsed(name, source).parsed
        found = parsed.variables if parsed is not None else []
        return [
            f"line {line}: {'.'.join(str(part) for part in path)}"
            for line, path in found
            if all(isinstance(part, str | int) for part in path) and _value(variables, path) in ("", None, [], {})
        ]

    def _render(
        self, name: str, source: str, variables: Mapping[str, Any], deadline: "Deadline", limit: int
    ) -> tuple[str, str]:
        """Return a text, and why the template failed, "" if it did not."""
        from gateway.channels.template_engine import TemplateFaultError, TemplateTimeError

        kept = self._parsed(name, source)
        if kept.parsed is None:
            return "", kept.fault
        if kept.timeouts >= MAX_TIMEOUTS:
            return "", "it takes too much time"
        try:
            text = kept.parsed.render(_as_html(variables) if name == "content" else variables, deadline)
        except TemplateFaultError as error:
            kept.timeouts += isinstance(error, TemplateTimeError)
            return "", str(error)
        text = text.strip() if name != "content" else text
        if len(text) > limit:
            return "", f"its text has more than {limit} characters"
        return text, ""

    def _parsed(self, name: str, source: str) -> _Kept:
        """Return a parsed template. Raises ImportError without python-liquid."""
        from gateway.channels.template_engine import TemplateFaultError, environment, parse

        escapes = name == "content"
        kept = self._kept.get((source, escapes))
        if kept is not None:
            self._kept.move_to_end((source, escapes))
            return kept
        where = self._environments.get(escapes)
        if where is None:
            where = self._environments[escapes] = environment(html=escapes)
        try:
            kept = _Kept(parse(_with_breaks(source) if escapes else source, where))
        except TemplateFaultError as error:
            kept = _Kept(fault=str(error))
        self._kept[source, escapes] = kept
        if len(self._kept) > MAX_PARSED:
            self._kept.popitem(last=False)
        return kept


def _with_breaks(source: str) -> str:
    """Return a content template as HTML: one without tags of HTML gets a tag at each line end of its text."""
    if _HTML_TAG.search(source):
        return source
    text = source.replace("\r\n", "\n").rstrip("\n")
    body = text.lstrip("\n")
    parts = (part if place % 2 else part.replace("\n", "<br>\n") for place, part in enumerate(_MARKED.split(body)))
    return "\n" * (len(text) - len(body)) + "".join(parts)


def _as_html(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables of a content template: the notification's own content is HTML there."""
    from markupsafe import Markup

    notification = variables["notification"]
    content = str(notification["content"])
    if not is_html(content):
        content = html.escape(content).replace("\n", "<br>\n")
    return {**variables, "notification": {**notification, "content": Markup(content)}}  # noqa: S704 - it is HTML


def _unknown(line: int, path: Sequence[Any]) -> str:
    """Return why a variable is not known, "" if it is."""
    shown = ".".join(str(part) for part in path if isinstance(part, str | int))
    known = _KNOWN.get(str(path[0]))
    if known is None:
        return f"line {line}: '{shown}' is not known; there are {', '.join(_KNOWN)}"
    if len(path) == 1 or not isinstance(path[1], str):
        return f"line {line}: '{shown}' needs the name of a field, such as '{path[0]}.{known[0]}'"
    if path[1] not in known:
        nearest = nearest_name(path[1], frozenset(known))
        hint = f"do you mean '{path[0]}.{nearest}'?" if nearest else f"it has {', '.join(known)}"
        return f"line {line}: '{shown}' is not known; {hint}"
    return ""


def _value(variables: Mapping[str, Any], path: Sequence[Any]) -> Any:
    found: Any = variables
    for part in path:
        if isinstance(found, dict):
            found = found.get(part)
        elif isinstance(found, list) and isinstance(part, int) and -len(found) <= part < len(found):
            found = found[part]
        else:
            return None if part not in ("first", "last", "size") else True
    return found


def template_texts(config: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield the place, the field and the value of each template of a configuration that has the right form."""
    for channel in CHANNELS:
        of_channel = _object(config.get(channel.value))
        groups = {channel.value: of_channel}
        for category, templates in _object(of_channel.get(CATEGORIES)).items():
            groups[f"{channel.value}.{CATEGORIES}.{category}"] = _object(templates)
        for prefix, templates in groups.items():
            for name in fields_of(channel):
                if name in templates:
                    yield f"{prefix}.{name}", name, templates[name]
