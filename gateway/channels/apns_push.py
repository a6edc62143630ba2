"""Sending pushes to APNs over HTTP/2.

A provider token (JWT, ES256) authenticates all requests of a key for up to 50 minutes. Apple refuses one that is older
than an hour, and a key whose tokens change more often than every 20 minutes (developer.apple.com, "Establishing a
token-based connection to APNs"). So all processes that start within 20 minutes make the same token: its time is
rounded, and its signature is deterministic (RFC 6979).
"""

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.algorithms import ECAlgorithm

from gateway.channels.apns import INTEGRATION, TOKEN
from gateway.channels.apns_outcomes import EXPIRED_PROVIDER_TOKEN, outcome_of, reason_of
from gateway.channels.apns_payload import push_headers, push_payload
from gateway.channels.key_params import read_private_key
from gateway.channels.message import Message
from gateway.channels.outcome import Delivered, Misconfigured, Outcome, Refused
from gateway.channels.provider import Answer, Links, Provider, one_by_one
from gateway.domain.preferences import Channel

PRODUCTION = "https://api.push.apple.com"
DEVELOPMENT = "https://api.sandbox.push.apple.com"

PROVIDER_TOKEN_SECONDS = 50 * 60
ROUNDED_SECONDS = 20 * 60

WORKS_SECONDS = 24 * 3600
"""How long an accepted push counts as proof that the app is configured for its environment."""

MAX_REQUESTS = 2
"""A request that Apple refuses because of an expired provider token is sent once more."""


async def deliver(message: Message, links: Links) -> Outcome:
    """Send one push. Raises OutboundFailedError."""
    payload = push_payload(message)
    if payload is None:
        return Refused("PayloadTooLarge: more than 4096 bytes without its texts")
    app_id = str(message.destination.get("app_id") or message.config["app_id"])
    default = DEVELOPMENT if message.destination.get("installation_id") == "development" else PRODUCTION
    url = f"{links.base_url(default)}/3/device/{quote(str(message.destination['device_token']), safe='')}"
    headers = push_headers(message, app_id, payload)
    answer = await _authorized(message.config, links, url, headers, payload)
    if isinstance(answer, Misconfigured):
        return answer
    works = _memo(message.config, links).setdefault("works", {})
    now = links.now()
    outcome = outcome_of(answer, message, now, app_works=works.get((default, app_id), 0) > now)
    if isinstance(outcome, Delivered):
        works[default, app_id] = now + WORKS_SECONDS
    return outcome


async def check(config: Mapping[str, Any], links: Links) -> str:
    """Return what is wrong with the configuration, "" for nothing.

    It sends a push to a device token that cannot exist: Apple refuses the token only after the key and the app's id.
    """
    headers = {"apns-topic": str(config["app_id"]), "apns-push-type": "alert", "apns-id": str(uuid4())}
    url = f"{links.base_url(PRODUCTION)}/3/device/{'0' * 64}"
    answer = await _authorized(config, links, url, headers, b'{"aps":{}}')
    if isinstance(answer, Misconfigured):
        return answer.reason
    reason = reason_of(answer)
    if answer.status == 200 or reason in ("BadDeviceToken", "DeviceTokenNotForTopic", "Unregistered"):
        return ""
    return reason


async def _authorized(
    config: Mapping[str, Any], links: Links, url: str, headers: Mapping[str, str], payload: bytes
) -> Answer | Misconfigured:
    """Send a request with the provider token, and once more with a new one if Apple says that it has expired."""
    memo, refused = _memo(config, links), ""
    for _ in range(MAX_REQUESTS):
        token = _provider_token(config, memo, links.now(), refused)
        if not token:
            return Misconfigured("InvalidProviderToken: the certificate is not a private key on P-256")
        answer = await links.request(
            "POST", url, headers={**headers, "authorization": f"bearer {token}"}, body=payload, pool=_key_of(config)
        )
        if answer.status != 403 or reason_of(answer) != EXPIRED_PROVIDER_TOKEN:
            return answer
        refused = token
    return Misconfigured(f"{EXPIRED_PROVIDER_TOKEN}: is the clock of the gateway right?")


def _provider_token(config: Mapping[str, Any], memo: dict[str, Any], now: float, refused: str) -> str:
    """Return the provider token of a key, "" if the key is none. All requests share it until it is old or refused."""
    token, issued_at = memo.get("token", ("", 0.0))
    if token and token != refused and 0 <= now - issued_at < PROVIDER_TOKEN_SECONDS:
        return str(token)
    issued_at = int(now) if refused else int(now - now % ROUNDED_SECONDS)
    token = _signed(config, issued_at)
    if token and token == refused:  # it was made in this second
        token = _signed(config, issued_at - 1)
    if token:
        memo["token"] = (token, float(issued_at))
    return token


def _signed(config: Mapping[str, Any], issued_at: int) -> str:
    """Return a provider token, "" if the key is none."""
    key = read_private_key(str(config["certificate"]))
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        return ""
    jws = jwt.PyJWS(algorithms=[])
    jws.register_algorithm("ES256", _DeterministicEs256(ECAlgorithm.SHA256))
    claims = msgspec.json.encode({"iss": str(config["team_id"]), "iat": issued_at})
    return jws.encode(claims, key, "ES256", {"kid": str(config["key_id"])})


class _DeterministicEs256(ECAlgorithm):
    """ES256 whose signature depends on nothing but the key and the message."""

    def sign(self, msg: bytes, key: EllipticCurvePrivateKey) -> bytes:
        """Return the signature (RFC 7518, 3.4)."""
        der = key.sign(msg, ECDSA(SHA256(), deterministic_signing=True))
        return b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(der))


def _memo(config: Mapping[str, Any], links: Links) -> dict[str, Any]:
    return links.memo(f"key {_key_of(config)}")


def _key_of(config: Mapping[str, Any]) -> str:
    """Return what identifies a key. It changes with the certificate, so that a new one is used at once."""
    text = "\n".join(str(config[name]) for name in ("team_id", "key_id", "certificate"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


PROVIDER = Provider(
    name="apns",
    channel=Channel.MOBILE_PUSH,
    deliver=one_by_one(deliver),
    integration=INTEGRATION,
    tokens=(TOKEN,),
    check=check,
    http2=True,
)
