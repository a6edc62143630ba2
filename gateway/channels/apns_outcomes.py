"""What a response of APNs means for a push (developer.apple.com, "Handling notification responses from APNs")."""

from typing import Any

import msgspec

from gateway.channels.message import Message
from gateway.channels.outcome import (
    MAX_REASON,
    Dead,
    Delivered,
    Misconfigured,
    Outcome,
    Refused,
    Retry,
    Scope,
    Throttled,
)
from gateway.channels.provider import Answer
from gateway.channels.retry_after import retry_after

EXPIRED_PROVIDER_TOKEN = "ExpiredProviderToken"  # noqa: S105 - a reason of Apple's

DEVICE_PAUSE_SECONDS = 60.0
"""How long a device gets nothing after TooManyRequests. Apple names no time."""

KEY_PAUSE_SECONDS = 300.0
"""How long a key is not used after TooManyProviderTokenUpdates. The token that is in use stays valid meanwhile."""

_DEAD = frozenset(("Unregistered", "ExpiredToken"))
_WRONG_TOPIC = frozenset(("BadTopic", "TopicDisallowed", "DeviceTokenNotForTopic"))
_KNOWN_REASON_LENGTH = 40


def reason_of(answer: Answer) -> str:
    """Return Apple's reason, or the status where there is none."""
    found = _values(answer).get("reason")
    if isinstance(found, str) and found.isascii() and found.isalnum() and len(found) <= _KNOWN_REASON_LENGTH:
        return found
    return f"HTTP {answer.status}"


def outcome_of(answer: Answer, message: Message, now: float, *, app_works: bool) -> Outcome:
    """Return the outcome of a push.

    `app_works`: whether this app has had pushes accepted in this environment. Only then is it certain that the token is
    at fault, and not the app's id or the environment that was assumed.
    """
    reason = reason_of(answer)
    match answer.status:
        case 200:
            return Delivered(answer.headers.get("apns-id", str(message.id))[:MAX_REASON].lower())
        case 410:
            return _gone(reason, answer, message)
        case 400 | 404 | 405 | 413:
            return _refused(reason, message, app_works=app_works)
        case 429:
            return _throttled(reason)
        case 401 | 403:
            return Misconfigured(reason)
    return Retry(reason, retry_after(answer.headers, now))


def _gone(reason: str, answer: Answer, message: Message) -> Outcome:
    """A token that was registered again after the time that Apple names is alive."""
    since = _values(answer).get("timestamp")
    if isinstance(since, int | float) and message.registered_at * 1000 > since:
        return Retry(f"{reason} before the token was registered again")
    return Dead(reason)


def _refused(reason: str, message: Message, *, app_works: bool) -> Outcome:
    if reason in _DEAD:
        return Dead(reason)
    if reason == "BadDeviceToken":
        # It is also Apple's answer to a token of the other environment.
        explicit = message.destination.get("installation_id") is not None
        return Dead(reason) if explicit or app_works else Refused(f"{reason}: perhaps of the other environment")
    if reason in _WRONG_TOPIC:
        own = message.destination.get("app_id")
        if own is not None and own != message.config.get("app_id"):
            return Refused(reason)  # it is the app_id with which this token was registered
        if reason == "DeviceTokenNotForTopic":
            return Dead(reason) if app_works else Misconfigured(reason, is_doubted=True)
        return Misconfigured(reason)
    if reason == "MissingTopic":
        return Misconfigured(reason)
    return Retry(reason) if reason == "IdleTimeout" else Refused(reason)


def _throttled(reason: str) -> Outcome:
    if reason == "TooManyProviderTokenUpdates":
        return Throttled(KEY_PAUSE_SECONDS, Scope.LANE, reason)
    return Throttled(DEVICE_PAUSE_SECONDS, Scope.DESTINATION, reason)


def _values(answer: Answer) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
