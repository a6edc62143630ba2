"""Stripe: incoming webhooks."""

from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.signed_webhooks import signing_secret
from gateway.domain.objects import Object

INTEGRATION = IntegrationKind(
    name="stripe",
    title="Stripe",
    config=Object(required=True, name="StripeConfig", fields=signing_secret("Stripe")),
    example={"webhook_signing_secret": "whsec_an-example-of-a-secret"},
)
