"""Sending pushes to Expo, up to 100 in a request, and asking for their receipts.

Expo validates a request as a whole, and refuses one with tokens of several Expo projects. Then nothing was sent. So a
request that is refused is sent again in parts, until the message at fault is alone.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.channels.expo import INTEGRATION, TOKEN
from gateway.channels.expo_message import expo_message
from gateway.channels.expo_outcomes import (
    TOO_MANY_PROJECTS,
    error_of,
    receipt_outcome,
    request_outcome,
    ticket_outcome,
    values_of,
)
from gateway.channels.message import Message
from gateway.channels.outcome import Misconfigured, Outcome, Refused, Retry, Unknown
from gateway.channels.provider import Answer, Links, Provider, Rate
from gateway.domain.outbound_errors import NoAnswerError, NotSentError, OutboundFailedError
from gateway.domain.preferences import Channel

API = "https://exp.host"
SEND = "/--/api/v2/push/send"
RECEIPTS = "/--/api/v2/push/getReceipts"

MAX_MESSAGES = 100
MAX_RECEIPTS = 1000
DELIVER_SECONDS = 10.0
LEAST_SECONDS = 1.0
"""The time limit of all requests for some messages, and what must be left of it for another one."""

GATHER_SECONDS = 0.05
"""How long a request for receipts waits for others to join it."""


class _Item(NamedTuple):
    """A message to send, with its place among all, and as it is sent."""

    place: int
    message: Message
    encoded: msgspec.Raw


_Part = Sequence[_Item]
"""Messages that are sent in one request."""


async def deliver(messages: Sequence[Message], links: Links) -> Sequence[Outcome]:
    """Send messages, and return their outcomes in order."""
    outcomes: list[Outcome] = [Refused("MessageTooBig: more than 3800 bytes without its texts")] * len(messages)
    now = links.now()
    encoded = [expo_message(message, now) for message in messages]
    items = [_Item(place, messages[place], raw) for place, raw in enumerate(encoded) if raw is not None]
    parts: list[_Part] = [items] if items else []
    while parts:
        part = parts.pop()
        found, smaller = await _send(part, links, now + DELIVER_SECONDS - links.now())
        parts.extend(smaller)
        for item, outcome in zip(part, found, strict=not smaller):
            outcomes[item.place] = outcome
    return outcomes


async def _send(part: _Part, links: Links, seconds: float) -> tuple[Sequence[Outcome], Sequence[_Part]]:
    """Send a part. Return the outcomes of its messages, or the parts in which it has to be sent instead."""
    if seconds < LEAST_SECONDS:
        return [Retry("other messages took the time")] * len(part), ()
    body = msgspec.json.encode([item.encoded for item in part])
    try:
        answer = await _post(part[0].message.config, links, SEND, body, seconds)
    except NotSentError as problem:
        return [Retry(str(problem))] * len(part), ()
    except OutboundFailedError as problem:
        return [Unknown(str(problem))] * len(part), ()
    outcome = request_outcome(answer, links.now())
    if outcome is None:
        tickets = values_of(answer).get("data")
        tickets = tickets if isinstance(tickets, list) and len(tickets) == len(part) else [None] * len(part)
        return [ticket_outcome(ticket) for ticket in tickets], ()
    smaller = _smaller(part, answer, outcome) if len(part) > 1 else ()
    return ((), smaller) if smaller else ([outcome] * len(part), ())


def _smaller(part: _Part, answer: Answer, outcome: Outcome) -> Sequence[_Part]:
    """Return the parts of a part that was refused as a whole, () if no part of it would do better."""
    error = error_of(values_of(answer))
    if error.get("code") == TOO_MANY_PROJECTS:
        project = _projects(error.get("details"))
        groups: dict[str, list[_Item]] = {}
        for item in part:
            groups.setdefault(project.get(item.message.destination["device_token"], ""), []).append(item)
        return list(groups.values()) if len(groups) > 1 else ()
    if isinstance(outcome, Refused):
        return [part[: len(part) // 2], part[len(part) // 2 :]]
    return ()


def _projects(details: Any) -> Mapping[str, str]:
    """Return the Expo project of each token, as the details of the error list them by project."""
    if not isinstance(details, dict):
        return {}
    return {
        token: project
        for project, tokens in details.items()
        if isinstance(tokens, list)
        for token in tokens
        if isinstance(token, str)
    }


async def receipt(message: Message, receipt: str, links: Links) -> Outcome:
    """Ask what became of a message. Raises OutboundFailedError. Questions at about the same time share a request."""
    memo = links.memo(f"receipts {_key_of(message.config)}")
    ids, answer = memo.get("open", ((), None))
    if answer is None or len(ids) >= MAX_RECEIPTS:
        ids = []
        answer = asyncio.create_task(_ask(ids, message.config, links, memo), name="receipts of Expo")
        answer.add_done_callback(_noted)  # its failure is no error of the gateway if nobody waits for it any more
        memo["open"] = (ids, answer)
    ids.append(receipt)
    found = await asyncio.shield(answer)
    return receipt_outcome(found.get(receipt))


async def _ask(ids: list[str], config: Mapping[str, Any], links: Links, memo: dict[str, Any]) -> Mapping[str, Any]:
    """Return the receipts with these ids, to which others are added for a moment."""
    await asyncio.sleep(GATHER_SECONDS)
    if memo.get("open", ((), None))[0] is ids:
        del memo["open"]
    answer = await _post(config, links, RECEIPTS, msgspec.json.encode({"ids": ids}))
    if request_outcome(answer, links.now()) is not None:
        raise NoAnswerError(f"Expo has no receipts now: HTTP {answer.status}")
    found = values_of(answer).get("data")
    return found if isinstance(found, dict) else {}


def _noted(answer: "asyncio.Task[Mapping[str, Any]]") -> None:
    if not answer.cancelled():
        answer.exception()


async def check(config: Mapping[str, Any], links: Links) -> str:
    """Return what is wrong with the configuration, "" for nothing. It asks for a receipt that does not exist."""
    unknown = msgspec.json.encode({"ids": ["00000000-0000-0000-0000-000000000000"]})
    outcome = request_outcome(await _post(config, links, RECEIPTS, unknown), links.now())
    return outcome.reason if isinstance(outcome, Misconfigured | Retry | Refused) else ""


async def _post(
    config: Mapping[str, Any], links: Links, path: str, body: bytes, seconds: float | None = None
) -> Answer:
    headers = {"content-type": "application/json", "accept": "application/json"}
    if token := config.get("access_token"):
        headers["authorization"] = f"Bearer {token}"
    return await links.request("POST", f"{links.base_url(API)}{path}", headers=headers, body=body, seconds=seconds)


def _key_of(config: Mapping[str, Any]) -> str:
    return hashlib.sha256(str(config.get("access_token", "")).encode()).hexdigest()[:32]


PROVIDER = Provider(
    name="expo",
    channel=Channel.MOBILE_PUSH,
    deliver=deliver,
    integration=INTEGRATION,
    optional_integration=True,  # a project of Expo needs an access token only if its owner has switched that on
    tokens=(TOKEN,),
    batch=MAX_MESSAGES,
    lane_rate=Rate(600, 600),  # of a project of Expo (docs.expo.dev/push-notifications/faq)
    receipt=receipt,
    check=check,
)
