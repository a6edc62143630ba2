"""Sending to Slack: incoming webhooks, and `chat.postMessage` with the token of an installation.

What Slack says of a webhook or an installation concerns one user: those are the user's, and never stop the messages to
others. Slack takes one message a second for each channel (docs.slack.dev/apis/web-api/rate-limits).
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

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
    Unknown,
)
from gateway.channels.provider import Answer, Links, Provider, Rate, one_by_one
from gateway.channels.retry_after import retry_after
from gateway.channels.slack import INSTALLATION, INTEGRATION, TOKEN
from gateway.channels.slack_blocks import chat_message
from gateway.channels.text import merged
from gateway.domain.outbound_errors import OutboundFailedError
from gateway.domain.preferences import Channel

API = "https://slack.com"

THROTTLED_SECONDS = 30.0
"""The wait after a 429 without Retry-After. Slack always sends one."""

RENEWALS = 3
"""At which attempt a token that cannot be renewed is dead."""

_JSON = {"Content-Type": "application/json; charset=utf-8"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}

_CHANNEL_GONE = ("channel_not_found", "is_archived", "not_in_channel", "channel_is_archived", "user_not_found")
_WEBHOOK_GONE = ("no_service", "no_service_id", "no_team", "no_active_hooks", "invalid_token", "team_disabled")
_EXPIRED = "token_expired"
_INSTALLATION_GONE = (
    *("invalid_auth", "not_authed", "account_inactive", "token_revoked", "team_access_not_granted"),
    _EXPIRED,
)
_DEAD = frozenset((*_CHANNEL_GONE, *_WEBHOOK_GONE, *_INSTALLATION_GONE))
_THROTTLED = frozenset(("ratelimited", "rate_limited", "message_limit_exceeded"))
_RETRY = frozenset(
    ("internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org", "rollup_error")
)
_CONFIG = frozenset(("bad_client_secret", "invalid_client_id"))
_BAD_BLOCKS = ("invalid_blocks", "invalid_blocks_format")

_CODE = re.compile(r"[a-z][a-z_]{1,63}")


async def deliver(message: Message, links: Links) -> Outcome:
    """Send a message to a channel. An image that Slack cannot fetch is left out."""
    outcome = await _send(message, chat_message(message), links)
    if isinstance(outcome, Refused) and outcome.reason in _BAD_BLOCKS and message.image_url:
        return await _send(message, chat_message(message, with_image=False), links)
    return outcome


async def _send(message: Message, shown: Mapping[str, Any], links: Links) -> Outcome:
    shown = merged(shown, message.extra)
    if oauth := message.destination.get("oauth"):
        return await _send_as_app(message, oauth, shown, links)
    return await _send_to_webhook(str(message.destination["webhook"]["url"]), shown, links)


async def _send_to_webhook(url: str, shown: Mapping[str, Any], links: Links) -> Outcome:
    answer = await links.request("POST", url, headers=_JSON, body=msgspec.json.encode(shown), tenants=True)
    return webhook_outcome(answer, links.now())


async def _send_as_app(message: Message, oauth: Mapping[str, Any], shown: Mapping[str, Any], links: Links) -> Outcome:
    """Send to a channel by the token of the installation. An expired token is renewed once.

    The channel that the user chose while installing has a webhook, for which the app need not be invited.
    """
    place = INSTALLATION.place({"id": oauth["installation_id"]})
    installation = await links.installation(message, INSTALLATION, place)
    if installation is None or "access_token" not in installation:
        return Refused("The user has no such installation")
    webhook = installation.get("incoming_webhook") or {}
    if webhook.get("channel_id") == oauth["channel_id"] and webhook.get("url"):
        return await _send_to_webhook(webhook["url"], shown, links)
    body = msgspec.json.encode({**shown, "channel": oauth["channel_id"]})
    outcome = await _call(installation, body, links)
    if not (isinstance(outcome, Dead) and outcome.reason == _EXPIRED):
        return outcome
    renewed = await _renewed(message, installation, place, links)
    return await _call(renewed, body, links) if isinstance(renewed, Mapping) else renewed


async def _call(installation: Mapping[str, Any], body: bytes, links: Links) -> Outcome:
    headers = {**_JSON, "Authorization": f"Bearer {installation['access_token']}"}
    url = f"{links.base_url(API)}/api/chat.postMessage"
    return api_outcome(await links.request("POST", url, headers=headers, body=body), links.now())


async def _renewed(
    message: Message, before: Mapping[str, Any], place: str, links: Links
) -> Mapping[str, Any] | Outcome:
    """Return the installation with a new token (docs.slack.dev, "Using token rotation"), or why there is none.

    A refresh token is valid once. So messages to one installation renew it in turn, and use what another one has saved.
    """
    kept = links.memo(f"slack {message.project_id} {message.user_id} {place}")
    async with kept.setdefault("lock", asyncio.Lock()):
        if newer := await _newer(message, before, place, links):
            return newer
        if not before.get("refresh_token"):
            return Dead(_EXPIRED)
        if not message.config.get("client_secret"):
            return Refused("The token has expired. Renewing it needs the integration `slack` of the project")
        try:
            return await _exchanged(message, before, place, links)
        except OutboundFailedError:
            return Retry("The token was not renewed: Slack does not respond")  # the message was certainly not sent


async def _newer(message: Message, before: Mapping[str, Any], place: str, links: Links) -> Mapping[str, Any] | None:
    """Return the saved installation if its token is another one than before."""
    saved = await links.installation(message, INSTALLATION, place)
    is_newer = saved is not None and saved.get("access_token") not in (None, before["access_token"])
    return saved if is_newer else None


async def _exchanged(
    message: Message, before: Mapping[str, Any], place: str, links: Links
) -> Mapping[str, Any] | Outcome:
    """Exchange the refresh token, and save what Slack returns for it."""
    form = {
        "client_id": message.config["client_id"],
        "client_secret": message.config["client_secret"],
        "grant_type": "refresh_token",
        "refresh_token": before["refresh_token"],
    }
    url = f"{links.base_url(API)}/api/oauth.v2.access"
    answer = await links.request("POST", url, headers=_FORM, body=urlencode(form).encode())
    found = _decoded(answer.body)
    if found.get("ok") is True and isinstance(found.get("access_token"), str):
        names = ("access_token", "refresh_token", "expires_in")
        after = {**before, **{name: found[name] for name in names if name in found}}
        if await links.replace_installation(message, INSTALLATION, place, before, after):
            return after
    if newer := await _newer(message, before, place, links):
        return newer
    outcome = api_outcome(answer, links.now())
    if isinstance(outcome, Retry | Throttled | Misconfigured):
        return outcome
    # Another process may have exchanged the refresh token, and not have saved the new one yet.
    return Dead(_EXPIRED) if message.attempt >= RENEWALS else Retry(_EXPIRED)


def webhook_outcome(answer: Answer, now: float) -> Outcome:
    """Return what an incoming webhook made of a message (docs.slack.dev, "Incoming webhooks")."""
    if 200 <= answer.status < 300:
        return Delivered()
    # Other chats have webhooks of this form. Only a code of Slack's form is shown.
    text = answer.body[:100].decode(errors="replace").strip()
    code = text if _CODE.fullmatch(text) else ""
    if not code and answer.status in (404, 410):
        return Dead(str(answer.status))
    outcome = _failure(answer, code, now)
    return Refused(outcome.reason) if isinstance(outcome, Misconfigured) else outcome


def api_outcome(answer: Answer, now: float) -> Outcome:
    """Return what `chat.postMessage` made of a message. Errors have status 200 as well."""
    found = _decoded(answer.body)
    if answer.status == 200 and found.get("ok") is True:
        return Delivered(str(found.get("ts", ""))[:64])
    code = str(found.get("error", ""))
    if answer.status == 200 and not found:
        return Unknown("The response is not JSON")
    return _failure(answer, code if _CODE.fullmatch(code) else "", now)


def _failure(answer: Answer, code: str, now: float) -> Outcome:
    reason, after = code or str(answer.status), retry_after(answer.headers, now)
    if answer.status == 429 or code in _THROTTLED:
        return Throttled(THROTTLED_SECONDS if after is None else after, Scope.DESTINATION, reason)
    if code in _DEAD:
        return Dead(reason)
    if answer.status >= 500 or code in _RETRY:
        return Retry(reason, after)
    return Misconfigured(reason) if code in _CONFIG else Refused(reason)


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def destination_key(message: Message) -> str:
    """Return what identifies the channel of a message. It contains no secret."""
    oauth = message.destination.get("oauth")
    text = f"{oauth['installation_id']} {oauth['channel_id']}" if oauth else message.destination["webhook"]["url"]
    return hashlib.sha256(text.encode()).hexdigest()[:32]


async def check(config: Mapping[str, Any], links: Links) -> str:
    """Return why Slack does not accept the client id and secret, "" if it does: it is sent a code that is none."""
    form = {"client_id": config["client_id"], "client_secret": config["client_secret"], "code": "none"}
    url = f"{links.base_url(API)}/api/oauth.v2.access"
    answer = await links.request("POST", url, headers=_FORM, body=urlencode(form).encode())
    outcome = api_outcome(answer, links.now())
    return outcome.reason if isinstance(outcome, Misconfigured) else ""


PROVIDER = Provider(
    name="slack",
    channel=Channel.SLACK,
    integration=INTEGRATION,
    optional_integration=True,
    tokens=(TOKEN,),
    deliver=one_by_one(deliver),
    repeats_unknown=False,
    destination_rate=Rate(per_second=1.0, burst=1),
    destination_key=destination_key,
    check=check,
)
