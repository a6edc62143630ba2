"""Expo, a push service for apps that are built with its framework: what is registered and configured. `expo_push.py`
sends."""

from gateway.channels.apns import MAX_DEVICE_TOKEN
from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.secret_param import Secret, credential
from gateway.channels.token_kind import TokenKind
from gateway.domain.objects import Object
from gateway.domain.params import Text

TOKEN = TokenKind(
    path="mobile_push/expo",
    title="Expo",
    component="Expo",
    fields={
        "device_token": Text(
            required=True, max_length=MAX_DEVICE_TOKEN, description="The token, such as `ExponentPushToken[…]`."
        ),
    },
    identities=(("device_token",),),
    example={"device_token": "ExponentPushToken[xxxxxxxxxxxxxxxxxxxxxx]"},
)


INTEGRATION = IntegrationKind(
    name="expo",
    title="Expo",
    config=Object(
        required=True,
        name="ExpoConfig",
        fields={
            "access_token": Secret(
                required=True,
                value=credential(1024),
                description="An access token of your Expo account.",
            )
        },
    ),
    example={"access_token": "an-access-token-of-expo"},
)
