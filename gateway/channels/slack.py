"""Slack: the app of a project, its installations in workspaces, and the channels of users."""

from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.secret_param import Secret
from gateway.channels.token_kind import TokenKind
from gateway.domain.objects import Object
from gateway.domain.params import FormedText, OutboundUrl, Text

TOKEN = TokenKind(
    path="slack",
    title="Slack",
    component="Slack",
    fields={
        "oauth": Object(
            description="A channel of a workspace where the project's Slack app is installed.",
            fields={
                "channel_id": Text(required=True, max_length=255, description="The id of the channel."),
                "installation_id": Text(required=True, max_length=255, description="The id of the installation."),
                "scope": Text(max_length=1024, description="The scopes that were granted."),
            },
        ),
        "webhook": Object(
            description="An incoming webhook of a channel.",
            fields={"url": OutboundUrl(required=True, description="The URL of the webhook.")},
        ),
    },
    identities=(("oauth.installation_id", "oauth.channel_id"), ("webhook.url",)),
    example={"oauth": {"channel_id": "C0123456789", "installation_id": "T0123456789", "scope": "chat:write"}},
)


_SECRET = Secret(
    required=True,
    value=FormedText(required=True, min_length=32, max_length=32, pattern="[!-~]*", form="32 printable characters"),
)

INTEGRATION = IntegrationKind(
    name="slack",
    title="Slack",
    config=Object(
        required=True,
        name="SlackConfig",
        description="The settings of your Slack app, from its page on api.slack.com.",
        fields={
            "app_id": FormedText(required=True, max_length=64, pattern="[0-9A-Z]+", form="an id such as A0KRD7HC3"),
            "client_id": FormedText(
                required=True, max_length=64, pattern=r"[0-9]+\.[0-9]+", form="an id such as 1234.5678"
            ),
            "client_secret": _SECRET,
            "signing_secret": _SECRET,
        },
    ),
    example={
        "app_id": "A0KRD7HC3",
        "client_id": "1234567890.1234567890",
        "client_secret": "0123456789abcdef0123456789abcdef",
        "signing_secret": "fedcba9876543210fedcba9876543210",
    },
)
