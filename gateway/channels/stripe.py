"""Stripe: incoming webhooks (docs.stripe.com, "Resolve webhook signature verification errors").

`Stripe-Signature` is `t=` and a unix second, then `v1=` and the HMAC-SHA256 of `second.body` in hexadecimal, once for
each secret that is valid. The body is an event, whose `id` stays the same when Stripe repeats the delivery.
"""

import hmac
import re

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
from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.payload_mapping import NOTIFICATIONS
from gateway.channels.signed_webhooks import signing_secret
from gateway.domain.objects import Object

INTEGRATION = IntegrationKind(
    name="stripe",
    title="Stripe",
    config=Object(required=True, name="StripeConfig", fields={**signing_secret("Stripe"), **NOTIFICATIONS}),
    example={
        "webhook_signing_secret": "whsec_an-example-of-a-secret",
        "notifications": [
            {
                "matches": "type = 'invoice.paid'",
                "title": "Thank you for your payment",
                "recipients": [{"email": "{{ payload.data.object.customer_email }}"}],
            }
        ],
    },
)

TOLERANCE_SECONDS = 300
"""The age that Stripe's own libraries accept. Stripe signs each attempt anew."""

MAX_BYTES = 1024 * 1024

_MAX_SIGNATURES = 16

_SECOND = re.compile("[0-9]{1,12}")


async def read(request: WebhookRequest, secret: str, fetch: Fetch) -> WebhookDelivery:
    """Verify a request, and return its delivery. Raises RefusedWebhookError."""
    header = request.headers.get("stripe-signature", "")
    parts = [part.partition("=")[::2] for part in header.split(",", _MAX_SIGNATURES + 1)]
    second = next((value for name, value in parts if name.strip() == "t"), "")
    wanted = hmac.digest(secret.encode(), second.encode() + b"." + request.body, "sha256").hex()
    given = [value.strip() for name, value in parts if name.strip() == "v1"]
    if not any(hmac.compare_digest(wanted.encode(), each.encode()) for each in given):
        raise bad_signature("Header 'Stripe-Signature'")
    if not _SECOND.fullmatch(second) or abs(request.now - int(second)) > TOLERANCE_SECONDS:
        raise RefusedWebhookError("timestamp", "The signature is older than 5 minutes")
    return _delivery(request.body)


def _delivery(body: bytes) -> WebhookDelivery:
    try:
        event = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise bad_body("The body is not JSON") from None
    names = (event.get("id"), event.get("type")) if isinstance(event, dict) else ()
    if not names or not all(isinstance(name, str) and name for name in names):
        raise bad_body("The body is not an event with 'id' and 'type'")
    return WebhookDelivery(event["id"], event["type"], event["type"], event)


WEBHOOK = IncomingWebhook(
    kind=INTEGRATION,
    read=read,
    max_bytes=MAX_BYTES,
    example={"id": "evt_1", "object": "event", "type": "invoice.paid", "data": {"object": {"id": "in_1"}}},
)
