"""Outgoing webhooks: the types of their events, the body of a message, and the health of an endpoint.

A body is `{"type", "id", "timestamp", "data"}`, as the Standard Webhooks specification has it. It has at most
MAX_BODY_BYTES, which the specification recommends: longer texts are cut, and `data.truncated` names them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from gateway.domain.project_event import ProjectEventType

MAX_BODY_BYTES = 20_000

MAX_ENDPOINTS = 50
"""Of a project. Other services allow 16 to 100."""

DAY_MS = 24 * 3600 * 1000

FAILING_MS = 5 * DAY_MS
"""An endpoint that did nothing but fail for this long is disabled, as other services do it."""

LEAST_FAILURES = 10
"""It is not disabled for fewer failures: more than the attempts at one message."""

OPENING_FAILURES = 5
"""After this many failures in a row, one message at a time is tried, so that a dead endpoint costs little."""

FIRST_PAUSE_MS = 5_000
LONGEST_PAUSE_MS = 5 * 60_000
"""The pause before that one message. It doubles with each failure, up to the second wait of the schedule."""

EXPIRY_MS = 3 * DAY_MS
"""How old a message may be when it is tried. An endpoint that is throttled spends no attempts, so there is a bound."""

_encode = msgspec.json.encode


class WebhookEvent(Enum):
    """The types of events: name, and what happened."""

    def __init__(self, label: str, description: str):
        self.label = label
        self.description = description

    NOTIFICATION_CREATED = "notification.created", "A notification entered a user's inbox."
    NOTIFICATION_SEEN = "notification.seen", "A user has seen a notification."
    NOTIFICATION_READ = "notification.read", "A user has read a notification, and so has seen it."
    NOTIFICATION_UNREAD = "notification.unread", "A user marked a notification as unread."
    NOTIFICATION_ARCHIVED = "notification.archived", "A user archived a notification."
    NOTIFICATION_UNARCHIVED = "notification.unarchived", "A user took a notification out of the archive."
    NOTIFICATION_DELETED = "notification.deleted", "A notification left a user's inbox for good."
    NOTIFICATIONS_SEEN = "notification.all_seen", "A user marked all notifications that match filters as seen."
    NOTIFICATIONS_READ = "notification.all_read", "A user marked all notifications that match filters as read."
    NOTIFICATIONS_ARCHIVED = "notification.all_archived", "A user archived all notifications that match filters."
    DELIVERY_ENDED = "delivery.ended", "A delivery on a channel besides the inbox ended: sent, skipped or failed."
    USER_CREATED = "user.created", "A user was created."
    USER_DELETED = "user.deleted", "A user was deleted."
    BROADCAST_CHANGED = "broadcast.changed", "A broadcast was enqueued, is processed, or is done."
    ENDPOINT_DISABLED = "webhook_endpoint.disabled", "An endpoint was disabled, because it only failed or answered 410."
    TEST = "webhook.test", "A message that `…/test` sent. It goes to that endpoint, whatever its types."


OF_INBOX: Mapping[str, WebhookEvent] = {
    "notifications/new": WebhookEvent.NOTIFICATION_CREATED,
    "notifications/seen": WebhookEvent.NOTIFICATION_SEEN,
    "notifications/read": WebhookEvent.NOTIFICATION_READ,
    "notifications/unread": WebhookEvent.NOTIFICATION_UNREAD,
    "notifications/archive": WebhookEvent.NOTIFICATION_ARCHIVED,
    "notifications/unarchive": WebhookEvent.NOTIFICATION_UNARCHIVED,
    "notifications/delete": WebhookEvent.NOTIFICATION_DELETED,
    "notifications/seen/all": WebhookEvent.NOTIFICATIONS_SEEN,
    "notifications/read/all": WebhookEvent.NOTIFICATIONS_READ,
    "notifications/archive/all": WebhookEvent.NOTIFICATIONS_ARCHIVED,
}
"""The events of an inbox, by their names in a user's log."""

OF_PROJECT: Mapping[ProjectEventType, WebhookEvent] = {
    ProjectEventType.DELIVERY_ENDED: WebhookEvent.DELIVERY_ENDED,
    ProjectEventType.USER_CREATED: WebhookEvent.USER_CREATED,
    ProjectEventType.USER_DELETED: WebhookEvent.USER_DELETED,
    ProjectEventType.BROADCAST_CHANGED: WebhookEvent.BROADCAST_CHANGED,
    ProjectEventType.ENDPOINT_DISABLED: WebhookEvent.ENDPOINT_DISABLED,
}
"""The events of a project that become messages."""

GROUPS = tuple(
    dict.fromkeys(f"{event.label.partition('.')[0]}.*" for event in WebhookEvent if event.label[:8] != "webhook.")
)
SELECTABLE = (*GROUPS, *(event.label for event in WebhookEvent if event is not WebhookEvent.TEST))
"""What the event types of an endpoint may be: the name of a type, or all types of a group."""


def is_selected(event_types: Sequence[str], label: str) -> bool:
    """Return whether an endpoint with these event types gets events of a type. No types are all types."""
    return not event_types or label in event_types or f"{label.partition('.')[0]}.*" in event_types


def message_id(ms: int, *parts: str) -> UUID:
    """Return the id of the message about an event that happened at a unix millisecond, and that the parts identify.

    It is a UUID of version 8 (RFC 9562, 5.8): equal for equal arguments, so that an event that is read again makes no
    second message, and sorted by time.
    """
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    low = int.from_bytes(digest[:8]) & (1 << 62) - 1
    high = int.from_bytes(digest[8:10]) & 0xFFF
    return UUID(int=ms << 80 | 0x8 << 76 | high << 64 | 0b10 << 62 | low)


def ms_of(sent: UUID) -> int:
    """Return the unix millisecond in the id of a message."""
    return sent.int >> 80


def encode_body(label: str, sent: UUID, timestamp: str, data: Mapping[str, Any]) -> bytes:
    """Return the body of a message. What is too long is cut or left out, and `data.truncated` names it."""
    shown = {**data, "notification": dict(data["notification"])} if "notification" in data else dict(data)
    body = {"type": label, "id": str(sent), "timestamp": timestamp, "data": shown}
    encoded = _encode(body)
    if len(encoded) <= MAX_BODY_BYTES:
        return encoded
    truncated: list[str] = []
    shown["truncated"] = truncated
    notification = shown.get("notification", {})
    for name in ("content", "custom_attributes", "action_url", "title"):
        if notification.get(name) and len(encoded) > MAX_BODY_BYTES:
            truncated.append(f"notification.{name}")
            encoded = _shortened(body, notification, name)
    for name in [each for each in shown if each not in ("truncated", "notification", "user")]:
        if len(encoded) > MAX_BODY_BYTES:
            truncated.append(name)
            shown[name] = None
            encoded = _encode(body)
    return encoded


def _shortened(body: Mapping[str, Any], place: dict[str, Any], name: str) -> bytes:
    """Return a body in which a text is as long as fits, or another value is null."""
    value = place[name]
    place[name] = None
    encoded = _encode(body)
    room = MAX_BODY_BYTES - len(encoded)
    if not isinstance(value, str) or room <= 0:
        return encoded
    low, high = 0, min(len(value), room)  # a character takes at least one byte
    while low < high:
        middle = (low + high + 1) // 2
        place[name] = value[:middle] + "…"
        low, high = (middle, high) if len(_encode(body)) <= MAX_BODY_BYTES else (low, middle - 1)
    place[name] = value[:low] + "…" if low else None
    return _encode(body)


class EndpointHealth(NamedTuple):
    """How an endpoint has answered lately.

    `failures` are those since the last success, and `failing_since_ms` is the time of the first of them, 0 for none.
    Before `resumes_ms` nothing is sent to it.
    """

    failures: int = 0
    failing_since_ms: int = 0
    resumes_ms: int = 0

    @property
    def is_probed(self) -> bool:
        """Return whether one message at a time is tried."""
        return self.failures >= OPENING_FAILURES

    def succeeded(self) -> "EndpointHealth":
        """Return the health after a success."""
        return HEALTHY

    def failed(self, now_ms: int) -> "EndpointHealth":
        """Return the health after a failed attempt."""
        failures = self.failures + 1
        beyond = failures - OPENING_FAILURES
        pause = min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS << min(beyond, 10)) if beyond >= 0 else 0
        return EndpointHealth(failures, self.failing_since_ms or now_ms, max(self.resumes_ms, now_ms + pause))

    def throttled(self, now_ms: int, pause_ms: int) -> "EndpointHealth":
        """Return the health after an answer that asks for a pause. It is neither a success nor a failure."""
        return self._replace(resumes_ms=max(self.resumes_ms, now_ms + pause_ms))

    def is_dead(self, now_ms: int) -> bool:
        """Return whether the endpoint did nothing but fail for so long that it is to be disabled."""
        return (
            self.failures >= LEAST_FAILURES
            and self.failing_since_ms > 0
            and now_ms - self.failing_since_ms >= FAILING_MS
        )


HEALTHY = EndpointHealth()


class MessageState(Enum):
    """The states of a message. The values are stored."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Attempt(NamedTuple):
    """One attempt: when, the status of the response (0 for none), for how many ms, and the reason of a failure."""

    at_ms: int
    status: int
    took_ms: int
    reason: str

    def line(self) -> str:
        """Return the attempt as it is stored: one line."""
        return f"{self.at_ms} {self.status} {self.took_ms} {' '.join(self.reason.split())}"

    @classmethod
    def parse(cls, line: str) -> "Attempt":
        """Return the attempt that a line denotes. Raises ValueError."""
        at_ms, status, took_ms, reason = line.split(" ", 3)
        return cls(int(at_ms), int(status), int(took_ms), reason)
