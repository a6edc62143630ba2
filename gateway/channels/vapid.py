"""VAPID: how a gateway identifies itself to the push services of browsers (RFC 8292)."""

from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key

from gateway.channels.key_params import decoded_base64url
from gateway.channels.provider import Links
from gateway.domain.contact import contact_fault

TOKEN_SECONDS = 12 * 3600
"""How long a signed token is valid. Push services refuse more than a day (RFC 8292, 2)."""

RENEWED_SECONDS = 3600
"""How long before its end a token is signed again: also more than clocks differ."""

MAX_ORIGINS = 100
"""How many tokens of one key pair are kept. Browsers have a handful of push services, but users send the addresses."""


def authorization(config: Mapping[str, Any], config_id: str, origin: str, links: Links) -> str:
    """Return the header `Authorization` for a push service (RFC 8292, 3).

    Signing takes 0.1 ms, so a token is kept for each origin.
    """
    kept, now, contact = links.memo(f"vapid {config_id}"), links.now(), links.contact()
    # The public key tells a pair that replaced another one under the same id.
    key = f"{config['public_key']} {contact} {origin}"
    header, until = kept.get(key, ("", 0.0))
    if until - now < RENEWED_SECONDS:
        until = now + TOKEN_SECONDS
        header = f"vapid t={_token(config, origin, contact, int(until))}, k={config['public_key'].rstrip('=')}"
        if len(kept) >= MAX_ORIGINS:
            kept.clear()
        kept[key] = (header, until)
    return str(header)


def _token(config: Mapping[str, Any], origin: str, contact: str, until: int) -> str:
    raw = decoded_base64url(config["private_key"]) or b""
    claims: dict[str, Any] = {"aud": origin, "exp": until}
    if not contact_fault(contact):
        claims["sub"] = contact
    return jwt.encode(claims, derive_private_key(int.from_bytes(raw, "big"), SECP256R1()), algorithm="ES256")
