"""The message of a push to FCM (firebase.google.com/docs/reference/fcm/rest/v1/projects.messages).

A registration token does not say whether it belongs to Android, to an Apple platform or to a browser. So a message has
the settings of all three. Values of `data` are strings, as FCM wants them.
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.channels.apns_payload import MAX_COLLAPSE_ID_BYTES, collapse_id
from gateway.channels.message import Message
from gateway.channels.text import fitted, merged, plain_text

MAX_MESSAGE_BYTES = 4096
MAX_TTL_SECONDS = 28 * 24 * 3600
MAX_TOPIC = 32
"""The characters of a topic of web push (RFC 8030, 5.4)."""

_OTHER_TARGETS = ("token", "topic", "condition", "fid", "name")
_FREE = frozenset(("data", "headers", "payload"))
"""Objects whose names are the sender's own."""


def fcm_message(message: Message, now: float) -> bytes | None:
    """Return the body of the request, whose message has 4096 bytes at most. None if it cannot be made to fit.

    The body of the push is cut first, then its title. If nothing is left to cut, the attributes are left out.
    """
    body = plain_text(message.content)
    token = str(message.destination["device_token"])
    extra = {name: value for name, value in _camel_case(message.extra).items() if name not in _OTHER_TARGETS}
    for attributes in (message.custom_attributes, {}):
        fixed = _platforms(message, now) | {"data": _data(message, attributes)}

        def compose(title: str, body: str, fixed: Mapping[str, Any] = fixed) -> bytes:
            found = merged({"notification": _notification(message, title, body), **fixed}, extra)
            found["data"] = _strings(found.get("data"))
            return msgspec.json.encode(found)

        if encoded := fitted(compose, message.title, body, MAX_MESSAGE_BYTES):
            return b'{"message":{"token":' + msgspec.json.encode(token) + b"," + encoded[1:] + b"}"
    return None


def _notification(message: Message, title: str, body: str) -> dict[str, Any]:
    found = {"title": title, "body": body, "image": message.image_url}
    return {name: value for name, value in found.items() if value}


def _data(message: Message, attributes: Mapping[str, Any]) -> dict[str, str]:
    found = {
        "id": message.notification_id,
        "action_url": message.action_url,
        "category": message.category,
        "topic": message.topic,
        "image_url": message.image_url,
        "custom_attributes": msgspec.json.encode(attributes).decode() if attributes else None,
    }
    return {name: value for name, value in found.items() if value}


def _platforms(message: Message, now: float) -> dict[str, Any]:
    collapse = collapse_id(message, MAX_COLLAPSE_ID_BYTES)
    ttl = min(max(0, int(message.expires_at - now)), MAX_TTL_SECONDS)
    android: dict[str, Any] = {
        "priority": "HIGH",
        "ttl": f"{ttl}s",
        "notification": {"tag": collapse, "notificationCount": message.unread, "defaultSound": True},
    }
    if message.topic:
        # A device that is offline keeps four keys. So a message without a topic must not have one.
        android["collapseKey"] = collapse
    aps: dict[str, Any] = {"badge": message.unread, "sound": "default"}
    if thread := message.topic or message.category:
        aps["thread-id"] = thread
    if message.category:
        aps["category"] = message.category
    if message.image_url:
        aps["mutable-content"] = 1
    webpush: dict[str, Any] = {
        "headers": {"TTL": str(ttl), "Topic": _web_topic(collapse), "Urgency": "high"},
        "notification": {"tag": collapse},
    }
    if message.action_url and message.action_url.startswith("https://"):
        webpush["fcmOptions"] = {"link": message.action_url}
    headers = {
        "apns-collapse-id": collapse,
        "apns-expiration": str(max(0, int(message.expires_at))),
        "apns-priority": "10",
    }
    return {"android": android, "apns": {"headers": headers, "payload": {"aps": aps}}, "webpush": webpush}


def _web_topic(collapse: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(collapse.encode()).digest()).decode()[:MAX_TOPIC]


def _strings(data: Any) -> dict[str, str]:
    """Return the values of `data` as strings: what is none becomes JSON."""
    if not isinstance(data, Mapping):
        return {}
    return {
        str(name): value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in data.items()
    }


def _camel_case(extra: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return a sender's fields under the names of the API, which also accepts `collapse_key` for `collapseKey`.

    Both names of one field in a message would be an error.
    """
    found = {}
    for name, value in extra.items():
        first, *rest = name.split("_")
        camel = first + "".join(word.title() for word in rest)
        is_free = camel in _FREE or (path == "webpush" and camel == "notification")
        found[camel] = _camel_case(value, camel) if isinstance(value, Mapping) and not is_free else value
    return found
