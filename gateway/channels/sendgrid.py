"""SendGrid."""

from gateway.channels.email_params import FROM, REPLY_TO
from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.secret_param import Secret
from gateway.domain.objects import Object
from gateway.domain.params import Text

INTEGRATION = IntegrationKind(
    name="sendgrid",
    title="SendGrid",
    config=Object(
        required=True,
        name="SendgridConfig",
        fields={
            "api_key": Secret(required=True, value=Text(required=True, max_length=255)),
            "from": FROM,
            "reply_to": REPLY_TO,
        },
    ),
    example={
        "api_key": "SG.an-example-of-a-key",
        "from": {"email": "shop@example.com", "name": "Shop"},
        "reply_to": {"email": "help@example.com"},
    },
)
