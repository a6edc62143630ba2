"""Sending pushes to FCM by its HTTP v1 API (firebase.google.com/docs/cloud-messaging/send/v1-api)."""

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from gateway.channels.fcm import INTEGRATION, TOKEN
from gateway.channels.fcm_message import fcm_message
from gateway.channels.fcm_outcomes import fault_of, outcome_of
from gateway.channels.message import Message
from gateway.channels.outcome import Delivered, Outcome, Refused
from gateway.channels.provider import Answer, Links, Provider, one_by_one
from gateway.channels.service_account import AccessTokens
from gateway.domain.preferences import Channel

API = "https://fcm.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"

_LASTING = frozenset(("SENDER_ID_MISMATCH", "THIRD_PARTY_AUTH_ERROR"))
"""Refusals with 401 or 403 that another access token does not change."""


async def deliver(message: Message, links: Links) -> Outcome:
    """Send one push. Raises OutboundFailedError."""
    body = fcm_message(message, links.now())
    if body is None:
        return Refused("MESSAGE_TOO_BIG: more than 4096 bytes without its texts")
    answer = await _authorized(message.config, links, body)
    return outcome_of(answer, links.now()) if isinstance(answer, Answer) else answer


async def check(config: Mapping[str, Any], links: Links) -> str:
    """Return what is wrong with the configuration, "" for nothing. FCM validates a message, and sends none."""
    message = {"topic": "inbox-gateway-check", "notification": {"title": "check"}}
    answer = await _authorized(config, links, msgspec.json.encode({"validateOnly": True, "message": message}))
    outcome = outcome_of(answer, links.now()) if isinstance(answer, Answer) else answer
    return "" if isinstance(outcome, Delivered) else str(getattr(outcome, "reason", ""))


async def _authorized(config: Mapping[str, Any], links: Links, body: bytes) -> Answer | Outcome:
    """Send a request with the access token, and once more with a new one if FCM refuses it."""
    base = links.base_url(API)
    tokens = AccessTokens(config, SCOPE, links, "" if base == API else base, links.memo(f"account {_key_of(config)}"))
    url = f"{base}/v1/projects/{quote(str(config['project_id']), safe='')}/messages:send"
    token, refused = await tokens.get(), ""
    while isinstance(token, str):
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json; charset=utf-8"}
        answer = await links.request("POST", url, headers=headers, body=body)
        if refused or answer.status not in (401, 403) or fault_of(answer).code in _LASTING:
            return answer
        refused = token
        token = await tokens.get(refused)
    return token


def _key_of(config: Mapping[str, Any]) -> str:
    """Return what identifies the service account. It changes with its key, so that a new one is used at once."""
    text = "\n".join(str(config[name]) for name in ("client_email", "token_uri", "private_key"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


PROVIDER = Provider(
    name="fcm",
    channel=Channel.MOBILE_PUSH,
    deliver=one_by_one(deliver),
    integration=INTEGRATION,
    tokens=(TOKEN,),
    check=check,
)
