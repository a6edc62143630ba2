"""GitHub: incoming webhooks."""

from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.signed_webhooks import signing_secret
from gateway.domain.objects import Object

INTEGRATION = IntegrationKind(
    name="github",
    title="GitHub",
    config=Object(required=True, name="GithubConfig", fields=signing_secret("GitHub")),
    example={"webhook_signing_secret": "It's a Secret to Everybody"},
)
