"""The message of a push to Expo (docs.expo.dev/push-notifications/sending-notifications, "Message request format")."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.channels.apns_payload import MAX_COLLAPSE_ID_BYTES, collapse_id
from gateway.channels.message import Message
from gateway.channels.text import fitted, merged, plain_text

MAX_MESSAGE_BYTES = 3800
"""Apple and Google take 4096 bytes. Expo adds the ids of the app, and the names of their fields."""


def expo_message(message: Message, now: float) -> msgspec.Raw | None:
    """Return the message as JSON, which has 3,800 bytes at most without its token. None if it cannot be made to fit.

    The body is cut first, then the title. If nothing is left to cut, the attributes of the sender are left out.
    """
    body = plain_text(message.content)
    token = msgspec.json.encode(str(message.destination["device_token"]))
    extra = {name: value for name, value in message.extra.items() if name != "to"}
    for attributes in (message.custom_attributes, {}):
        fixed = _fixed(message, now, attributes)

        def compose(title: str, body: str, fixed: Mapping[str, Any] = fixed) -> bytes:
            texts = {"title": title, "body": body} if body else {"title": title}
            return msgspec.json.encode(merged({**texts, **fixed}, extra))

        if encoded := fitted(compose, message.title, body, MAX_MESSAGE_BYTES):
            return msgspec.Raw(b'{"to":' + token + b"," + encoded[1:])
    return None


def _fixed(message: Message, now: float, attributes: Mapping[str, Any]) -> dict[str, Any]:
    data = {
        "id": message.notification_id,
        "action_url": message.action_url,
        "category": message.category,
        "topic": message.topic,
        "image_url": message.image_url,
        "custom_attributes": attributes,
    }
    collapse = collapse_id(message, MAX_COLLAPSE_ID_BYTES)
    found: dict[str, Any] = {
        "data": {name: value for name, value in data.items() if value},
        "badge": message.unread,
        "sound": "default",
        "priority": "high",
        "ttl": max(0, int(message.expires_at - now)),
        "collapseId": collapse,
        "tag": collapse,
    }
    if thread := message.topic or message.category:
        found["threadId"] = thread
    if message.category:
        found["categoryId"] = message.category
    if message.image_url:
        found |= {"richContent": {"image": message.image_url}, "mutableContent": True}
    return found
