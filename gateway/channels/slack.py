"""Slack."""

from gateway.channels.token_kind import TokenKind
from gateway.domain.objects import Object
from gateway.domain.params import OutboundUrl, Text

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
    example={"webhook": {"url": "https://hooks.slack.com/services/T0001/B0001/XXXX"}},
)
