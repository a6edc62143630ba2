"""APNs, the push service of Apple's platforms: what is registered and configured. `apns_push.py` sends."""

from dataclasses import dataclass
from typing import Any

from gateway.channels.example_keys import EC_PRIVATE_KEY
from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.key_params import MAX_PEM_LENGTH, EcPrivateKey
from gateway.channels.secret_param import Secret
from gateway.channels.token_kind import TokenKind
from gateway.domain.objects import Object
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadVersion(Choice):
    """1 or 2, as a number or as text. Clients send both, and get back what they sent."""

    options: tuple[Any, ...] = ("1", "2", 1, 2)

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check that it is one of the two."""
        if not isinstance(value, str | int) or isinstance(value, bool) or value not in self.options:
            problems.append(f"Param '{path}' must be one of 1, 2")
        return value

    def shape(self) -> dict[str, Any]:
        """Return the schema of both forms."""
        return {"enum": [*self.options]}

    def schema(self) -> dict[str, Any]:
        """Return the same schema with null, which is the same as absent."""
        return {"enum": [*self.options, None], "description": self.description}


def _apple_id(description: str) -> FormedText:
    return FormedText(
        required=True,
        min_length=10,
        max_length=10,
        pattern="[A-Za-z0-9]+",
        form="an id of letters and digits",
        description=description,
    )


INTEGRATION = IntegrationKind(
    name="apns",
    title="APNs",
    config=Object(
        required=True,
        name="ApnsConfig",
        fields={
            "app_id": FormedText(
                required=True,
                max_length=155,
                pattern=APP_ID_PATTERN,
                form="an app's bundle id, such as com.example.app",
                description="The bundle identifier of the app, unless a token has its own.",
            ),
            "badge": Choice(
                required=True,
                options=("unread", "unseen"),
                description="Which notifications the badge of the app counts.",
            ),
            "certificate": Secret(
                required=True,
                value=EcPrivateKey(
                    required=True,
                    max_length=MAX_PEM_LENGTH,
                    pattern=r"-+\s?BEGIN PRIVATE KEY-+\r?\n[A-Za-z0-9+/\r\n]+={0,2}\r?\n-+\s?END PRIVATE KEY-+\s*",
                    form="a key in P8 format",
                ),
                description="The key in P8 format, which Apple's developer pages create for APNs.",
            ),
            "key_id": _apple_id("The id of that key."),
            "payload_version": PayloadVersion(description="The form of the push payload, by default 2."),
            "team_id": _apple_id("Apple's id of your team."),
        },
    ),
    example={
        "app_id": "com.example.app",
        "badge": "unread",
        "certificate": EC_PRIVATE_KEY,
        "key_id": "ABC123DEFG",
        "payload_version": 2,
        "team_id": "DEF123GHIJ",
    },
)
