"""SMTP: a mail server of your own. This integration is an extension of this gateway."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.channels.email_params import REPLY_TO, mailbox
from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.message import Message
from gateway.channels.outcome import Outcome
from gateway.channels.provider import Links, Provider, Schedule, one_by_one
from gateway.channels.secret_param import Secret
from gateway.domain.address import HOST_PATTERN, MAX_HOST_LENGTH
from gateway.domain.objects import Object
from gateway.domain.outbound import PUBLIC_ONLY
from gateway.domain.outbound_errors import NotSentError
from gateway.domain.params import Choice, FormedText, Integer, Problems, Text
from gateway.domain.preferences import Channel

SECONDS = 60.0
"""The limit of one attempt. A server may check the content before its last reply, which is the slow part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundHost(FormedText):
    """A host to which the gateway shall connect for the tenant. It must be public."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check what FormedText checks, and the rules for outbound addresses."""
        faults = len(problems)
        FormedText.check(self, value, path, problems)
        rules = problems.outbound if isinstance(problems, Problems) else PUBLIC_ONLY
        if len(problems) == faults and (fault := rules.host_fault(value)):
            problems.append(f"Param '{path}' {fault}")
        return value


INTEGRATION = IntegrationKind(
    name="smtp",
    title="SMTP",
    config=Object(
        required=True,
        name="SmtpConfig",
        description="A mail server. This integration is an extension of this gateway.",
        fields={
            "host": OutboundHost(
                required=True,
                max_length=MAX_HOST_LENGTH,
                pattern=HOST_PATTERN,
                form="a host name",
                description="The mail server. It must be public.",
            ),
            "port": Integer(required=True, least=1, most=65535, description="587 for `starttls`, 465 for `tls`."),
            "username": Text(max_length=255),
            "password": Secret(value=Text(max_length=1024)),
            "security": Choice(
                required=True,
                options=("starttls", "tls", "none"),
                description="`starttls` begins without encryption and requires STARTTLS; `tls` is encrypted at once. "
                "`none` sends everything in clear, the password too: only for a server in your own network.",
            ),
            "from": mailbox("The sender of each mail.", required=True),
            "reply_to": REPLY_TO,
        },
    ),
    example={
        "host": "mail.example.com",
        "port": 587,
        "username": "shop",
        "password": "an-example-of-a-password",
        "security": "starttls",
        "from": {"email": "shop@example.com", "name": "Shop"},
    },
    destination=("host", "port", "security"),
)


async def _deliver(message: Message, links: Links) -> Outcome:
    # Imported by what sends mails alone: other processes shall not grow by it.
    from gateway.channels.email_message import Mail, mail_of, mime_of
    from gateway.channels.smtp_connection import Pool

    mail = mail_of(message)
    if not isinstance(mail, Mail):
        return mail
    memo = links.memo(f"smtp {message.config_id}")
    pool: Pool = memo.get("pool") or memo.setdefault("pool", Pool())
    return await pool.send(message.config, mail, mime_of(mail, links.now()), links, SECONDS)


async def _check(config: Mapping[str, Any], links: Links) -> str:
    """Connect and log in, and return the fault. No mail is sent."""
    from gateway.channels.smtp_connection import Connection, ConnectionFaultError

    try:
        async with asyncio.timeout(SECONDS):
            connection = await Connection.open(config, links)
            await connection.quit()
    except ConnectionFaultError as problem:
        return problem.outcome.reason
    except TimeoutError:
        return "no reply from the server"
    except NotSentError as problem:
        return str(problem)
    return ""


PROVIDER = Provider(
    name="smtp",
    channel=Channel.EMAIL,
    deliver=one_by_one(_deliver),
    integration=INTEGRATION,
    schedule=Schedule.PATIENT,
    check=_check,
    seconds=SECONDS,
)
