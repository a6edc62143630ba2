"""SendGrid's event webhook (docs.sendgrid.com, "Event Webhook Security Features").

The body is a list of events. The headers have a timestamp, and the ECDSA signature (P-256, SHA-256) of the timestamp
and the body. The public key is in SendGrid's settings, in base64.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

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
from gateway.channels.sendgrid import INTEGRATION

TOLERANCE_SECONDS = 24 * 3600
"""SendGrid repeats a request for 24 hours."""

MAX_BYTES = 4 * 1024 * 1024
"""A request has many events: up to 768 KB, or what arrives in 30 seconds."""

_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
_SECOND = re.compile("[0-9]{1,12}")


async def read(request: WebhookRequest, secret: str, fetch: Fetch) -> WebhookDelivery:
    """Verify a request, and return its delivery. Raises RefusedWebhookError."""
    second = request.headers.get(_TIMESTAMP, "")
    if not _is_signed(secret, request.headers.get(_SIGNATURE, ""), second.encode() + request.body):
        raise bad_signature(f"Header '{_SIGNATURE}'")
    if not _SECOND.fullmatch(second) or abs(request.now - int(second)) > TOLERANCE_SECONDS:
        raise RefusedWebhookError("timestamp", "The signature is older than a day")
    try:
        events = msgspec.json.decode(request.body)
    except (ValueError, RecursionError):
        raise bad_body("The body is not JSON") from None
    if not isinstance(events, list):
        raise bad_body("The body is not a list of events")
    # Each request is another one; a repetition is the same bytes.
    digest = hashlib.sha256(second.encode() + request.body).hexdigest()
    return WebhookDelivery(digest[:40], "events", f"{len(events)} events", {"events": events})


def _is_signed(key: str, signature: str, content: bytes) -> bool:
    try:
        public = load_der_public_key(base64.b64decode(key, validate=True))
        given = base64.b64decode(signature, validate=True)
    except (ValueError, binascii.Error):
        return False
    if not isinstance(public, EllipticCurvePublicKey):
        return False
    try:
        public.verify(given, content, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def feedback(config: Mapping[str, Any], payload: Mapping[str, Any]) -> list[Feedback]:
    """Return the addresses that bounced for good, and those whose owners complained."""
    found = []
    for event in payload["events"]:
        kind, email, user_id = (text_in(event, name) for name in ("event", "email", "inbox_user_id"))
        if kind == "spamreport":
            found.append(Feedback(email, "complaint", user_id))
        # A `blocked` mail was refused for other reasons than the address.
        elif kind == "bounce" and text_in(event, "type") != "blocked":
            found.append(Feedback(email, "bounced", user_id))
    return found


WEBHOOK = IncomingWebhook(
    kind=INTEGRATION,
    read=read,
    max_bytes=MAX_BYTES,
    example={"events": [{"event": "bounce", "type": "bounce", "email": "ada@example.com"}]},
    feedback=feedback,
)
