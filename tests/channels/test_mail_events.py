"""Webhooks of SendGrid and Mailgun about emails: signatures, and which addresses are given up."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.channels import mailgun_events, sendgrid_events
from gateway.channels.incoming_webhook import IncomingWebhook, RefusedWebhookError, WebhookDelivery, WebhookRequest
from gateway.channels.mail_feedback import Feedback

NOW = 1_800_000_000
KEY = generate_private_key(SECP256R1())
PUBLIC = base64.b64encode(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
SECRET = "key-1"


async def no_fetch(url: str) -> bytes:
    raise AssertionError(url)


async def reason(webhook: IncomingWebhook, request: WebhookRequest, secret: str) -> str:
    with pytest.raises(RefusedWebhookError) as refused:
        await webhook.read(request, secret, no_fetch)
    return refused.value.reason


def from_sendgrid(body: bytes, second: str = str(NOW), **headers: str) -> WebhookRequest:
    """Return a request as SendGrid signs it."""
    signature = base64.b64encode(KEY.sign(second.encode() + body, ECDSA(SHA256()))).decode()
    names = {
        "x-twilio-email-event-webhook-signature": signature,
        "x-twilio-email-event-webhook-timestamp": second,
    }
    return WebhookRequest({**names, **headers}, body, NOW)


def from_mailgun(event: Any, second: str = str(NOW), secret: str = SECRET, token: str = "t") -> WebhookRequest:
    """Return a request as Mailgun signs it."""
    signature = hmac.new(secret.encode(), f"{second}{token}".encode(), hashlib.sha256).hexdigest()
    signed = {"timestamp": second, "token": token, "signature": signature}
    return WebhookRequest({}, json.dumps({"signature": signed, "event-data": event}).encode(), NOW)


async def read(webhook: IncomingWebhook, request: WebhookRequest, secret: str) -> WebhookDelivery:
    return await webhook.read(request, secret, no_fetch)


async def test_events_of_sendgrid_give_up_addresses_that_bounced_or_complained() -> None:
    events = [
        {"event": "bounce", "type": "bounce", "email": "a@x.y", "inbox_user_id": "u-1"},
        {"event": "bounce", "type": "blocked", "email": "b@x.y"},
        {"event": "spamreport", "email": "c@x.y"},
        {"event": "delivered", "email": "d@x.y"},
        "text",
    ]
    request = from_sendgrid(json.dumps(events).encode())
    delivery = await read(sendgrid_events.WEBHOOK, request, PUBLIC)
    assert (delivery.type, delivery.description) == ("events", "5 events")
    assert (await read(sendgrid_events.WEBHOOK, request, PUBLIC)).id == delivery.id, "a repetition is the same delivery"
    assert sendgrid_events.WEBHOOK.feedback({}, delivery.payload) == [
        Feedback("a@x.y", "bounced", "u-1"),
        Feedback("c@x.y", "complaint"),
    ]


async def test_a_request_that_sendgrid_has_not_signed_is_refused() -> None:
    webhook = sendgrid_events.WEBHOOK
    signature = "x-twilio-email-event-webhook-signature"
    right = from_sendgrid(b"[]")
    assert await reason(webhook, right._replace(body=b"[1]"), PUBLIC) == "signature"
    for forged in ("", "?", "AAAA"):
        assert await reason(webhook, from_sendgrid(b"[]", **{signature: forged}), PUBLIC) == "signature"
    for key in ("?", "AAAA", base64.b64encode(b"x" * 91).decode()):
        assert await reason(webhook, right, key) == "signature"
    ed25519 = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
    assert await reason(webhook, right, ed25519) == "signature"
    assert await reason(webhook, from_sendgrid(b"[]", str(NOW - 86_401)), PUBLIC) == "timestamp"
    assert await reason(webhook, from_sendgrid(b"[]", "1e9"), PUBLIC) == "timestamp"
    for body in (b"", b"{}", b"1"):
        assert await reason(webhook, from_sendgrid(body), PUBLIC) == "body"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"event": "failed", "severity": "permanent", "reason": "bounce"}, [Feedback("a@x.y", "bounced", "u-1")]),
        ({"event": "failed", "severity": "temporary", "reason": "bounce"}, []),
        ({"event": "failed", "severity": "permanent", "reason": "old"}, []),
        ({"event": "complained"}, [Feedback("a@x.y", "complaint", "u-1")]),
        ({"event": "delivered"}, []),
    ],
)
async def test_an_event_of_mailgun_gives_up_an_address_that_bounced_or_complained(
    event: dict[str, str], expected: list[Feedback]
) -> None:
    complete = {**event, "recipient": "a@x.y", "user-variables": {"inbox_user_id": "u-1"}}
    delivery = await read(mailgun_events.WEBHOOK, from_mailgun(complete), SECRET)
    assert (delivery.id, delivery.type) == ("t", event["event"])
    assert mailgun_events.WEBHOOK.feedback({}, delivery.payload) == expected


async def test_a_request_that_mailgun_has_not_signed_is_refused() -> None:
    webhook, event = mailgun_events.WEBHOOK, {"event": "delivered"}
    assert await reason(webhook, from_mailgun(event, secret="x"), SECRET) == "signature"
    assert await reason(webhook, from_mailgun(event, str(NOW - 86_401)), SECRET) == "timestamp"
    assert await reason(webhook, from_mailgun(event, "now"), SECRET) == "timestamp"
    assert await reason(webhook, from_mailgun(event, token=""), SECRET) == "body"
    wrong: Any
    for wrong in ({}, [], None, {"event": 1}):
        assert await reason(webhook, from_mailgun(wrong), SECRET) == "body"
    for body in (b"[]", b"1", b'{"signature": 1}'):
        assert await reason(webhook, WebhookRequest({}, body, NOW), SECRET) == "signature"
    assert await reason(webhook, WebhookRequest({}, b"{", NOW), SECRET) == "body"
