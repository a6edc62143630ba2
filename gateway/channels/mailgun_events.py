"""Mailgun's webhooks about emails (documentation.mailgun.com, "Webhooks" and "Securing Webhooks").

The body has `signature`: a timestamp, a token, and the HMAC-SHA256 of both by the account's signing key. It does not
cover the event, which the TLS of the connection alone protects.
"""

import hmac
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.channels.incoming_webhook import (
    Fetch,
    IncomingWebhook,
    RefusedWebhookError,
    WebhookDelivery,
    WebhookRequest,
    bad_body,
    bad_signature,
)
from gateway.channels.mail_feedback import Feedback, text_in
from gateway.channels.mailgun import INTEGRATION

TOLERANCE_SECONDS = 24 * 3600
"""Mailgun repeats a webhook for eight hours, with the same signature."""

MAX_BYTES = 256 * 1024

_SECOND = re.compile("[0-9]{1,12}")


async def read(request: WebhookRequest, secret: str, fetch: Fetch) -> WebhookDelivery:
    """Verify a request, and return its delivery. Raises RefusedWebhookError."""
    try:
        body = msgspec.json.decode(request.body)
    except (ValueError, RecursionError):
        raise bad_body("The body is not JSON") from None
    signature = body.get("signature") if isinstance(body, dict) else None
    second, token = text_in(signature, "timestamp"), text_in(signature, "token")
    wanted = hmac.digest(secret.encode(), f"{second}{token}".encode(), "sha256").hex()
    if not hmac.compare_digest(wanted.encode(), text_in(signature, "signature").encode()):
        raise bad_signature("Param 'signature'")
    if not _SECOND.fullmatch(second) or abs(request.now - int(second)) > TOLERANCE_SECONDS:
        raise RefusedWebhookError("timestamp", "The signature is older than a day")
    event = body.get("event-data")
    kind = text_in(event, "event")
    if not token or not kind:
        raise bad_body("Param 'event-data' is missing")
    return WebhookDelivery(token, kind, kind, event)


def feedback(config: Mapping[str, Any], payload: Mapping[str, Any]) -> list[Feedback]:
    """Return the address that failed for good, or whose owner complained."""
    kind = payload.get("event")
    user_id = text_in(payload.get("user-variables"), "inbox_user_id")
    email = text_in(payload, "recipient")
    if kind == "complained":
        return [Feedback(email, "complaint", user_id)]
    # `suppress-…` says that Mailgun itself did not send, because of an earlier failure.
    is_bounce = kind == "failed" and payload.get("severity") == "permanent"
    return [Feedback(email, "bounced", user_id)] if is_bounce and payload.get("reason") in _BOUNCES else []


_BOUNCES = ("bounce", "suppress-bounce", "suppress-complaint")
"""Reasons that speak against the address. Others, such as `old` or `generic`, may be faults of a server."""

WEBHOOK = IncomingWebhook(
    kind=INTEGRATION,
    read=read,
    max_bytes=MAX_BYTES,
    example={
        "signature": {"timestamp": "1529006854", "token": "a8ce0edb2dd8301d", "signature": "d2271d12299f6592"},
        "event-data": {"event": "failed", "severity": "permanent", "recipient": "ada@example.com"},
    },
    feedback=feedback,
)
