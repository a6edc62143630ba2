"""Microsoft Teams."""

from gateway.channels.token_kind import TokenKind
from gateway.domain.objects import Object
from gateway.domain.params import OutboundUrl

TOKEN = TokenKind(
    path="teams",
    title="Microsoft Teams",
    component="Teams",
    fields={
        "webhook": Object(
            description="A workflow of a channel that posts what it receives.",
            fields={"url": OutboundUrl(description="The URL of the workflow.")},
        ),
    },
    identities=(("webhook.url",),),
    example={"webhook": {"url": "https://example.webhook.office.com/webhookb2/0001"}},
)
