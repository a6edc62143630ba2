"""Devices: registering the tokens that push notifications would go to. Sending pushes is not built."""

from typing import Literal

import msgspec
from starlette.responses import Response

from gateway.api.core.operation import Call, Operation, Scope, json_response, no_content
from gateway.api.core.params import Body, Choice, Object, Text
from gateway.api.core.schema import Answer, Uuid
from gateway.domain.errors import ErrorCode, api_error
from gateway.store.devices import Device

BODY = Body(
    "push_subscription",
    Object(
        required=True,
        name="NewPushSubscription",
        fields={
            "device_token": Text(required=True, max_length=255),
            "platform": Choice(required=True, options=("ios", "android", "safari")),
            "app_bundle_id": Text(max_length=155),
        },
    ),
    example={"device_token": "c2f1e0", "platform": "ios", "app_bundle_id": "com.example.app"},
)
"""What `POST /push_subscriptions` takes."""


class PushSubscription(msgspec.Struct):
    """A device of the user's."""

    id: Uuid
    device_token: str
    platform: Literal["ios", "android", "safari"]


class PushSubscriptionAnswer(msgspec.Struct):
    """One device."""

    push_subscription: PushSubscription


REGISTERED = Answer(201, "Registered", PushSubscriptionAnswer)


async def register(call: Call) -> Response:
    """Register a device for the user. It belongs to no other user any more."""
    values = call.fields(await call.body())
    device = Device(values["device_token"], values["platform"], values["app_bundle_id"] or None)
    device_id = await call.services.devices.register(call.user, device, call.services.moment().now_ms, call.guard)
    answer = {"id": device_id, "device_token": device.token, "platform": device.platform}
    return json_response({"push_subscription": answer}, 201)


async def unregister(call: Call) -> Response:
    """Unregister a device of the user."""
    if not await call.services.devices.unregister(call.user, call.text("device_token"), call.guard):
        raise api_error(ErrorCode.NOT_FOUND, "Device not found")
    return no_content()


OPERATIONS = [
    Operation("POST", "/push_subscriptions", Scope.USER, register, "Register a device", REGISTERED, BODY),
    Operation("DELETE", "/push_subscriptions/{device_token}", Scope.USER, unregister, "Unregister a device"),
]
