"""Devices: the tokens that push notifications would be sent to. They are stored; sending pushes is not built."""

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
from gateway.domain.objects import Object
from gateway.domain.params import Choice, Text
from gateway.store.devices import Device, DeviceStore
from gateway.store.event_log import Moment

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
    """The operations on the calling user's devices."""

    devices: DeviceStore
    now: Callable[[], Moment]

    async def register(self, call: UserCall) -> Response:
        """Register a device for the user. It is removed from another user of the project who had registered it.

        This version stores devices and does not send pushes to them.
        """
        values = call.fields(await call.body())
        device = Device(values["device_token"], values["platform"], values["app_bundle_id"] or None)
        device_id = await self.devices.register(call.user, device, self.now().now_ms, call.guard)
        registered = {"id": device_id, "device_token": device.token, "platform": device.platform}
        return json_response({"push_subscription": registered}, 201)

    async def unregister(self, call: UserCall) -> Response:
        """Unregister a device of the user."""
        if not await self.devices.unregister(call.user, call.text("device_token"), call.guard):
            raise not_found("Device")
        return no_content()


OPERATIONS = [
    Operation(
        "POST", "/push_subscriptions", USER, DevicesResource.register, "Register a device", REGISTERED, NEW_DEVICE
    ),
    Operation("DELETE", "/push_subscriptions/{device_token}", USER, DevicesResource.unregister, "Unregister a device"),
]
