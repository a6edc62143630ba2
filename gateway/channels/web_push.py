"""Web push: the VAPID key pair of a project (RFC 8292), subscriptions of browsers (RFC 8030), Safari's older form.

A message is encrypted for the browser (RFC 8291) and sent to the subscription's endpoint, which is an address that the
user sent. What an unknown host responds never concerns more than its own subscription.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from gateway.channels.apns import MAX_DEVICE_TOKEN
from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.key_params import (
    VapidPrivateKey,
    VapidPublicKey,
    decoded_base64url,
    encoded_base64url,
    public_point,
)
from gateway.channels.message import Message
from gateway.channels.outcome import (
    Dead,
    Delivered,
    Misconfigured,
    Outcome,
    Refused,
    Retry,
    Scope,
    Throttled,
)
from gateway.channels.provider import Answer, Links, Provider, Rate, one_by_one
from gateway.channels.retry_after import retry_after
from gateway.channels.secret_param import Secret
from gateway.channels.token_kind import TokenKind
from gateway.channels.vapid import authorization
from gateway.channels.web_push_payload import payload
from gateway.domain.contact import contact_fault
from gateway.domain.objects import Object
from gateway.domain.params import OutboundUrl, Text
from gateway.domain.preferences import Channel

_MAX_KEY = 255

TOKEN = TokenKind(
    path="web_push",
    title="web push",
    component="WebPush",
    fields={
        "endpoint": OutboundUrl(required=True, description="The address of the push service for this subscription."),
        "keys": Object(
            required=True,
            description="The keys of the subscription, in base64url (RFC 8291).",
            fields={
                "auth": Text(required=True, max_length=_MAX_KEY, description="The authentication secret."),
                "p256dh": Text(required=True, max_length=_MAX_KEY, description="The public key."),
            },
        ),
    },
    identities=(("endpoint",),),
    example={
        "endpoint": "https://updates.push.services.mozilla.com/wpush/v2/example",
        # The user agent's keys of RFC 8291, 5.
        "keys": {
            "auth": "BTBZMqHH6r4Tts7J_aSIgg",
            "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        },
    },
)

SAFARI_TOKEN = TokenKind(
    path="web_push/safari",
    title="Safari's former web push",
    component="Safari",
    fields={
        "device_token": Text(required=True, max_length=MAX_DEVICE_TOKEN),
        "app_id": Text(max_length=155),
    },
    identities=(("device_token",),),
    example={"device_token": "c2f1e0"},
    offered=False,
)
"""What Safari registered before it had web push. Apple no longer delivers to such tokens; v1 still stores them."""


def _check(config: Mapping[str, Any], problems: list[str]) -> None:
    private, public = (decoded_base64url(config[name]) for name in ("private_key", "public_key"))
    if public_point(private or b"") != public:
        problems.append("Param 'public_key' must be the public half of 'private_key'")


INTEGRATION = IntegrationKind(
    name="web_push",
    title="Web push",
    config=Object(
        required=True,
        name="VapidConfig",
        description="A VAPID key pair. Browsers that subscribed with another pair must subscribe again.",
        fields={
            "private_key": Secret(
                required=True,
                value=VapidPrivateKey(required=True, min_length=8, max_length=128),
                description="The private key on P-256: 32 bytes in base64url.",
            ),
            "public_key": VapidPublicKey(
                required=True,
                min_length=8,
                max_length=128,
                description="The public key: an uncompressed point, 65 bytes in base64url.",
            ),
        },
    ),
    # The key pair of RFC 8291, 5 (the application server's).
    example={
        "private_key": "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw",
        "public_key": "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
    },
    check=_check,
)


def new_key_pair() -> dict[str, str]:
    """Return a new configuration, with a random key pair."""
    private = generate_private_key(SECP256R1()).private_numbers().private_value.to_bytes(32, "big")
    public = public_point(private)
    assert public is not None
    return {name: encoded_base64url(key) for name, key in (("private_key", private), ("public_key", public))}


APPLE = ".push.apple.com"

PUSH_SERVICES = (APPLE, ".googleapis.com", ".push.services.mozilla.com", ".notify.windows.com")
"""The hosts of the push services of Safari, of Chrome and others, of Firefox and of Edge."""

MAX_TTL = 28 * 24 * 3600
"""The longest time to live that all of these accept, in seconds: that of Chrome's."""

SECRET_BYTES = 16
"""The length of the authentication secret (RFC 8291, 3.2)."""

THROTTLED_SECONDS = 60.0
"""The wait after a 429 without Retry-After."""

URGENCIES = ("very-low", "low", "normal", "high")
"""RFC 8030, 5.3. `normal` is a message of a person or a system; `high` wakes a phone that saves power."""

NO_CONTACT = "Apple needs a contact: set INBOX_PUSH_CONTACT to a mailto: or https: address with a public host"

_OTHER_KEY = re.compile(rb"do not correspond|VapidPkHashMismatch|mismatch", re.IGNORECASE)
"""How push services say that a browser has subscribed with another key than that of the request."""


async def deliver(message: Message, links: Links) -> Outcome:
    """Send a message to a subscription."""
    endpoint, keys = str(message.destination["endpoint"]), message.destination["keys"]
    if not message.config.get("private_key"):
        return Misconfigured("The key pair is missing")
    if _is_of(endpoint, (APPLE,)) and contact_fault(links.contact()):
        return Misconfigured(NO_CONTACT, is_doubted=True)  # other push services need none
    if (plaintext := payload(message)) is None:
        return Refused("The message is too large")
    try:
        body = encrypted(plaintext, keys)
    except ValueError:
        return Dead("The keys of the subscription are not valid")
    headers = {
        "Authorization": authorization(message.config, message.config_id, origin_of(endpoint), links),
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(_ttl(message, links.now())),
        "Topic": topic_of(message),
        "Urgency": _urgency(message),
    }
    answer = await links.request("POST", endpoint, headers=headers, body=body, tenants=True)
    return outcome_of(answer, endpoint, links.now())


def encrypted(plaintext: bytes, keys: Mapping[str, Any]) -> bytes:
    """Return a plaintext encrypted for a subscription (RFC 8291). Raises ValueError if its keys are not keys."""
    import http_ece

    receiver, secret = (decoded_base64url(str(keys[name])) for name in ("p256dh", "auth"))
    if not receiver or len(secret or b"") != SECRET_BYTES:
        raise ValueError("not the keys of a subscription")
    private = generate_private_key(SECP256R1())
    found: bytes = http_ece.encrypt(plaintext, private_key=private, dh=receiver, auth_secret=secret)
    return found


def origin_of(endpoint: str) -> str:
    """Return the origin of an endpoint (RFC 6454, 6.1), which a push service demands as the audience of the token."""
    parts = urlsplit(endpoint)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if parts.port in (None, default) else f":{parts.port}")


def topic_of(message: Message) -> str:
    """Return what makes a push service replace a waiting message by this one: 32 characters (RFC 8030, 5.4).

    Messages of one topic of one project replace each other. One without a topic replaces only its own repetitions.
    """
    name = f"{message.project_id} {message.topic}" if message.topic else str(message.id)
    return base64.urlsafe_b64encode(hashlib.sha256(name.encode()).digest()[:24]).decode()


def outcome_of(answer: Answer, endpoint: str, now: float) -> Outcome:
    """Return what a push service made of a message."""
    status, after = answer.status, retry_after(answer.headers, now)
    if status in (200, 201, 202, 204):
        return Delivered()
    if status in (404, 410):
        return Dead(f"{status}: the browser has unsubscribed")
    if status in (400, 401, 403) and _OTHER_KEY.search(answer.body):
        return Dead(f"{status}: the browser has subscribed with another key pair")
    if status in (401, 403) and _is_of(endpoint, PUSH_SERVICES):
        reason = f"{status}: the push service refuses the key pair or the contact (INBOX_PUSH_CONTACT)"
        return Misconfigured(reason, is_doubted=True)  # the endpoint is the user's text
    if status == 429 or (status == 406 and _is_of(endpoint, PUSH_SERVICES)):  # 406 is Edge's
        return Throttled(THROTTLED_SECONDS if after is None else after, Scope.DESTINATION, str(status))
    if status >= 500:
        return Retry(str(status), after)
    return Refused("413: the message is too large" if status == 413 else str(status))


async def check(config: Mapping[str, Any], links: Links) -> str:
    """Return why a push service would refuse all messages, "" if none would. No browser's push service can be asked."""
    return NO_CONTACT if contact_fault(links.contact()) else ""


def _is_of(endpoint: str, services: tuple[str, ...]) -> bool:
    return f".{urlsplit(endpoint).hostname}".endswith(services)


def _ttl(message: Message, now: float) -> int:
    sent = message.extra.get("ttl")
    wanted = sent if isinstance(sent, int) and sent >= 0 else message.expires_at - int(now)
    return max(0, min(wanted, MAX_TTL))


def _urgency(message: Message) -> str:
    wanted = message.extra.get("urgency")
    return wanted if wanted in URGENCIES else "normal"


PROVIDER = Provider(
    name="web_push",
    channel=Channel.WEB_PUSH,
    integration=INTEGRATION,
    tokens=(TOKEN,),
    deliver=one_by_one(deliver),
    check=check,
    # A push service that throttles delays none of the others. The rate itself is more than one project ever has.
    destination_rate=Rate(per_second=2000, burst=2000),
    destination_key=lambda message: origin_of(str(message.destination["endpoint"])),
)
