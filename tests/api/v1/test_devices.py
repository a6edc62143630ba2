"""Devices: registering a token, moving it to another user, unregistering it."""

from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
import pytest

from tests.api.inbox import Inbox, code, messages
from tests.servers import ADMIN

PATH = "/push_subscriptions"


def body(**fields: Any) -> dict[str, Any]:
    """Return the body of a registration."""
    return {"push_subscription": fields}


async def register(inbox: Inbox, token: str, platform: str = "ios", **more: str) -> dict[str, Any]:
    """Register a device, and return the response."""
    response = await inbox.request("POST", PATH, json=body(device_token=token, platform=platform, **more))
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    assert found.keys() == {"push_subscription"}
    device: dict[str, Any] = found["push_subscription"]
    return device


async def unregister(inbox: Inbox, token: str) -> int:
    """Unregister a device, and return the status."""
    response = await inbox.request("DELETE", f"{PATH}/{quote(token, safe='')}", content=b"null")
    if response.status_code == 404:
        assert (code(response), messages(response)) == ("not_found", ["Device not found"])
    else:
        assert response.content == b""
    return response.status_code


@pytest.mark.parametrize("platform", ["ios", "android", "safari"])
async def test_the_response_to_a_registration_has_the_id_of_the_device(inbox: Inbox, platform: str) -> None:
    device = await register(inbox, inbox.external_id, platform, app_bundle_id="x" * 155)
    assert device == {"id": device["id"], "device_token": inbox.external_id, "platform": platform}
    assert UUID(device["id"])
    assert await register(inbox, inbox.external_id, platform) == device


async def test_a_device_is_unregistered_once(inbox: Inbox) -> None:
    await register(inbox, inbox.external_id)
    assert await unregister(inbox, inbox.external_id) == 204
    assert await unregister(inbox, inbox.external_id) == 404


async def test_a_device_that_was_never_registered_returns_404(inbox: Inbox) -> None:
    for token in ("never", "\n"):
        assert await unregister(inbox, token) == 404


async def test_a_user_may_have_several_devices(inbox: Inbox) -> None:
    one, other = [await register(inbox, f"{inbox.external_id}-{number}") for number in range(2)]
    assert one["id"] != other["id"]
    assert await unregister(inbox, one["device_token"]) == 204
    assert await unregister(inbox, other["device_token"]) == 204


@pytest.mark.parametrize("token", ["a:b_c-d", "a/b", "/a//b/", "100 %+", "ü", "x" * 255])
async def test_a_token_may_hold_any_characters(inbox: Inbox, token: str) -> None:
    assert (await register(inbox, token))["device_token"] == token
    assert await unregister(inbox, token) == 204


@pytest.mark.parametrize("platform", ["ios", "android"])
async def test_a_device_moves_to_the_next_user_that_registers_it(inbox: Inbox, platform: str) -> None:
    bob, token = Inbox(inbox.http, f"{inbox.external_id}-bob"), inbox.external_id
    first = await register(inbox, token)
    second = await register(bob, token, platform)
    assert second["id"] != first["id"]
    assert await unregister(inbox, token) == 404
    assert await unregister(bob, token) == 204


async def test_a_user_cannot_unregister_another_users_device(inbox: Inbox) -> None:
    bob = Inbox(inbox.http, f"{inbox.external_id}-bob")
    await register(inbox, inbox.external_id)
    assert await unregister(bob, inbox.external_id) == 404
    assert await unregister(inbox, inbox.external_id) == 204


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({}, ["' is missing"]),
        ({"push_subscription": []}, ["' must be a hash"]),
        (body(), [".device_token' is missing", ".platform' is missing"]),
        (
            body(device_token=" ", platform="windows", app_bundle_id=5),
            [
                ".device_token' is missing",
                ".platform' must be one of ios, android, safari",
                ".app_bundle_id' must be a string",
            ],
        ),
        (
            body(device_token="x" * 256, platform="", app_bundle_id="x" * 156),
            [
                ".device_token' must have at most 255 characters",
                ".platform' must be one of ios, android, safari",
                ".app_bundle_id' must have at most 155 characters",
            ],
        ),
    ],
)
async def test_a_bad_registration_is_refused_and_every_field_named(
    inbox: Inbox, sent: Any, expected: list[str]
) -> None:
    response = await inbox.request("POST", PATH, json=sent)
    assert response.status_code == 422
    assert messages(response) == [f"Param 'push_subscription{problem}" for problem in expected]


@pytest.mark.parametrize(("method", "path"), [("POST", PATH), ("DELETE", f"{PATH}/token")])
async def test_a_project_without_a_user_has_no_devices(http: httpx.AsyncClient, method: str, path: str) -> None:
    assert (await http.request(method, path, headers=ADMIN, json={})).status_code == 401
