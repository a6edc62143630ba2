"""Ping email: a URL that is called instead of sending an email."""

from gateway.channels.integration_kind import IntegrationKind
from gateway.domain.objects import Object
from gateway.domain.params import OutboundUrl

INTEGRATION = IntegrationKind(
    name="ping_email",
    title="Ping email",
    config=Object(
        required=True,
        name="PingEmailConfig",
        fields={"url": OutboundUrl(required=True, max_length=100, description="The URL to call. It must be public.")},
    ),
    example={"url": "https://example.com/ping"},
)
