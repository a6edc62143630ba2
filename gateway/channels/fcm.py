"""FCM, the push service of Android."""

from gateway.channels.apns import ENVIRONMENT, MAX_DEVICE_TOKEN
from gateway.channels.token_kind import TokenKind
from gateway.domain.params import FormedText

TOKEN = TokenKind(
    path="mobile_push/fcm",
    title="FCM",
    component="Fcm",
    fields={
        "device_token": FormedText(
            required=True, min_length=64, max_length=MAX_DEVICE_TOKEN, description="The registration token of the app."
        ),
        "installation_id": ENVIRONMENT,
    },
    identities=(("device_token",),),
    example={"device_token": "eXaMpLe0" * 18, "installation_id": "production"},
)
