"""Signers of webhooks, independent of the code under test."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gateway.channels.incoming_webhook import WebhookRequest

NOW = 1_800_000_000.0


def github_headers(secret: str, body: bytes, event: str = "push", delivery: str = "d-1") -> dict[str, str]:
    """Return the headers that GitHub sends with a body."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"x-hub-signature-256": f"sha256={digest}", "x-github-event": event, "x-github-delivery": delivery}


def request_of(headers: dict[str, str], body: bytes, now: float = NOW) -> WebhookRequest:
    """Return a request with these headers and this body."""
    return WebhookRequest(headers, body, now)


@cache
def sns_key() -> rsa.RSAPrivateKey:
    """Return the key with which the tests sign messages of SNS."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def certificate(days: int = 3650, since: float = NOW - 86400) -> str:
    """Return a certificate of this key, in PEM."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    begin = datetime.fromtimestamp(since, UTC)
    builder = x509.CertificateBuilder(name, name, sns_key().public_key(), x509.random_serial_number())
    built = (
        builder.not_valid_before(begin).not_valid_after(begin + timedelta(days=days)).sign(sns_key(), hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM).decode()


CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem"


def sns_message(now: float = NOW, version: str = "2", kind: str = "Notification", **fields: str) -> dict[str, str]:
    """Return a signed message of SNS."""
    message = {
        "Type": kind,
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:MyTopic",
        "Message": "It is done.",
        "Timestamp": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE_URL,
        **fields,
    }
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    if kind == "Notification":
        names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    algorithm = hashes.SHA256() if version == "2" else hashes.SHA1()  # noqa: S303 - version 1 is SHA-1
    signature = sns_key().sign(text.encode(), padding.PKCS1v15(), algorithm)
    return {**message, "Signature": base64.b64encode(signature).decode()}
