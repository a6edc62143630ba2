"""Web push: the VAPID key pair of a project (RFC 8292), subscriptions of browsers (RFC 8030), Safari's older form."""

from collections.abc import Mapping
from typing import Any

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
from gateway.channels.secret_param import Secret
from gateway.channels.token_kind import TokenKind
from gateway.domain.objects import Object
from gateway.domain.params import OutboundUrl, Text

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
        "keys": {"auth": "tBHItJI5svbpez7KI4CCXg", "p256dh": "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIg"},
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
