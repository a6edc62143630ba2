"""Twilio: text messages (www.twilio.com/docs/messaging/api/message-resource).

A message costs money, so one whose outcome is unknown is not sent again. What becomes of an accepted message is asked
for later, which needs no address under which Twilio reaches the gateway.
"""

import base64
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.message import Message
from gateway.channels.outcome import (
    Dead,
    Delivered,
    Handed,
    Misconfigured,
    Outcome,
    Refused,
    Retry,
    Throttled,
    Unknown,
)
from gateway.channels.provider import Answer, Links, Provider, one_by_one
from gateway.channels.retry_after import retry_after
from gateway.channels.secret_param import Secret
from gateway.channels.text import cut, plain_text
from gateway.domain.objects import Object
from gateway.domain.params import Choice, FormedText, Text
from gateway.domain.preferences import Channel

_ID = Text(required=True, max_length=100)

INTEGRATION = IntegrationKind(
    name="twilio",
    title="Twilio",
    config=Object(
        required=True,
        name="TwilioConfig",
        fields={
            "account_sid": _ID,
            "api_key": Secret(required=True, value=_ID),
            "api_secret": Secret(required=True, value=_ID),
            "from": FormedText(
                required=True,
                max_length=100,
                pattern=r"\+[0-9]{1,14}",
                form="a phone number in E.164 format, such as +15005550006",
                description="The phone number from which messages are sent, in E.164 format.",
            ),
            "region": Choice(options=("us1", "ie1", "au1"), description="The region of Twilio, by default us1."),
        },
    ),
    example={
        "account_sid": "AC00000000000000000000000000000000",
        "api_key": "SK00000000000000000000000000000000",
        "api_secret": "an-example-of-a-secret-of-twilio",
        "from": "+15005550006",
        "region": "ie1",
    },
)

HOSTS = {
    "us1": "https://api.twilio.com",
    "ie1": "https://api.dublin.ie1.twilio.com",
    "au1": "https://api.sydney.au1.twilio.com",
}
"""By region (www.twilio.com/docs/global-infrastructure/using-the-twilio-rest-api-in-a-non-us-region)."""

MAX_CHARACTERS = 1600

MIN_VALIDITY, MAX_VALIDITY = 5, 36_000
"""How many seconds Twilio may take to send a message. It recommends no less than five."""

RECEIPT_SECONDS = 5.0
"""When the result is first asked for: most networks have reported it by then."""

AGAIN_SECONDS, SLOW_SECONDS = 60.0, 120
"""The wait before the result is asked for again, while the message is younger than SLOW_SECONDS."""

SENT_SECONDS = 600
"""The wait after that. At that age a message that is `sent` counts as delivered: not every network reports more."""

THROTTLED_SECONDS = 1.0
FULL_SECONDS = 60.0
DAY_SECONDS = 3600.0
"""The waits after too many requests, while Twilio's queue of the sender is full, and after the limit of a day."""

_DEAD = {
    21211: "no phone number",
    21217: "no phone number",
    21264: "a short code",
    21610: "the recipient has sent STOP",
    21614: "no mobile number",
    21635: "a landline",
    30004: "the recipient or the network blocks messages",
    30005: "the number does not exist",
    30006: "a landline",
}
_CONFIG = {
    20003: "the key or its secret is wrong",
    20005: "the account is not active",
    20404: "there is no such account",
    21603: "`from` is missing",
    21606: "`from` is no number of the account that can send messages",
    21659: "`from` is no number of the account",
    21660: "`from` is of another account",
    30002: "the account is suspended",
    90010: "the account is not active",
}
_REFUSED = {
    21408: "the account may not send to this country",
    21608: "a trial account sends to verified numbers alone",
    21612: "`from` cannot reach this number",
    21617: "the text is too long",
    30003: "the phone cannot be reached",
    30007: "the network has filtered it as spam",
    30008: "the network has not delivered it",
    30034: "`from` is not registered for A2P 10DLC",
}
_THROTTLED = {20429: THROTTLED_SECONDS, 21611: FULL_SECONDS, 63038: DAY_SECONDS}
"""The codes of www.twilio.com/docs/api/errors that decide what happens next."""

_WAITING = ("accepted", "scheduled", "queued", "sending")
_ENDED = ("delivered", "read", "received")


async def deliver(message: Message, links: Links) -> Outcome:
    """Send a text message to a phone number."""
    config = message.config
    url = f"{_account(config, links)}/Messages.json"
    answer = await links.request("POST", url, headers=_headers(config), body=urlencode(form(message, links)).encode())
    return outcome_of(answer, links.now())


async def receipt(message: Message, sid: str, links: Links) -> Outcome:
    """Return what became of a message that Twilio has accepted. While it is under way, ask again."""
    url = f"{_account(message.config, links)}/Messages/{quote(sid, safe='')}.json"
    return receipt_of(await links.request("GET", url, headers=_headers(message.config)), sid, links.now())


async def check(config: Mapping[str, Any], links: Links) -> str:
    """Return why Twilio does not accept the account and the key, "" if it does. One number of the account is read."""
    url = f"{_account(config, links)}/IncomingPhoneNumbers.json?PageSize=1"
    answer = await links.request("GET", url, headers=_headers(config))
    return "" if answer.status == 200 else _reason(answer.status, _code(answer), _CONFIG)


def form(message: Message, links: Links) -> dict[str, str]:
    """Return the fields of the request."""
    report_url = links.report_url(message)
    fields = {
        "From": str(message.config["from"]),
        "Body": text_of(message),
        "ValidityPeriod": str(max(MIN_VALIDITY, min(MAX_VALIDITY, message.expires_at - int(links.now())))),
    }
    if report_url:
        fields["StatusCallback"] = report_url
    extra = {name: _form_text(value) for name, value in message.extra.items()}
    return {**fields, **extra, "To": str(message.destination["phone_number"])}


def _form_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def text_of(message: Message) -> str:
    """Return the text: the title, the content and the address. The content is cut so that all fit."""
    head, tail = message.title.strip(), message.action_url or ""
    content = cut(plain_text(message.content), MAX_CHARACTERS - len(head) - len(tail) - 2)
    return cut("\n".join(part for part in (head, content, tail) if part), MAX_CHARACTERS)


def outcome_of(answer: Answer, now: float) -> Outcome:
    """Return what Twilio made of a message."""
    found = _decoded(answer.body)
    if answer.status in (200, 201):
        sid = str(found.get("sid", ""))[:64]
        return Handed(sid, RECEIPT_SECONDS) if sid else Unknown("The response has no sid")
    return _failure(answer.status, _code(answer), retry_after(answer.headers, now))


def _failure(status: int, code: int, after: float | None) -> Outcome:
    if status == 429 or code in _THROTTLED:
        wait = _THROTTLED.get(code, THROTTLED_SECONDS)
        return Throttled(wait if after is None else after, reason=_reason(status, code, {}))
    if code in _DEAD:
        return Dead(_reason(status, code, _DEAD))
    if code in _CONFIG or status in (401, 403, 404):
        return Misconfigured(_reason(status, code, _CONFIG))
    if status >= 500:
        return Retry(_reason(status, code, {}), after)
    return Refused(_reason(status, code, _REFUSED))


def receipt_of(answer: Answer, sid: str, now: float) -> Outcome:
    """Return what became of an accepted message. It is never sent again, so that Retry is not among the outcomes."""
    if answer.status != 200:
        wait = max(AGAIN_SECONDS, retry_after(answer.headers, now) or 0.0)
        # Twilio has accepted it. Who may not read the result has no better one.
        return Handed(sid, wait) if answer.status == 429 or answer.status >= 500 else Delivered(sid)
    found = _decoded(answer.body)
    status, age = found.get("status"), _age(found, now)
    if status in _ENDED or (status == "sent" and age >= SENT_SECONDS):
        return Delivered(sid)
    if status == "sent" or status in _WAITING:
        return Handed(sid, AGAIN_SECONDS if age < SLOW_SECONDS else SENT_SECONDS)
    code = found.get("error_code")
    code = code if isinstance(code, int) else 0
    if code in _DEAD:
        return Dead(_reason(200, code, _DEAD))
    return Refused(_reason(200, code, {**_CONFIG, **_REFUSED}) if code else _word(status))


def _word(status: Any) -> str:
    return status if isinstance(status, str) and re.fullmatch("[a-z_-]{1,32}", status) else "failed"


def _age(found: Mapping[str, Any], now: float) -> float:
    try:
        return now - parsedate_to_datetime(str(found.get("date_created"))).timestamp()
    except (ValueError, TypeError, OverflowError):
        return SENT_SECONDS


def _account(config: Mapping[str, Any], links: Links) -> str:
    base = links.base_url(HOSTS[config.get("region") or "us1"])
    return f"{base}/2010-04-01/Accounts/{quote(str(config['account_sid']), safe='')}"


def _headers(config: Mapping[str, Any]) -> dict[str, str]:
    credentials = f"{config.get('api_key', '')}:{config.get('api_secret', '')}".encode()
    return {
        "Authorization": f"Basic {base64.b64encode(credentials).decode()}",
        "Content-Type": "application/x-www-form-urlencoded",
    }


def _code(answer: Answer) -> int:
    code = _decoded(answer.body).get("code")
    return code if isinstance(code, int) else 0


def _reason(status: int, code: int, meanings: Mapping[int, str]) -> str:
    shown = str(code or status)
    return f"{shown}: {meanings[code]}" if code in meanings else shown


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


PROVIDER = Provider(
    name="twilio",
    channel=Channel.SMS,
    integration=INTEGRATION,
    deliver=one_by_one(deliver),
    receipt=receipt,
    check=check,
    repeats_unknown=False,
)
