"""Slack: the app of a project, its installations in workspaces, and the channels of users."""

import re
from typing import Any

from gateway.channels.integration_kind import InstallationKind, IntegrationKind
from gateway.channels.secret_param import Secret, credential
from gateway.channels.token_kind import TokenKind
from gateway.domain.objects import Object
from gateway.domain.params import FormedText, Integer, OutboundUrl, Switch, Text

TOKEN = TokenKind(
    path="slack",
    title="Slack",
    component="Slack",
    fields={
        "oauth": Object(
            description="A channel of a workspace where the project's Slack app is installed.",
            fields={
                "channel_id": Text(required=True, max_length=255, description="The id of the channel."),
                "installation_id": Text(required=True, max_length=255, description="The id of the installation."),
                "scope": Text(max_length=1024, description="The scopes that were granted."),
            },
        ),
        "webhook": Object(
            description="An incoming webhook of a channel.",
            fields={"url": OutboundUrl(required=True, description="The URL of the webhook.")},
        ),
    },
    identities=(("oauth.installation_id", "oauth.channel_id"), ("webhook.url",)),
    example={"oauth": {"channel_id": "C0123456789", "installation_id": "T0123456789", "scope": "chat:write"}},
)


_SECRET = Secret(
    required=True,
    value=FormedText(required=True, min_length=32, max_length=32, pattern="[!-~]*", form="32 printable characters"),
)

INTEGRATION = IntegrationKind(
    name="slack",
    title="Slack",
    config=Object(
        required=True,
        name="SlackConfig",
        description="The settings of your Slack app, from its page on api.slack.com.",
        fields={
            "app_id": FormedText(required=True, max_length=64, pattern="[0-9A-Z]+", form="an id such as A0KRD7HC3"),
            "client_id": FormedText(
                required=True, max_length=64, pattern=r"[0-9]+\.[0-9]+", form="an id such as 1234.5678"
            ),
            "client_secret": _SECRET,
            "signing_secret": _SECRET,
        },
    ),
    example={
        "app_id": "A0KRD7HC3",
        "client_id": "1234567890.1234567890",
        "client_secret": "0123456789abcdef0123456789abcdef",
        "signing_secret": "fedcba9876543210fedcba9876543210",
    },
)

MAX_TOKEN = 1024
_ID = Text(max_length=64)
_REQUIRED_ID = Text(required=True, max_length=64)
_SCOPE = Text(max_length=4096, description="The scopes that were granted, separated by commas.")
_TYPE = Text(max_length=64)
_EXPIRES = Integer(least=0, most=2**53, description="Seconds until the token expires, if tokens are rotated.")
_REFRESH_TOKEN = Secret(value=Text(max_length=MAX_TOKEN))
_NAME = Text(max_length=255)
_REQUIRED_NAME = Text(required=True, max_length=255)


def _derive_id(values: dict[str, Any]) -> None:
    if values.get("id"):
        return
    owner = values.get("enterprise") if values.get("is_enterprise_install") else values["team"]
    # The vendor's Go and Java clients refuse an id of the older form, with a slash.
    ids = (re.sub(r"[^A-Z0-9]", "", text.upper()) for text in ((owner or values["team"])["id"], values["app_id"]))
    values["id"] = "-".join(ids)


INSTALLATION = InstallationKind(
    name="slack",
    title="Slack",
    config=Object(
        required=True,
        name="NewSlackInstallation",
        description="An installation of the project's Slack app, as Slack's `oauth.v2.access` returns it.",
        fields={
            "access_token": Secret(required=True, value=credential(MAX_TOKEN)),
            "app_id": _REQUIRED_ID,
            "authed_user": Object(
                required=True,
                description="Who installed the app.",
                fields={
                    "access_token": Secret(value=Text(max_length=MAX_TOKEN)),
                    "expires_in": _EXPIRES,
                    "id": _REQUIRED_ID,
                    "refresh_token": _REFRESH_TOKEN,
                    "scope": _SCOPE,
                    "token_type": _TYPE,
                },
            ),
            "bot_user_id": _ID,
            "enterprise": Object(fields={"id": _REQUIRED_ID, "name": _REQUIRED_NAME}),
            "expires_in": _EXPIRES,
            "id": FormedText(
                max_length=129,
                # Newer clients of v2 send ids of the second form.
                pattern="[A-Z0-9/]*|[A-Z0-9]+-[!-~]*",
                form="capital letters, digits and slashes, or an id such as T123-A456",
                description="The id by which channel tokens name it, by default that of the team and that of the app.",
            ),
            "incoming_webhook": Object(
                description="A webhook of the channel that the user chose.",
                fields={
                    "channel": _REQUIRED_NAME,
                    "channel_id": Text(
                        max_length=64,
                        description="The id of the channel, with which a channel token may name it. An extension.",
                    ),
                    "configuration_url": Text(required=True, max_length=2048),
                    "url": Secret(required=True, value=OutboundUrl(required=True)),
                },
            ),
            "is_enterprise_install": Switch(),
            "refresh_token": _REFRESH_TOKEN,
            "scope": _SCOPE,
            "team": Object(required=True, fields={"id": _REQUIRED_ID, "name": _NAME}),
            "token_type": _TYPE,
        },
    ),
    # The example of Slack's documentation.
    example={
        "access_token": "xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcBrzbqgy",
        "app_id": "A0KRD7HC3",
        "authed_user": {"id": "U1234", "scope": "chat:write", "access_token": "xoxp-1234", "token_type": "user"},
        "bot_user_id": "U0KRQLJ9H",
        "enterprise": {"id": "E12345678", "name": "slack-sports"},
        "scope": "commands,incoming-webhook",
        "team": {"id": "T9TK3CUKW", "name": "Slack Softball Team"},
        "token_type": "bot",
    },
    identity=("id",),
    derive=_derive_id,
)
