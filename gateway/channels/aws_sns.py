"""Amazon Simple Notification Service: incoming webhooks (docs.aws.amazon.com, "Verifying the signatures of messages").

A message is JSON. Its signature is RSA over some of its fields, with SHA-1 (version 1) or SHA-256 (version 2). The
certificate is the saved one, or that of `SigningCertURL`, which must be an address of SNS itself. A topic sends a first
message with a `SubscribeURL`, which must be fetched before it sends others.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.x509 import Certificate, load_pem_x509_certificate

from gateway.channels.example_keys import CERTIFICATE
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
from gateway.channels.key_params import MAX_PEM_LENGTH, RsaCertificate, rsa_public_key
from gateway.channels.mail_feedback import Feedback
from gateway.channels.payload_mapping import NOTIFICATIONS
from gateway.channels.secret_param import Secret
from gateway.channels.ses_feedback import feedback_of
from gateway.domain.objects import Object
from gateway.domain.params import FormedText

INTEGRATION = IntegrationKind(
    name="awssns",
    title="Amazon SNS",
    config=Object(
        required=True,
        name="AwsSnsConfig",
        fields={
            "webhook_signing_secret": Secret(
                required=True,
                value=RsaCertificate(required=True, max_length=MAX_PEM_LENGTH),
                description="The certificate with which SNS signs, in PEM. A message that another certificate signed "
                "is accepted only if SNS itself publishes that certificate.",
            ),
            "mail_topic_arn": FormedText(
                max_length=512,
                pattern=r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+(\.fifo)?",
                form="the ARN of a topic",
                description="The topic to which SES reports bounces and complaints about your mails: nothing more is "
                "sent to these addresses. This is an extension of this gateway.",
            ),
            **NOTIFICATIONS,
        },
    ),
    example={"webhook_signing_secret": CERTIFICATE},
)

TOLERANCE_SECONDS = 24 * 3600
"""SNS repeats a message with the same timestamp for hours, if its subscription says so."""

CLOCK_SECONDS = 300
"""How far clocks may differ: how much in the future a timestamp may be."""

MAX_BYTES = 1024 * 1024
"""A message has up to 256 KB, which JSON may escape."""

_HOST = r"https://sns\.[a-z]{2}(?:-[a-z]+)+-[0-9]+\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE_URL = re.compile(_HOST + r"/[A-Za-z0-9_-]+\.pem")
_SUBSCRIBE_URL = re.compile(_HOST + r"/\?[!-~]{1,2000}")

_CONFIRMATIONS = ("SubscriptionConfirmation", "UnsubscribeConfirmation")
_SIGNED = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_SIGNED_OF_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_HASHES: dict[str, type[HashAlgorithm]] = {"1": SHA1, "2": SHA256}


async def read(request: WebhookRequest, secret: str, fetch: Fetch) -> WebhookDelivery:
    """Verify a request, and return its delivery. Raises RefusedWebhookError."""
    message = _message(request.body)
    if not _is_signed_by(message, secret.encode()) and not await _is_signed_by_sns(message, fetch, request.now):
        raise bad_signature("Param 'Signature'")
    _check_time(message.get("Timestamp", ""), request.now)
    kind, message_id = message.get("Type", ""), message.get("MessageId", "")
    if not kind or not message_id:
        raise bad_body("Param 'Type' or 'MessageId' is missing")
    description = message.get("Subject") or f"{kind} of {message.get('TopicArn', '')}"
    confirm_url = message.get("SubscribeURL", "") if kind == _CONFIRMATIONS[0] else ""
    if confirm_url and not _SUBSCRIBE_URL.fullmatch(confirm_url):
        raise bad_body("Param 'SubscribeURL' is not an address of SNS")
    return WebhookDelivery(message_id, kind, description, _payload(message), confirm_url)


def _message(body: bytes) -> dict[str, str]:
    """Return the fields that are text. The others have no meaning: attributes are objects."""
    try:
        decoded = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise bad_body("The body is not JSON") from None
    if not isinstance(decoded, dict):
        raise bad_body("The body is not a JSON object")
    return {name: value for name, value in decoded.items() if isinstance(value, str)}


def _payload(message: dict[str, str]) -> dict[str, Any]:
    """Return the message without what signs and confirms it. A `Message` that is a JSON object is decoded."""
    hidden = ("Signature", "SignatureVersion", "SigningCertURL", "SubscribeURL", "UnsubscribeURL", "Token")
    payload: dict[str, Any] = {name: value for name, value in message.items() if name not in hidden}
    try:
        decoded = msgspec.json.decode(message.get("Message", ""))
    except (ValueError, RecursionError):
        return payload
    return {**payload, "Message": decoded} if isinstance(decoded, dict) else payload


def _signed_lines(message: dict[str, str], names: Iterable[str]) -> bytes:
    return "".join(f"{name}\n{message[name]}\n" for name in names if name in message).encode()


def _is_signed_by(message: dict[str, str], pem: bytes) -> bool:
    """Return whether the key of a certificate signed a message."""
    try:
        key = rsa_public_key(load_pem_x509_certificate(pem))
        signature = base64.b64decode(message.get("Signature", ""), validate=True)
    except (ValueError, binascii.Error):
        return False
    algorithm = _HASHES.get(message.get("SignatureVersion", ""))
    if algorithm is None or key is None:
        return False
    names = _SIGNED_OF_CONFIRMATION if message.get("Type") in _CONFIRMATIONS else _SIGNED
    try:
        key.verify(signature, _signed_lines(message, names), PKCS1v15(), algorithm())
    except InvalidSignature:
        return False
    return True


async def _is_signed_by_sns(message: dict[str, str], fetch: Fetch, now: float) -> bool:
    """Return whether a certificate that SNS publishes, and that is valid now, signed a message."""
    url = message.get("SigningCertURL", "")
    if not _CERTIFICATE_URL.fullmatch(url):
        return False
    pem = await fetch(url)
    try:
        certificate = load_pem_x509_certificate(pem)
    except ValueError:
        return False
    return _is_valid_at(certificate, now) and _is_signed_by(message, pem)


def _is_valid_at(certificate: Certificate, now: float) -> bool:
    moment = datetime.fromtimestamp(now, UTC)
    return certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc


def _check_time(text: str, now: float) -> None:
    try:
        sent = datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise bad_body("Param 'Timestamp' is not a time") from None
    if not now - TOLERANCE_SECONDS <= sent <= now + CLOCK_SECONDS:
        raise RefusedWebhookError("timestamp", "The message is older than a day")


def _feedback(config: Mapping[str, Any], payload: Mapping[str, Any]) -> list[Feedback]:
    return feedback_of(payload, config.get("mail_topic_arn") or "")


WEBHOOK = IncomingWebhook(
    kind=INTEGRATION,
    read=read,
    max_bytes=MAX_BYTES,
    example={"Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "Message": "It is done."},
    feedback=_feedback,
)
