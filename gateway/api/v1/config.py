"""How an inbox widget connects."""

import re
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from gateway.api.core.call import USER, UserCall
from gateway.api.core.operation import Operation
from gateway.api.core.responses import json_response
from gateway.api.core.schema import Hash, ResponseSpec
from gateway.api.core.unbuilt import not_built
from gateway.channels import inbox
from gateway.channels.provider import Provider
from gateway.channels.registry import PROVIDERS
from gateway.domain.errors import ErrorCode
from gateway.domain.preferences import Channel
from gateway.domain.principal import User
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.installations import InstallationStore
from gateway.store.integrations import IntegrationStore


class ChannelConfig(msgspec.Struct):
    """The live connection in the terms of the v1 contract. This gateway does not need it."""

    region: str
    channel: str
    auth_url: str


class InboxConfig(msgspec.Struct):
    """The features and the look of the inbox widget.

    The look is what the user or the project has saved for the `inbox` integration. A part that neither has is absent.
    """

    features: Hash
    images: Hash | UnsetType = UNSET
    locale: str | UnsetType = UNSET
    theme: Hash | UnsetType = UNSET


class ChannelSetting(msgspec.Struct):
    """Whether a channel is enabled."""

    enabled: bool


class ChannelsConfig(msgspec.Struct):
    """The delivery channels besides the inbox. v1 has web push only; the others are an extension.

    A channel is enabled if the project has an integration that sends by it, or if the user has registered a token that
    needs none. Web push is enabled once the project has a key pair: one that it saved, or the one that is made for the
    first browser that subscribes.
    """

    mobile_push: ChannelSetting
    web_push: ChannelSetting
    email: ChannelSetting
    slack: ChannelSetting
    sms: ChannelSetting
    teams: ChannelSetting


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

    installations: InstallationStore
    integrations: IntegrationStore
    tokens: ChannelTokenStore
    own_host: str

    async def get(self, call: UserCall) -> Response:
        """Return how an inbox widget connects and looks: the fields of v1, and the addresses of the live transports.

        Its theme, locale and images are those of the `inbox` integration: the user's, or else the project's.
        `channels` has the other channels by which notifications can reach the user.
        """
        look = await inbox_of(self.installations, self.integrations, call)
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
                "inbox": {"features": {}, **{name: part for name, part in look.items() if part is not None}},
                "channels": await self._channels(call),
                "realtime": {
                    "protocol": "inbox.v1",
                    "websocket_url": f"{websocket_base}/realtime/ws",
                    "sse_url": f"{base}/realtime/sse",
                    "events_url": f"{base}/realtime/events",
                },
            }
        )

    async def _channels(self, call: UserCall) -> dict[str, dict[str, bool]]:
        """Return whether each channel besides the inbox is enabled."""
        saved = {kind.name for kind, _ in await self.integrations.all(call.project.id)}
        enabled = {each.channel for each in PROVIDERS if each.integration and each.integration.name in saved}
        for provider in PROVIDERS:
            needs_token = provider.integration is None or provider.optional_integration
            if needs_token and provider.channel not in enabled and await self._has_token(call.user, provider):
                enabled.add(provider.channel)
        return {channel.value: {"enabled": channel in enabled} for channel in Channel if channel is not Channel.IN_APP}

    async def _has_token(self, user: User, provider: Provider) -> bool:
        """Return whether a user has registered a token that a provider serves."""
        for kind in provider.tokens:
            if (await self.tokens.page(user, kind, 1, None, None, live_only=True)).tokens:
                return True
        return False

    def _base(self, call: UserCall) -> str:
        """Return the address at which the client reached the gateway, also behind a proxy that terminates TLS."""
        forwarded = call.forwarded
        return (forwarded if forwarded.host else forwarded._replace(host=self.own_host)).base


async def inbox_of(installations: InstallationStore, integrations: IntegrationStore, call: UserCall) -> dict[str, Any]:
    """Return the look of the user's inbox. Each part is the user's, the project's if the user has none, or null."""
    kind = inbox.INSTALLATION
    own = await installations.read(call.user, kind.place({}), call.guard)
    of_project = await integrations.cached(call.project.id, inbox.INTEGRATION)
    found: dict[str, Any] = dict.fromkeys(kind.nullable)
    for each in (of_project, own):
        found |= {name: part for name, part in each.plain.items() if name in found} if each is not None else {}
    return found


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
    # Clients of the v1 contract ask here for a token of Ably, a hosted service, and connect to Ably with it. The
    # gateway has live connections of its own instead, whose addresses are in GET /config.
    *not_built("POST /ws/auth"),
]
