"""What the HTTP APIs of mail services have in common: statuses with one meaning, and the ids that events bring back."""

from typing import Any

from gateway.channels.message import Message
from gateway.channels.outcome import Retry, Scope, Throttled
from gateway.channels.provider import Answer
from gateway.channels.retry_after import retry_after

THROTTLED_SECONDS = 30.0
"""How long a lane pauses if the service does not say."""

MAX_THROTTLED_SECONDS = 24 * 3600.0

SECONDS = 20.0
"""The limit of one attempt."""


def our_ids(message: Message) -> dict[str, str]:
    """Return what the events of a service, such as bounces, bring back: to which delivery and user they belong."""
    return {
        "inbox_delivery_id": str(message.id),
        "inbox_project_id": str(message.project_id),
        "inbox_user_id": str(message.user_id),
    }


def extra_of(message: Message, *recipients: str) -> dict[str, Any]:
    """Return the override for a provider without its fields for `recipients`: it sends no mail to anybody else."""
    return {name: value for name, value in message.extra.items() if name.lower() not in recipients}


def throttled(seconds: float | None, reason: str) -> Throttled:
    """Return the outcome for a lane that shall pause for this time, None if the service named none."""
    asked = THROTTLED_SECONDS if seconds is None else seconds
    return Throttled(min(max(asked, 1.0), MAX_THROTTLED_SECONDS), Scope.LANE, reason)


def passing(answer: Answer, reason: str, now: float) -> Throttled | Retry | None:
    """Return the outcome of a response that a later attempt may not get, None for any other response."""
    if answer.status == 429:
        return throttled(retry_after(answer.headers, now), reason)
    if answer.status >= 500 or answer.status == 408:
        return Retry(reason, retry_after(answer.headers, now))
    return None
