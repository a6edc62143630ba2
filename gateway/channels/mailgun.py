"""Mailgun."""

from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.secret_param import Secret
from gateway.domain.address import NAME_PATTERN
from gateway.domain.objects import Object
from gateway.domain.params import Choice, FormedText, Text

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
            "region": Choice(required=True, options=("us", "eu"), description="Where your Mailgun account is."),
        },
    ),
    example={"api_key": "key-3ax6xnjp29jd6fds4gc373sgvjxteol0", "domain": "mg.example.com", "region": "eu"},
)
