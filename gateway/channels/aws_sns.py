"""Amazon Simple Notification Service: incoming webhooks."""

from gateway.channels.example_keys import CERTIFICATE
from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.key_params import MAX_PEM_LENGTH, RsaCertificate
from gateway.channels.secret_param import Secret
from gateway.domain.objects import Object

INTEGRATION = IntegrationKind(
    name="awssns",
    title="Amazon SNS",
    config=Object(
        required=True,
        name="AwsSnsConfig",
        fields={
            "webhook_signing_secret": Secret(
                required=True,
                value=RsaCertificate(required=True, max_length=MAX_PEM_LENGTH),
                description="The certificate with which SNS signs, in PEM. A message that another certificate signed "
                "is accepted only if SNS itself publishes that certificate.",
            )
        },
    ),
    example={"webhook_signing_secret": CERTIFICATE},
)
