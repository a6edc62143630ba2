"""How an inbox widget connects."""

import re
from dataclasses import dataclass

import msgspec
from starlette.responses import Response

from gateway.api.core.call import USER, UserCall
from gateway.api.core.operation import Operation
from gateway.api.core.responses import json_response
from gateway.api.core.schema import Hash, ResponseSpec
from gateway.api.core.unbuilt import not_built
from gateway.domain.errors import ErrorCode
from gateway.store.inbox import InboxStore


class ChannelConfig(msgspec.Struct):
    """The live connection in the terms of the v1 contract. This gateway does not need it."""

    region: str
    channel: str
    auth_url: str


class InboxConfig(msgspec.Struct):
    """The features of the inbox widget."""

    features: Hash


class WebPushConfig(msgspec.Struct):
    """Whether this gateway delivers web push."""

    enabled: bool


class ChannelsConfig(msgspec.Struct):
    """The delivery channels besides the inbox."""

    web_push: WebPushConfig


class RealtimeConfig(msgspec.Struct):
    """The addresses of the live transports."""

    protocol: str
    websocket_url: str
    sse_url: str
    events_url: str


class Config(msgspec.Struct):
    """How an inbox widget connects."""

    ws: ChannelConfig
    inbox: InboxConfig
    channels: ChannelsConfig
    realtime: RealtimeConfig


CONFIG = ResponseSpec(200, "The addresses", Config)


@dataclass(frozen=True, slots=True)
class ConfigResource:
    """The operation on the configuration. `own_host` is used where the client's request names no host."""

    inboxes: InboxStore
    own_host: str

    async def get(self, call: UserCall) -> Response:
        """Return how an inbox widget connects: the fields of v1, and the addresses of the live transports."""
        await self.inboxes.use(call.user, call.guard)
        base = self._base(call)
        websocket_base = re.sub(r"^http", "ws", base)
        return json_response(
            {
                "ws": {
                    "region": "",
                    "channel": f"projects:{call.project.id}:users:{call.user.id}",
                    # A path, not a URL: clients append it to the address that they use.
                    "auth_url": "/ws/auth",
                },
                "inbox": {"features": {}},
                "channels": {"web_push": {"enabled": False}},
                "realtime": {
                    "protocol": "inbox.v1",
                    "websocket_url": f"{websocket_base}/realtime/ws",
                    "sse_url": f"{base}/realtime/sse",
                    "events_url": f"{base}/realtime/events",
                },
            }
        )

    def _base(self, call: UserCall) -> str:
        """Return the address at which the client reached the gateway, also behind a proxy that terminates TLS."""
        forwarded = call.forwarded
        return (forwarded if forwarded.host else forwarded._replace(host=self.own_host)).base


OPERATIONS: list[Operation[ConfigResource]] = [
    Operation(
        "GET",
        "/config",
        USER,
        ConfigResource.get,
        "How to connect",
        CONFIG,
        tag="Live",
        without_credentials=ErrorCode.API_KEY_NOT_PROVIDED,
    ),
    *not_built("POST /ws/auth"),
]
