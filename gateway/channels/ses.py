"""Amazon Simple Email Service (SES): one request of its API, version 2, for each mail.

(docs.aws.amazon.com/ses/latest/APIReference-V2, "SendEmail")
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.channels.aws_signature import Credentials, signed
from gateway.channels.email_params import FROM
from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.mail_service import SECONDS, extra_of, our_ids, passing, throttled
from gateway.channels.message import Message
from gateway.channels.outcome import Delivered, Misconfigured, Outcome, Refused
from gateway.channels.provider import Answer, Links, Provider, Schedule, one_by_one
from gateway.channels.secret_param import Secret
from gateway.channels.text import merged
from gateway.domain.objects import Object
from gateway.domain.params import FormedText, OutboundUrl, Problems, Text
from gateway.domain.preferences import Channel

if TYPE_CHECKING:
    from gateway.channels.email_message import Mail


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalUrl(OutboundUrl):
    """An address that only a gateway with INBOX_OUTBOUND_ALLOWED_NETWORKS accepts."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check that the gateway allows networks of its own, and what OutboundUrl checks."""
        if not (isinstance(problems, Problems) and problems.outbound.allowed_networks):
            problems.append(f"Param '{path}' is only for a gateway with INBOX_OUTBOUND_ALLOWED_NETWORKS")
            return value
        return OutboundUrl.check(self, value, path, problems)


INTEGRATION = IntegrationKind(
    name="ses",
    title="Amazon SES",
    config=Object(
        required=True,
        name="SesConfig",
        fields={
            "endpoint": LocalUrl(
                description="Where requests are sent, for tests. Only with INBOX_OUTBOUND_ALLOWED_NETWORKS."
            ),
            "from": FROM,
            "key_id": FormedText(
                required=True,
                max_length=128,
                pattern="[A-Za-z0-9_]*",
                form="an id such as AKIAIOSFODNN7EXAMPLE",
                description="The id of an AWS access key.",
            ),
            "region": FormedText(
                required=True,
                max_length=63,
                pattern="[a-z0-9]+(-[a-z0-9]+)*",
                form="a region such as eu-central-1",
                description="The AWS region.",
            ),
            "secret_key": Secret(
                required=True,
                value=Text(required=True, max_length=255),
                description="The secret of the access key.",
            ),
        },
    ),
    example={
        "from": {"email": "shop@example.com", "name": "Shop"},
        "key_id": "AKIAIOSFODNN7EXAMPLE",
        "region": "eu-central-1",
        "secret_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    },
    destination=("endpoint", "region"),
)

_PATH = "/v2/email/outbound-emails"

_RATE_SECONDS = 2.0
"""How long the lane pauses at the account's limit of mails a second."""

_QUOTA_SECONDS = 3600.0
"""The same at its limit of a day, which moves along with the last 24 hours."""

_NAME = re.compile("[A-Za-z.]{1,100}")
"""The name of an error."""

_OUR_FAULTS = (
    "MailFromDomainNotVerifiedException",
    "SendingPausedException",
    "AccountSuspendedException",
    "NotFoundException",
)


async def _deliver(message: Message, links: Links) -> Outcome:
    from gateway.channels.email_message import Mail, mail_of

    mail = mail_of(message)
    if not isinstance(mail, Mail):
        return mail
    body = msgspec.json.encode(merged(_request(mail, message), extra_of(message, "destination")))
    answer = await _call(message.config, links, "POST", _PATH, body)
    return _outcome(answer, links.now())


async def _call(config: Mapping[str, Any], links: Links, method: str, path: str, body: bytes = b"") -> Answer:
    region = config["region"]
    suffix = ".cn" if region.startswith("cn-") else ""
    base = config.get("endpoint") or links.base_url(f"https://email.{region}.amazonaws.com{suffix}")
    url = f"{base.rstrip('/')}{path}"
    credentials = Credentials(config["key_id"], config["secret_key"], region, "ses")
    headers = signed(credentials, method, url, {"Content-Type": "application/json"}, body, links.now())
    return await links.request(method, url, headers=headers, body=body, tenants=bool(config.get("endpoint")))


def _request(mail: "Mail", message: Message) -> dict[str, Any]:
    request: dict[str, Any] = {
        "FromEmailAddress": mail.sender.header,
        "Destination": {"ToAddresses": [mail.recipient.email]},
        "Content": {
            "Simple": {
                "Subject": _text(mail.subject),
                "Body": {"Text": _text(mail.text), "Html": _text(mail.html)},
                # SES sets the Message-ID itself.
                "Headers": [{"Name": name, "Value": value} for name, value in mail.headers],
            }
        },
        # Events about the mail bring them back.
        "EmailTags": [{"Name": name, "Value": value} for name, value in our_ids(message).items()],
    }
    if mail.reply_to is not None:
        request["ReplyToAddresses"] = [mail.reply_to.header]
    return request


def _text(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": "UTF-8"}


def _outcome(answer: Answer, now: float) -> Outcome:
    name, message, message_id = _read(answer)
    if answer.status == 200:
        return Delivered(message_id)
    reason = f"{answer.status} {name}".rstrip()
    if name == "LimitExceededException" or re.search("daily .*quota", message, re.IGNORECASE):
        return throttled(_QUOTA_SECONDS, reason)
    if name == "TooManyRequestsException" or "Throttling" in name or "sending rate exceeded" in message:
        return throttled(_RATE_SECONDS, reason)
    if found := passing(answer, reason, now):
        return found
    if answer.status in (401, 403, 404) or name in _OUR_FAULTS:
        return Misconfigured(reason)
    if "not verified" in message:  # the sender, or the recipient of an account in the sandbox
        return Misconfigured(reason, is_doubted=True)
    return Refused(reason)


def _read(answer: Answer) -> tuple[str, str, str]:
    """Return the name of the error, its message, and the id of the mail, each "" if it is absent."""
    try:
        found = msgspec.json.decode(answer.body or b"{}")
        name = answer.headers.get("x-amzn-errortype") or found.get("__type") or found.get("Code") or ""
        message = found.get("message") or found.get("Message") or ""
        name = name.partition(":")[0].rpartition("#")[2]
        return name if _NAME.fullmatch(name) else "", str(message), str(found.get("MessageId") or "")
    except (msgspec.DecodeError, AttributeError, TypeError):
        return "", "", ""


async def _check(config: Mapping[str, Any], links: Links) -> str:
    """Return what is wrong with the key or the account, "" if it may send."""
    answer = await _call(config, links, "GET", "/v2/email/account")
    if answer.status == 403:
        return f"AWS refuses the access key: {_read(answer)[0]}"
    if answer.status != 200:
        return f"SES responded with {answer.status}"
    return "the account may not send mail" if b'"SendingEnabled":false' in answer.body.replace(b" ", b"") else ""


PROVIDER = Provider(
    name="ses",
    channel=Channel.EMAIL,
    deliver=one_by_one(_deliver),
    integration=INTEGRATION,
    schedule=Schedule.PATIENT,
    check=_check,
    seconds=SECONDS,
)
