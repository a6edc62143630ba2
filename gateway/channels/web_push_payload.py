"""What a browser gets by web push: JSON in the form of a declarative push message (W3C Push API, "Declarative push").

Browsers that know this form, such as Safari 18.4, show it without a service worker. Everywhere else the service worker
of the application shows `notification` (docs/channels/web-push.md has one).
"""

from typing import Any

import msgspec

from gateway.channels.message import Message
from gateway.channels.text import fitted, merged, plain_text

MAX_PLAINTEXT = 3993
"""What fits into the 4096 bytes that every push service takes (RFC 8030, 7.2): 86 bytes of header, a tag of 16, and the
delimiter (RFC 8291, 4)."""

MAX_ATTRIBUTES = 1024
"""More custom attributes than this many bytes are left out, so that there is room for the text."""

DECLARATIVE = 8030
"""Marks a declarative push message."""


def payload(message: Message) -> bytes | None:
    """Return the payload, at most MAX_PLAINTEXT bytes. The texts are cut for that; None if that is not enough."""
    extra = {name: value for name, value in message.extra.items() if name not in _HEADERS}

    def composed(title: str, body: str) -> bytes:
        return msgspec.json.encode(merged(_complete(message, title, body), extra))

    return fitted(composed, message.title, plain_text(message.content), MAX_PLAINTEXT)


_HEADERS = ("urgency", "ttl")
"""Fields of `overrides.providers.web_push` that are no part of the payload."""


def _complete(message: Message, title: str, body: str) -> dict[str, Any]:
    data = {
        "id": message.notification_id,
        "category": message.category,
        "topic": message.topic,
        "custom_attributes": _attributes(message),
    }
    notification = {
        "title": title,
        "body": body,
        "navigate": message.action_url,
        "icon": message.brand.logo_url,
        "image": message.image_url,
        "tag": message.topic or message.notification_id,
        "data": _present(data),
    }
    found: dict[str, Any] = {"notification": _present(notification), "app_badge": message.unread}
    # A declarative message must have an address to open.
    if (message.action_url or "").startswith("https://"):
        found["web_push"] = DECLARATIVE
    return found


def _attributes(message: Message) -> Any:
    attributes = dict(message.custom_attributes)
    return attributes if len(msgspec.json.encode(attributes)) <= MAX_ATTRIBUTES else None


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
