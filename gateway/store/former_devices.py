"""Devices as gateways before channel tokens stored them: what a user had registered through v1.

They are in the user's slot (DEVICES), by device token, and their holders are beside those of the channel tokens, by
device token too. While old and new gateways run side by side during an upgrade, each stores in its own form:

- A new gateway converts the devices of a user before it reads or changes a token of that user. When a user registers a
  token, the other users' devices with the same device token are removed.
- An old gateway does not know channel tokens. It responds with 404 to the unregistration of a device that a new one has
  converted. A device that it moves to another user is converted with the other devices of that user, and then leaves
  its previous user. The channel tokens of a user whom it deletes are deleted later (`leftovers.py`).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.channels import apns, fcm, web_push
from gateway.channels.token_kind import TokenKind
from gateway.store.redis.functions import list_of_bytes, no_arguments, user_reading_function

KINDS_BY_PLATFORM: Mapping[str, TokenKind] = {
    "ios": apns.TOKEN,
    "android": fcm.TOKEN,
    "safari": web_push.SAFARI_TOKEN,
}
"""The kind of token that a device of each platform of v1 is."""

READ_FORMER_DEVICES = user_reading_function("read_former_devices", no_arguments, list_of_bytes)


def device_values(token: str, app_id: str | None, kind: TokenKind) -> dict[str, Any]:
    """Return the values of the token of a kind that a device is."""
    return {"device_token": token} | ({"app_id": app_id} if "app_id" in kind.fields else {})


def former_token(kind: TokenKind, values: Mapping[str, Any]) -> str:
    """Return the name under which a former device may be the same token, "" if there are no devices of the kind."""
    return str(values["device_token"]) if kind in KINDS_BY_PLATFORM.values() else ""


def former_device(name: bytes, packed: bytes) -> tuple[TokenKind, dict[str, Any], int]:
    """Return the kind and the values of the token that a stored device is, and when it was registered in unix ms.

    Of a device that cannot be read, only the token is known. It becomes a token of FCM, which the push service refuses
    if it is none.
    """
    token = name.decode(errors="replace")
    try:
        _, registered_ms, encoded = packed.split(b" ", 2)
        device = msgspec.json.decode(encoded)
        kind = KINDS_BY_PLATFORM[device["platform"]]
        return kind, device_values(token, device.get("app_bundle_id"), kind), int(registered_ms)
    except (ValueError, KeyError, TypeError, AttributeError, msgspec.DecodeError):
        return fcm.TOKEN, device_values(token, None, fcm.TOKEN), 0
