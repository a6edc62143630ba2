"""What a response of Expo means for pushes (docs.expo.dev/push-notifications/sending-notifications, "Errors").

A response has an error for the whole request, or a ticket for each message in the order of the messages. A ticket says
that Expo has the message, and names the receipt that says later what Apple or Google made of it.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.channels.outcome import (
    Dead,
    Delivered,
    Handed,
    Misconfigured,
    Outcome,
    Refused,
    Retry,
    Scope,
    Throttled,
    Unknown,
)
from gateway.channels.provider import Answer
from gateway.channels.retry_after import retry_after

RECEIPT_SECONDS = 15 * 60.0
"""When a receipt is asked for (docs.expo.dev/push-notifications/faq). Expo keeps it for a day."""

LANE_PAUSE_SECONDS = 30.0
DEVICE_PAUSE_SECONDS = 60.0
"""How long nothing is sent after a refusal because of the rate. Expo names no time."""

TOO_MANY_PROJECTS = "PUSH_TOO_MANY_EXPERIENCE_IDS"

_CONFIG = frozenset(("InvalidCredentials", "MismatchSenderId", "InvalidProviderToken", "UNAUTHORIZED", "FORBIDDEN"))
_PASSING = frozenset(("ExpoError", "ProviderError", "INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE"))
_MAX_CODE = 60


def values_of(answer: Answer) -> dict[str, Any]:
    """Return the body, {} if it is no JSON object."""
    try:
        found = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def error_of(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the first error of a response, {} if there is none."""
    errors = values.get("errors")
    return errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}


def request_outcome(answer: Answer, now: float) -> Outcome | None:
    """Return the outcome of all messages of a request that failed as a whole, None if it did not."""
    error = error_of(values_of(answer))
    code = _code(error.get("code")) or f"HTTP {answer.status}"
    if answer.status == 200 and not error:
        return None
    if answer.status == 429 or code == "TOO_MANY_REQUESTS":
        return Throttled(retry_after(answer.headers, now) or LANE_PAUSE_SECONDS, Scope.LANE, code)
    if answer.status in (401, 403) or code in _CONFIG or code == TOO_MANY_PROJECTS:
        return Misconfigured(code, is_doubted=code == TOO_MANY_PROJECTS)
    if answer.status >= 500 or answer.status in (301, 302, 307, 308) or code in _PASSING:
        return Retry(code, retry_after(answer.headers, now))
    return Refused(code)


def ticket_outcome(ticket: Any) -> Outcome:
    """Return the outcome of a message by its ticket."""
    match ticket:
        case {"status": "ok", "id": str(receipt)} if receipt and len(receipt) <= 100:
            return Handed(receipt, RECEIPT_SECONDS)
        case {"status": "error"}:
            return _error_outcome(ticket)
    return Unknown("no ticket")


def receipt_outcome(receipt: Any) -> Outcome:
    """Return the outcome of a message by its receipt. One that is missing leaves it unknown."""
    match receipt:
        case {"status": "ok"}:
            return Delivered()
        case {"status": "error"}:
            return _error_outcome(receipt)
    return Unknown("no receipt")


def _error_outcome(ticket: Mapping[str, Any]) -> Outcome:
    details = ticket.get("details")
    code = _code(details.get("error")) if isinstance(details, dict) else ""
    if code == "DeviceNotRegistered":
        return Dead(code)
    if code == "MessageRateExceeded":
        return Throttled(DEVICE_PAUSE_SECONDS, Scope.DESTINATION, code)
    if code in _CONFIG:
        return Misconfigured(code, is_doubted=True)  # these are the credentials of the app that the token is of
    if code in _PASSING:
        return Retry(code)
    return Refused(code or "error")


def _code(value: Any) -> str:
    """Return a code of Expo, "" for anything else, such as a text for people."""
    is_code = isinstance(value, str) and len(value) <= _MAX_CODE and value.replace("_", "").isalnum()
    return value if is_code and value.isascii() else ""
