"""APNs, the push service of Apple's platforms."""

from gateway.channels.token_kind import TokenKind
from gateway.domain.params import Choice, FormedText

MAX_DEVICE_TOKEN = 1024
"""Several times the length of the longest device tokens of push services."""

APP_ID_PATTERN = r"[a-zA-Z0-9]+([^a-zA-Z0-9\n][a-zA-Z0-9]+)*"
"""What v2 accepts as an app's id. Its own pattern, with `.` in place of the first class, means the same, but the time
that it takes doubles with each character."""

ENVIRONMENT = Choice(
    options=("development", "production"),
    description="The environment of the push service that the token belongs to, by default production.",
)

TOKEN = TokenKind(
    path="mobile_push/apns",
    title="APNs",
    component="Apns",
    fields={
        "device_token": FormedText(
            required=True, min_length=64, max_length=MAX_DEVICE_TOKEN, description="The token, as iOS returns it."
        ),
        "app_id": FormedText(
            max_length=155,
            pattern=APP_ID_PATTERN,
            form="an app's bundle id, such as com.example.app",
            description="The bundle id of the app, if it is not that of the project's APNs integration.",
        ),
        "installation_id": ENVIRONMENT,
    },
    identities=(("device_token",),),
    example={"device_token": "c2f1" * 16, "app_id": "com.example.app", "installation_id": "production"},
)
