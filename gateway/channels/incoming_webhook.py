"""Incoming webhooks: requests of a provider, which the provider's signature authenticates.

A provider's file declares an IncomingWebhook. Its `read` verifies a request and returns the delivery. What is to be
fetched for that, such as a certificate, the caller fetches.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.mail_feedback import ReadFeedback, no_feedback

Fetch = Callable[[str], Awaitable[bytes]]
"""Returns the body of the response to a GET of an address."""


class RefusedWebhookError(Exception):
    """A request is not a webhook of the provider. `reason` is a word for the project's log, without what was sent."""

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason


class WebhookRequest(NamedTuple):
    """A request. The names of `headers` are in lower case, and `now` is the unix second."""

    headers: Mapping[str, str]
    body: bytes
    now: float


class WebhookDelivery(NamedTuple):
    """A verified delivery. The provider sends the same `id` again when it repeats the delivery.

    `confirm_url` is an address of the provider that must be fetched to confirm that the deliveries are wanted.
    """

    id: str
    type: str
    description: str
    payload: Mapping[str, Any]
    confirm_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingWebhook:
    """The incoming webhooks of an integration. `read` raises RefusedWebhookError."""

    kind: IntegrationKind
    read: Callable[[WebhookRequest, str, Fetch], Awaitable[WebhookDelivery]]
    """Verifies a request by the saved secret."""
    example: Mapping[str, Any]
    max_bytes: int
    feedback: ReadFeedback = no_feedback
    """Returns what a verified request says about mails that were sent."""


def bad_signature(name: str) -> RefusedWebhookError:
    """Return the error for a signature that is missing or wrong. `name` is where it is expected."""
    return RefusedWebhookError("signature", f"{name} is missing or wrong")


def bad_body(message: str) -> RefusedWebhookError:
    """Return the error for a signed body that is not what the provider documents."""
    return RefusedWebhookError("body", message)
