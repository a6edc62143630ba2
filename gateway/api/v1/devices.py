"""Devices of v1: channel tokens of push services, named by platform."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec
from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import USER, UserCall
from gateway.api.core.operation import Operation
from gateway.api.core.problems import not_found
from gateway.api.core.responses import json_response, no_content
from gateway.api.core.schema import ResponseSpec, Uuid
from gateway.api.v1.channel_token_events import write_discarded, write_registration
from gateway.domain.objects import Object
from gateway.domain.params import Choice, Text
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.event_log import Moment
from gateway.store.former_devices import KINDS_BY_PLATFORM, device_values
from gateway.store.project_events import ProjectEvents

NEW_DEVICE = Body(
    "push_subscription",
    Object(
        required=True,
        name="NewPushSubscription",
        fields={
            "device_token": Text(required=True, max_length=255, description="The token of the push service."),
            "platform": Choice(required=True, options=("ios", "android", "safari")),
            "app_bundle_id": Text(max_length=155, description="The bundle id of the app on an Apple platform."),
        },
    ),
    example={"device_token": "c2f1e0", "platform": "ios", "app_bundle_id": "com.example.app"},
)


class PushSubscription(msgspec.Struct):
    """A device of the user."""

    id: Uuid
    device_token: str
    platform: Literal["ios", "android", "safari"]


class PushSubscriptionAnswer(msgspec.Struct):
    """One device."""

    push_subscription: PushSubscription


REGISTERED = ResponseSpec(201, "Registered", PushSubscriptionAnswer)


@dataclass(frozen=True, slots=True)
class DevicesResource:
    """The operations on the calling user's devices. Devices are channel tokens, which v2 has operations for."""

    tokens: ChannelTokenStore
    events: ProjectEvents
    now: Callable[[], Moment]

    async def register(self, call: UserCall) -> Response:
        """Register a device for the user. It is removed from another user of the project who had registered it, and
        from its previous platform.

        The device is a channel token of APNs or FCM, as `GET /v2/channels/mobile_push/…/tokens` lists it. Apple no
        longer delivers to the tokens of Safari: they are stored.
        """
        fields = call.fields(await call.body())
        token, platform = fields["device_token"], fields["platform"]
        kind = KINDS_BY_PLATFORM[platform]
        values = device_values(token, fields["app_bundle_id"] or None, kind)
        stored = await self.tokens.register(
            call.user, kind, values, self.now().now_ms, call.guard, same_of=tuple(KINDS_BY_PLATFORM.values())
        )
        await write_registration(self.events, call.user, kind, stored)
        registered = {"id": stored.token.id, "device_token": token, "platform": platform}
        return json_response({"push_subscription": registered}, 201)

    async def unregister(self, call: UserCall) -> Response:
        """Unregister a device of the user. Its channel token is discarded."""
        token, now_ms, guard = call.text("device_token"), self.now().now_ms, call.guard
        found = False
        for kind in KINDS_BY_PLATFORM.values():
            values = device_values(token, None, kind)
            token_id = await self.tokens.discard_same(call.user, kind, values, now_ms, guard)
            guard = guard.uncounted
            if token_id is not None:
                found = True
                await write_discarded(self.events, call.user, kind, token_id, "request")
        if not found:
            raise not_found("Device")
        return no_content()


OPERATIONS = [
    Operation(
        "POST", "/push_subscriptions", USER, DevicesResource.register, "Register a device", REGISTERED, NEW_DEVICE
    ),
    Operation("DELETE", "/push_subscriptions/{device_token}", USER, DevicesResource.unregister, "Unregister a device"),
]
