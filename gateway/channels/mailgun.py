"""Mailgun: one request of its API for each mail (documentation.mailgun.com, "Send an email")."""

import base64
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.channels.email_params import FROM, REPLY_TO
from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.mail_service import SECONDS, extra_of, our_ids, passing, throttled
from gateway.channels.message import Message
from gateway.channels.outcome import Delivered, Misconfigured, Outcome, Refused
from gateway.channels.provider import Answer, Links, Provider, Schedule, one_by_one
from gateway.channels.secret_param import Secret
from gateway.domain.address import NAME_PATTERN
from gateway.domain.objects import Object
from gateway.domain.params import Choice, FormedText, Text
from gateway.domain.preferences import Channel

if TYPE_CHECKING:
    from gateway.channels.email_message import Mail

INTEGRATION = IntegrationKind(
    name="mailgun",
    title="Mailgun",
    config=Object(
        required=True,
        name="MailgunConfig",
        fields={
            "api_key": Secret(required=True, value=Text(required=True, max_length=255)),
            "domain": FormedText(
                required=True,
                max_length=253,
                pattern=NAME_PATTERN,
                form="a domain such as mg.example.com",
                description="The domain from which Mailgun sends.",
            ),
            "from": FROM,
            "region": Choice(required=True, options=("us", "eu"), description="Where your Mailgun account is."),
            "reply_to": REPLY_TO,
            "webhook_signing_secret": Secret(
                value=Text(required=True, max_length=255),
                description="The account's *HTTP webhook signing key*, for reports about bounces and complaints.",
            ),
        },
    ),
    example={"api_key": "key-3ax6xnjp29jd6fds4gc373sgvjxteol0", "domain": "mg.example.com", "region": "eu"},
    destination=("region",),
)

_BASES = {"us": "https://api.mailgun.net", "eu": "https://api.eu.mailgun.net"}

_AGAIN = re.compile(r"try again after (\d{1,6}) seconds")
_OUR_FAULT = re.compile(r"\bfrom\b|domain|sandbox|not allowed|activat|disabled", re.IGNORECASE)
"""In a 400: what is probably wrong in every mail of this configuration."""


async def _deliver(message: Message, links: Links) -> Outcome:
    from gateway.channels.email_message import Mail, mail_of

    mail = mail_of(message, f"notifications@{message.config['domain']}")
    if not isinstance(mail, Mail):
        return mail
    boundary = f"----{message.id.hex}"
    answer = await links.request(
        "POST",
        f"{_base(message.config, links)}/v3/{message.config['domain']}/messages",
        headers={
            **_authorization(message.config),
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        },
        body=_form(
            {**_fields(mail, message), **_texts(extra_of(message, "to", "cc", "bcc", "recipient-variables"))}.items(),
            boundary,
        ),
    )
    return _outcome(answer, links.now())


def _base(config: Mapping[str, Any], links: Links) -> str:
    return links.base_url(_BASES[config["region"]])


def _authorization(config: Mapping[str, Any]) -> dict[str, str]:
    login = f"api:{config['api_key']}".encode()
    return {"Authorization": f"Basic {base64.b64encode(login).decode()}"}


def _fields(mail: "Mail", message: Message) -> dict[str, str]:
    headers = [("Message-Id", mail.message_id), *mail.headers]
    if mail.reply_to is not None:
        headers.append(("Reply-To", mail.reply_to.header))
    return {
        "from": mail.sender.header,
        "to": mail.recipient.email,
        "subject": mail.subject,
        "text": mail.text,
        "html": mail.html,
        **{f"h:{name}": value for name, value in headers},
        **{f"v:{name}": value for name, value in our_ids(message).items()},
    }


def _texts(extra: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of an override as the fields of a form. Objects are JSON in it."""
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode() for name, value in extra.items()
    }


def _form(fields: Iterable[tuple[str, str]], boundary: str) -> bytes:
    """Return a form (RFC 7578). The boundary is the random id of the delivery, which no text contains."""
    parts = []
    for name, value in fields:
        # As browsers write names (WHATWG, "multipart form data").
        escaped = name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{escaped}"\r\n\r\n{value}\r\n')
    return "".join([*parts, f"--{boundary}--\r\n"]).encode(errors="replace")


def _outcome(answer: Answer, now: float) -> Outcome:
    message, provider_id = _read(answer.body)
    if answer.status == 200:
        return Delivered(provider_id)
    reason = str(answer.status)
    if answer.status == 429 and (again := _AGAIN.search(message)):
        return throttled(float(again[1]), reason)
    if found := passing(answer, reason, now):
        return found
    if answer.status in (401, 402, 403, 404):
        return Misconfigured(reason)
    if answer.status == 400 and _OUR_FAULT.search(message):  # perhaps about the recipient's domain
        return Misconfigured(reason, is_doubted=True)
    return Refused(reason)


def _read(body: bytes) -> tuple[str, str]:
    """Return the message and the id of a response."""
    try:
        found = msgspec.json.decode(body)
        return str(found.get("message") or ""), str(found.get("id") or "")
    except (msgspec.DecodeError, AttributeError):
        return body.decode(errors="replace"), ""


async def _check(config: Mapping[str, Any], links: Links) -> str:
    """Return what is wrong with the key or the domain, "" for nothing."""
    url = f"{_base(config, links)}/v4/domains/{config['domain']}"
    answer = await links.request("GET", url, headers=_authorization(config))
    if answer.status in (401, 403):
        return f"Mailgun refuses the API key ({answer.status})"
    if answer.status == 404:
        return "Mailgun does not have this domain in this region"
    if answer.status != 200:
        return f"Mailgun responded with {answer.status}"
    return "" if b'"unverified"' not in answer.body.partition(b'"state"')[2][:40] else "the domain is not verified"


PROVIDER = Provider(
    name="mailgun",
    channel=Channel.EMAIL,
    deliver=one_by_one(_deliver),
    integration=INTEGRATION,
    schedule=Schedule.PATIENT,
    check=_check,
    seconds=SECONDS,
)
