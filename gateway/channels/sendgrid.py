"""SendGrid: one request of its Web API for each mail (docs.sendgrid.com, "Mail Send")."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.channels.email_params import FROM, REPLY_TO
from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.mail_service import SECONDS, extra_of, our_ids, passing, throttled
from gateway.channels.message import Message
from gateway.channels.outcome import Delivered, Misconfigured, Outcome, Refused
from gateway.channels.provider import Answer, Links, Provider, Schedule, one_by_one
from gateway.channels.secret_param import Secret, credential
from gateway.channels.text import merged
from gateway.domain.objects import Object
from gateway.domain.params import Choice, FormedText
from gateway.domain.preferences import Channel

if TYPE_CHECKING:
    from gateway.channels.email_message import Mail

INTEGRATION = IntegrationKind(
    name="sendgrid",
    title="SendGrid",
    config=Object(
        required=True,
        name="SendgridConfig",
        fields={
            "api_key": Secret(required=True, value=credential(255)),
            "from": FROM,
            "region": Choice(
                options=("global", "eu"),
                description="Where your account is, by default `global`. This is an extension of this gateway.",
            ),
            "reply_to": REPLY_TO,
            "webhook_signing_secret": Secret(
                value=FormedText(
                    required=True, max_length=1000, pattern="[A-Za-z0-9+/]{80,}={0,2}", form="a public key in base64"
                ),
                description="The *verification key* of the signed event webhook, for reports about bounces and "
                "complaints.",
            ),
        },
    ),
    example={
        "api_key": "SG.an-example-of-a-key",
        "from": {"email": "shop@example.com", "name": "Shop"},
        "reply_to": {"email": "help@example.com"},
    },
    destination=("region",),
)

_BASES = {"global": "https://api.sendgrid.com", "eu": "https://api.eu.sendgrid.com"}

_CONFIG_FIELDS = ("from", "reply_to", "asm", "ip_pool_name", "mail_settings", "tracking_settings")
"""Fields of a request that come from the configuration: a fault in them is in every mail."""


_PATH_OF_FIELD = re.compile(r"[a-z_]+([.\[][a-z0-9_\]-]+){0,6}", re.IGNORECASE)
"""Such as `personalizations.0.to`, or `personalizations[0].to`."""


async def _deliver(message: Message, links: Links) -> Outcome:
    from gateway.channels.email_message import Mail, mail_of

    mail = mail_of(message)
    if not isinstance(mail, Mail):
        return mail
    answer = await links.request(
        "POST",
        f"{_base(message.config, links)}/v3/mail/send",
        headers={**_authorization(message.config), "Content-Type": "application/json"},
        body=msgspec.json.encode(merged(_request(mail, message), extra_of(message, "personalizations"))),
    )
    return _outcome(answer, links.now())


def _base(config: Mapping[str, Any], links: Links) -> str:
    return links.base_url(_BASES[config.get("region") or "global"])


def _authorization(config: Mapping[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {config['api_key']}"}


def _request(mail: "Mail", message: Message) -> dict[str, Any]:
    request: dict[str, Any] = {
        # The official document has `custom_args` of the whole request as a text, so ours are in the personalization.
        "personalizations": [{"to": [{"email": mail.recipient.email}], "custom_args": our_ids(message)}],
        "from": _mailbox(mail.sender.email, mail.sender.name),
        "subject": mail.subject,
        "content": [{"type": "text/plain", "value": mail.text}, {"type": "text/html", "value": mail.html}],
        "headers": {"Message-ID": mail.message_id, **dict(mail.headers)},
    }
    if mail.reply_to is not None:
        request["reply_to"] = _mailbox(mail.reply_to.email, mail.reply_to.name)
    return request


def _mailbox(email: str, name: str) -> dict[str, str]:
    return {"email": email, "name": name} if name else {"email": email}


def _outcome(answer: Answer, now: float) -> Outcome:
    if answer.status in (200, 202):
        return Delivered(answer.headers.get("x-message-id", ""))
    field = _field(answer.body)
    reason = f"{answer.status} {field}".rstrip()
    reset = answer.headers.get("x-ratelimit-reset", "")
    if answer.status == 429 and reset.isascii() and reset.isdigit():
        return throttled(int(reset) - now, reason)
    if found := passing(answer, reason, now):
        return found
    if answer.status in (401, 403, 404, 405) or field.partition(".")[0] in _CONFIG_FIELDS:
        return Misconfigured(reason)
    return Refused(reason)


def _field(body: bytes) -> str:
    """Return the field that a response complains about. Its messages may contain addresses, so they are left out."""
    try:
        errors = msgspec.json.decode(body)["errors"]
        field = str(errors[0].get("field") or "")
    except (msgspec.DecodeError, LookupError, TypeError, AttributeError):
        return ""
    return field if _PATH_OF_FIELD.fullmatch(field) else ""


async def _check(config: Mapping[str, Any], links: Links) -> str:
    """Return what is wrong with the key, "" if it may send mail."""
    answer = await links.request("GET", f"{_base(config, links)}/v3/scopes", headers=_authorization(config))
    if answer.status in (401, 403):
        return f"SendGrid refuses the API key ({answer.status})"
    if answer.status != 200:
        return f"SendGrid responded with {answer.status}"
    return "" if b'"mail.send"' in answer.body else "the API key lacks the permission `mail.send`"


PROVIDER = Provider(
    name="sendgrid",
    channel=Channel.EMAIL,
    deliver=one_by_one(_deliver),
    integration=INTEGRATION,
    schedule=Schedule.PATIENT,
    check=_check,
    seconds=SECONDS,
)
