"""SMTP: a mail server of your own. This integration is an extension of this gateway."""

from dataclasses import dataclass
from typing import Any

from gateway.channels.email_params import REPLY_TO, mailbox
from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.secret_param import Secret
from gateway.domain.address import HOST_PATTERN, MAX_HOST_LENGTH
from gateway.domain.objects import Object
from gateway.domain.outbound import PUBLIC_ONLY
from gateway.domain.params import Choice, FormedText, Integer, Problems, Text


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
                options=("starttls", "tls"),
                description="`starttls` begins without encryption and requires STARTTLS; `tls` is encrypted at once.",
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
