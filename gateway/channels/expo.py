"""Expo, a push service for apps that are built with its framework."""

from gateway.channels.apns import MAX_DEVICE_TOKEN
from gateway.channels.token_kind import TokenKind
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
