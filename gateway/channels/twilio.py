"""Twilio: text messages."""

from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.secret_param import Secret
from gateway.domain.objects import Object
from gateway.domain.params import Choice, FormedText, Text

_ID = Text(required=True, max_length=100)

INTEGRATION = IntegrationKind(
    name="twilio",
    title="Twilio",
    config=Object(
        required=True,
        name="TwilioConfig",
        fields={
            "account_sid": _ID,
            "api_key": Secret(required=True, value=_ID),
            "api_secret": Secret(required=True, value=_ID),
            "from": FormedText(
                required=True,
                max_length=100,
                pattern=r"\+[0-9]{1,14}",
                form="a phone number in E.164 format, such as +15005550006",
                description="The phone number from which messages are sent, in E.164 format.",
            ),
            "region": Choice(options=("us1", "ie1", "au1"), description="The region of Twilio, by default us1."),
        },
    ),
    example={
        "account_sid": "AC00000000000000000000000000000000",
        "api_key": "SK00000000000000000000000000000000",
        "api_secret": "an-example-of-a-secret-of-twilio",
        "from": "+15005550006",
        "region": "ie1",
    },
)
