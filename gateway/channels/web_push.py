"""Web push: subscriptions of browsers (RFC 8030), and the older form that Safari had."""

from gateway.channels.apns import MAX_DEVICE_TOKEN
from gateway.channels.token_kind import TokenKind
from gateway.domain.objects import Object
from gateway.domain.params import OutboundUrl, Text

_MAX_KEY = 255

TOKEN = TokenKind(
    path="web_push",
    title="web push",
    component="WebPush",
    fields={
        "endpoint": OutboundUrl(required=True, description="The address of the push service for this subscription."),
        "keys": Object(
            required=True,
            description="The keys of the subscription, in base64url (RFC 8291).",
            fields={
                "auth": Text(required=True, max_length=_MAX_KEY, description="The authentication secret."),
                "p256dh": Text(required=True, max_length=_MAX_KEY, description="The public key."),
            },
        ),
    },
    identities=(("endpoint",),),
    example={
        "endpoint": "https://updates.push.services.mozilla.com/wpush/v2/example",
        "keys": {"auth": "tBHItJI5svbpez7KI4CCXg", "p256dh": "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIg"},
    },
)

SAFARI_TOKEN = TokenKind(
    path="web_push/safari",
    title="Safari's former web push",
    component="Safari",
    fields={
        "device_token": Text(required=True, max_length=MAX_DEVICE_TOKEN),
        "app_id": Text(max_length=155),
    },
    identities=(("device_token",),),
    example={"device_token": "c2f1e0"},
    offered=False,
)
"""What Safari registered before it had web push. Apple no longer delivers to such tokens; v1 still stores them."""
