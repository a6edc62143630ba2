"""How an inbox widget connects."""

import re

import msgspec
from starlette.responses import Response

from gateway.api.core.operation import Call, Operation, Scope, json_response
from gateway.api.core.schema import Answer, Hash
from gateway.api.core.unbuilt import not_built
from gateway.domain.errors import ErrorCode


class ChannelConfig(msgspec.Struct):
    """The v1 contract's words for the live side."""

    region: str
    channel: str
    auth_url: str


class InboxConfig(msgspec.Struct):
    """How the inbox widget is to look."""

    features: Hash


class WebPushConfig(msgspec.Struct):
    """Whether this gateway delivers web push."""

    enabled: bool


class ChannelsConfig(msgspec.Struct):
    """The delivery channels besides the inbox."""

    web_push: WebPushConfig


class RealtimeConfig(msgspec.Struct):
    """Where the live side is."""

    protocol: str
    websocket_url: str
    sse_url: str
    events_url: str


class Config(msgspec.Struct):
    """How to connect."""

    ws: ChannelConfig
    inbox: InboxConfig
    channels: ChannelsConfig
    realtime: RealtimeConfig


CONFIG = Answer(200, "The addresses", Config)


async def config(call: Call) -> Response:
    """Return how an inbox widget connects: the v1 fields, and this gateway's own live addresses."""
    await call.services.inboxes.use(call.user, call.guard)
    base = _address(call)
    live = re.sub(r"^http", "ws", base)
    return json_response(
        {
            "ws": {
                "region": "",
                "channel": f"projects:{call.project.id}:users:{call.user.id}",
                # Not an address: clients append it to the base that they know.
                "auth_url": "/ws/auth",
            },
            "inbox": {"features": {}},
            "channels": {"web_push": {"enabled": False}},
            "realtime": {
                "protocol": "inbox.v1",
                "websocket_url": f"{live}/realtime/ws",
                "sse_url": f"{base}/realtime/sse",
                "events_url": f"{base}/realtime/events",
            },
        }
    )


def _address(call: Call) -> str:
    """Return the address that the client knows us by, also where a proxy speaks TLS for us."""
    forwarded, settings = call.forwarded, call.services.settings
    if not forwarded.host:
        forwarded = forwarded._replace(host=f"{settings.host}:{settings.port}")
    return forwarded.base


OPERATIONS = [
    Operation(
        "GET",
        "/config",
        Scope.USER,
        config,
        "How to connect",
        CONFIG,
        tag="Live",
        without_credentials=ErrorCode.API_KEY_NOT_PROVIDED,
    ),
    *not_built("POST /ws/auth"),
]
