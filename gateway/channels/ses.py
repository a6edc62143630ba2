"""Amazon Simple Email Service (SES)."""

from dataclasses import dataclass
from typing import Any

from gateway.channels.email_params import FROM
from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.secret_param import Secret
from gateway.domain.objects import Object
from gateway.domain.params import FormedText, OutboundUrl, Problems, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class DevelopmentUrl(OutboundUrl):
    """An address that only a gateway under development accepts: INBOX_OUTBOUND_LOOPBACK allows it."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check that the gateway is under development, and what OutboundUrl checks."""
        if not (isinstance(problems, Problems) and problems.outbound.allows_loopback):
            problems.append(f"Param '{path}' is only for a gateway with INBOX_OUTBOUND_LOOPBACK")
            return value
        return OutboundUrl.check(self, value, path, problems)


INTEGRATION = IntegrationKind(
    name="ses",
    title="Amazon SES",
    config=Object(
        required=True,
        name="SesConfig",
        fields={
            "endpoint": DevelopmentUrl(
                description="Where requests are sent, for tests. Only with INBOX_OUTBOUND_LOOPBACK."
            ),
            "from": FROM,
            "key_id": Text(required=True, max_length=128, description="The id of an AWS access key."),
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
