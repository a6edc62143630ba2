"""Templates of messages, by channel and category."""

from collections.abc import Mapping
from typing import Any

from gateway.channels.integration_kind import InstallationKind, IntegrationKind
from gateway.channels.template_renderer import CATEGORIES, CHANNELS, TemplateRenderer, fields_of, template_texts
from gateway.domain.objects import FreeObject, Object
from gateway.domain.params import Choice, Text
from gateway.domain.preferences import Channel

MAX_BYTES = 32 * 1024

MAX_FAULTS = 20
"""How many faults a response names."""

CHANNEL_NAMES = tuple(channel.value for channel in CHANNELS)


def _check(config: Mapping[str, Any], problems: list[str]) -> None:
    """Check the form of a configuration, then parse each of its templates."""
    for name, of_channel in config.items():
        if name == Channel.IN_APP.value:
            problems.append(f"Param '{name}' has no templates: inboxes show notifications as they were sent")
        elif name not in CHANNEL_NAMES:
            problems.append(f"Param '{name[:100]}' must be one of {', '.join(CHANNEL_NAMES)}")
        elif not isinstance(of_channel, dict):
            problems.append(f"Param '{name}' must be a hash")
        else:
            _check_channel(name, of_channel, problems)
        if len(problems) >= MAX_FAULTS:
            return
    if not problems:
        _check_texts(config, problems)


def _check_channel(name: str, of_channel: Mapping[str, Any], problems: list[str]) -> None:
    categories = of_channel.get(CATEGORIES, {})
    if not isinstance(categories, dict):
        problems.append(f"Param '{name}.{CATEGORIES}' must be a hash")
        return
    groups = {name: {field: text for field, text in of_channel.items() if field != CATEGORIES}}
    groups |= {f"{name}.{CATEGORIES}.{category[:100]}": texts for category, texts in categories.items()}
    known = fields_of(Channel(name))
    for place, texts in groups.items():
        if not isinstance(texts, dict):
            problems.append(f"Param '{place}' must be a hash")
            continue
        for field, text in texts.items():
            if field not in known:
                also = f", {CATEGORIES}" if place == name else ""
                problems.append(f"Param '{place}.{field[:100]}' is not known; there are {', '.join(known)}{also}")
            elif not isinstance(text, str):
                problems.append(f"Param '{place}.{field}' must be a string")
            if len(problems) >= MAX_FAULTS:
                return


def _check_texts(config: Mapping[str, Any], problems: list[str]) -> None:
    renderer = TemplateRenderer()
    for place, field, text in template_texts(config):
        problems += (f"Param '{place}' is not a template: {fault}" for fault in renderer.faults(field, text))
        if len(problems) >= MAX_FAULTS:
            return


def _check_installed(values: Mapping[str, Any], problems: list[str]) -> None:
    faults = TemplateRenderer().faults("content", values["text"])
    problems += (f"Param 'text' is not a template: {fault}" for fault in faults[:MAX_FAULTS])


INSTALLATION = InstallationKind(
    name="templates",
    title="Templates",
    config=Object(
        required=True,
        name="NewTemplate",
        description="A template of your messages on one channel, for one category or for all.",
        fields={
            "category": Text(max_length=255, description="The category of the notifications; without it, all."),
            "channel": Choice(required=True, options=CHANNEL_NAMES, description="The channel of the messages."),
            "text": Text(required=True, max_length=MAX_BYTES, description="The template of the content, in Liquid."),
        },
    ),
    example={"channel": "email", "category": "orders", "text": "{{ notification.title }}"},
    check=_check_installed,
    nullable=("category",),
    identity=("channel", "category"),
)

INTEGRATION = IntegrationKind(
    name="templates",
    title="Templates",
    config=FreeObject(required=True, name="TemplatesConfig", max_bytes=MAX_BYTES),
    example={
        "email": {
            "subject": "{{ project.name }}: {{ notification.title }}",
            "categories": {"orders": {"title": "{{ notification.title }}, {{ recipient.first_name }}"}},
        }
    },
    check=_check,
)
