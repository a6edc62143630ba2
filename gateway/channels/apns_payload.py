"""The payload and the headers of a push to APNs (developer.apple.com, "Generating a remote notification" and "Sending
notification requests to APNs").

Beside `aps`, which is Apple's, a payload has the fields of the notification: in version 1 each at the top level, in
version 2 together in `notification`.
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.channels.message import Message
from gateway.channels.text import fitted, merged, plain_text

MAX_PAYLOAD_BYTES = 4096
MAX_COLLAPSE_ID_BYTES = 64
IMMEDIATE, CONSIDERATE = "10", "5"
"""Priorities: at once, or when it suits the battery. A push that shows nothing must have the latter."""


def push_payload(message: Message) -> bytes | None:
    """Return the payload, of 4096 bytes at most, None if it cannot be made to fit.

    The body is cut first, then the title. If nothing is left to cut, the attributes of the sender are left out.
    """
    body = plain_text(message.content)
    for attributes in (message.custom_attributes, {}):
        fields = _fields(message, attributes)

        def compose(title: str, body: str, fields: Mapping[str, Any] = fields) -> bytes:
            payload = merged({"aps": _aps(message, title, body), **fields}, message.extra)
            if isinstance(aps := payload["aps"], dict):
                payload["aps"] = {name: value for name, value in aps.items() if value is not None}
            return msgspec.json.encode(payload)

        if payload := fitted(compose, message.title, body, MAX_PAYLOAD_BYTES):
            return payload
    return None


def _aps(message: Message, title: str, body: str) -> dict[str, Any]:
    counted = message.unseen if message.config.get("badge") == "unseen" else message.unread
    aps: dict[str, Any] = {"alert": {"title": title, "body": body} if body else {"title": title}}
    aps |= {"badge": counted, "sound": "default"}
    if thread := message.topic or message.category:
        aps["thread-id"] = thread
    if message.category:
        aps["category"] = message.category
    if message.image_url:
        aps["mutable-content"] = 1  # a service extension of the app fetches the image
    return aps


def _fields(message: Message, attributes: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": message.notification_id}
    optional = {
        "action_url": message.action_url,
        "category": message.category,
        "topic": message.topic,
        "image_url": message.image_url,
        "custom_attributes": attributes,
    }
    fields |= {name: value for name, value in optional.items() if value}
    return fields if str(message.config.get("payload_version", 2)) == "1" else {"notification": fields}


def push_headers(message: Message, app_id: str, payload: bytes) -> dict[str, str]:
    """Return the headers of a push, without its authorization."""
    aps = msgspec.json.decode(payload).get("aps")
    shows = not isinstance(aps, dict) or not aps.get("content-available") or any(map(aps.get, ("alert", "sound")))
    return {
        "apns-id": str(message.id),
        "apns-topic": app_id,
        "apns-push-type": "alert" if shows else "background",
        "apns-priority": IMMEDIATE if shows else CONSIDERATE,
        "apns-expiration": str(max(0, int(message.expires_at))),
        "apns-collapse-id": collapse_id(message, MAX_COLLAPSE_ID_BYTES),
    }


def collapse_id(message: Message, limit: int) -> str:
    """Return what a device recognizes a later version of a message by: its topic, otherwise the message itself.

    So a push that is repeated, because the outcome of the first one is unknown, replaces it.
    """
    topic = message.topic
    if not topic:
        return str(message.id)
    if len(topic.encode()) <= limit and topic.isascii() and topic.isprintable():
        return topic
    return base64.urlsafe_b64encode(hashlib.sha256(topic.encode()).digest()).rstrip(b"=").decode()
