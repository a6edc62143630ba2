"""Microsoft Teams: a card in a channel, posted by a workflow or by a connector of the former kind.

The address is the user's, so that what its host responds never concerns other users.
"""

import hashlib
import re
from typing import Any
from urllib.parse import urlsplit

import msgspec

from gateway.channels.message import Message
from gateway.channels.outcome import Dead, Delivered, Outcome, Refused, Retry, Scope, Throttled
from gateway.channels.provider import Answer, Links, Provider, Rate, one_by_one
from gateway.channels.retry_after import retry_after
from gateway.channels.text import cut, fitted, merged, plain_text
from gateway.channels.token_kind import TokenKind
from gateway.domain.objects import Object
from gateway.domain.params import OutboundUrl
from gateway.domain.preferences import Channel

TOKEN = TokenKind(
    path="teams",
    title="Microsoft Teams",
    component="Teams",
    fields={
        "webhook": Object(
            description="A workflow of a channel that posts what it receives.",
            fields={"url": OutboundUrl(description="The URL of the workflow.")},
        ),
    },
    identities=(("webhook.url",),),
    example={"webhook": {"url": "https://example.webhook.office.com/webhookb2/0001"}},
)

MAX_BYTES = 28 * 1024
"""The largest message (learn.microsoft.com, "Create and send messages" of webhooks and connectors)."""

MAX_SUMMARY = 255

THROTTLED_SECONDS = 60.0
"""The wait after a 429 without Retry-After, and after a connector's text about one: its windows have 30 s and more."""

_HIDDEN_ERROR = re.compile(rb"returned HTTP error (\d{3})")
"""How a connector reports an error of Teams, with status 200."""

_FORMER_HOSTS = {
    ".logic.azure.com": "addresses of logic.azure.com stopped on 30 November 2025: copy the workflow's new address",
    ".webhook.office.com": "connectors are retired: create a workflow that posts to the channel",
}
"""Why an address on these hosts fails (atc0005/send2teams, issue 723)."""


async def deliver(message: Message, links: Links) -> Outcome:
    """Post a card."""
    url = str(message.destination["webhook"]["url"])
    if (body := card_message(message)) is None:
        return Refused("The message is too large")
    answer = await links.request("POST", url, headers={"Content-Type": "application/json"}, body=body, tenants=True)
    return outcome_of(answer, url, links.now())


def card_message(message: Message) -> bytes | None:
    """Return the request with the card. The texts are cut to what Teams takes; None if that is not enough."""

    def composed(title: str, content: str) -> bytes:
        shown = card(message, title, content)
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": shown}
        request = {"type": "message", "summary": cut(title, MAX_SUMMARY), "attachments": [attachment]}
        return msgspec.json.encode(merged(request, message.extra))

    return fitted(composed, message.title, plain_text(message.content), MAX_BYTES)


def card(message: Message, title: str, content: str) -> dict[str, Any]:
    """Return an Adaptive Card of version 1.4, the newest that Teams shows everywhere (adaptivecards.io)."""
    body: list[dict[str, Any]] = []
    if title:
        body.append(_text(title, size="medium", weight="bolder"))
    # A line ends where a text block does: a single line end means nothing in the Markdown of a block.
    body += [_text(line) for line in content.split("\n") if line.strip()]
    if message.image_url:
        body.append({"type": "Image", "url": message.image_url, "altText": title})
    if message.brand.name:
        body.append(_text(message.brand.name, size="small", isSubtle=True))
    found = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    # A workflow's card cannot have Action.Submit: nobody would receive what it submits.
    if (message.action_url or "").startswith(("https://", "http://")):
        found["actions"] = [{"type": "Action.OpenUrl", "title": "Open", "url": message.action_url}]
    return found


def _text(text: str, **look: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": text, "wrap": True, **look}


def outcome_of(answer: Answer, url: str, now: float) -> Outcome:
    """Return what a workflow or connector made of a message."""
    status, after = answer.status, retry_after(answer.headers, now)
    if 200 <= status < 300 and (hidden := _HIDDEN_ERROR.search(answer.body)):
        status = int(hidden[1])
    if 200 <= status < 300:
        return Delivered(answer.headers.get("x-ms-workflow-run-id", "")[:64])
    if status == 429:
        return Throttled(THROTTLED_SECONDS if after is None else after, Scope.DESTINATION, "429")
    if status >= 500:
        return Retry(str(status), after)
    if status in (401, 404, 410):
        return Dead(_reason(status, url))
    return Refused("413: the message is too large" if status == 413 else _reason(status, url))


def _reason(status: int, url: str) -> str:
    host = urlsplit(url).hostname or ""
    hint = next((hint for suffix, hint in _FORMER_HOSTS.items() if host.endswith(suffix)), "")
    return f"{status}: {hint}" if hint else str(status)


def destination_key(message: Message) -> str:
    """Return what identifies the channel of a message. It contains no secret."""
    return hashlib.sha256(str(message.destination["webhook"]["url"]).encode()).hexdigest()[:32]


PROVIDER = Provider(
    name="teams",
    channel=Channel.TEAMS,
    tokens=(TOKEN,),
    deliver=one_by_one(deliver),
    repeats_unknown=False,
    # Of a connector: 4 a second, 60 in 30 seconds. That more an hour are too many, it says with a 429.
    destination_rate=Rate(per_second=2.0, burst=4),
    destination_key=destination_key,
)
