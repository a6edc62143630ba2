"""Preferences in v2: one store with those of v1, and what is refused."""

from typing import Any

import pytest

from tests.api.inbox import Inbox, messages
from tests.api.live import message, open_inbox
from tests.servers import Gateway

PATH, V1_PATH = "/v2/channels/user_preferences", "/notification_preferences"
CHANNELS = ["in_app", "mobile_push", "web_push", "email", "slack", "sms", "teams"]


def switched(key: str, **channels: Any) -> dict[str, Any]:
    """Return a category in the form of requests."""
    return {"key": key, "channels": [{"name": name, "enabled": value} for name, value in channels.items()]}


async def put(inbox: Inbox, *categories: Any) -> dict[str, list[str]]:
    """Update preferences, and return the disabled channels of each category in the response."""
    response = await inbox.request("PUT", PATH, json={"categories": list(categories)})
    assert response.status_code == 200, response.text
    assert response.json() == await inbox.get(PATH)
    return {
        category["key"]: [channel["name"] for channel in category["channels"] if not channel["enabled"]]
        for category in response.json()["categories"]
    }


async def test_a_put_changes_the_channels_that_it_names_and_returns_all_categories(inbox: Inbox) -> None:
    assert (await put(inbox, switched("p-a", email=False, teams=False)))["p-a"] == ["email", "teams"]
    after = await put(inbox, switched("p-a", email=True), switched("p-b", in_app=False), switched("p-b", slack=False))
    assert (after["p-a"], after["p-b"]) == (["teams"], ["in_app", "slack"])
    (category,) = [one for one in (await inbox.get(PATH))["categories"] if one["key"] == "p-b"]
    assert category["label"] == "P b"
    assert [channel["name"] for channel in category["channels"]] == CHANNELS
    assert await put(inbox, category) == after, "a response can be sent back"


async def test_the_preferences_of_v1_are_the_same_except_for_teams(inbox: Inbox) -> None:
    await put(inbox, switched("p-a", email=False, teams=False))
    (old,) = [
        one for one in (await inbox.get(V1_PATH))["notification_preferences"]["categories"] if one["slug"] == "p-a"
    ]
    assert {channel["slug"]: channel["enabled"] for channel in old["channels"]} == {
        name: name != "email" for name in CHANNELS[:-1]
    }
    await inbox.request("PUT", V1_PATH, json={"notification_preferences": {"categories": [old]}})
    assert (await put(inbox))["p-a"] == ["email", "teams"]


async def test_events_list_teams_only_while_and_when_it_is_switched(inbox: Inbox, gateway: Gateway) -> None:
    async with open_inbox(gateway, inbox.external_id) as socket:
        for changes, listed in (
            ({"email": False}, None),
            ({"teams": False}, False),
            ({"email": True}, False),
            ({"teams": True}, True),
            ({"slack": False}, None),
        ):
            await put(inbox, switched("p-a", **changes))
            (changed,) = (await message(socket))["data"]["notification_preferences"]["categories"]
            slugs = [channel["slug"] for channel in changed["channels"]]
            assert slugs == (CHANNELS[:-1] if listed is None else CHANNELS)
            assert listed is None or changed["channels"][-1] == {"slug": "teams", "label": "Teams", "enabled": listed}


async def test_a_disabled_inbox_takes_no_notifications_and_the_change_is_a_live_event(
    inbox: Inbox, gateway: Gateway
) -> None:
    async with open_inbox(gateway, inbox.external_id) as socket:
        await put(inbox, switched("p-quiet", in_app=False))
        assert (await message(socket))["name"] == "notification_preferences/update"
    await inbox.receive(category="p-quiet")
    assert (await inbox.page())["total"] == 0


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, "Param 'categories' is missing"),
        (
            {"categories": [switched("a", fax=True)]},
            f"Param 'categories[0].channels[0].name' must be one of {', '.join(CHANNELS)}",
        ),
        ({"categories": [{"key": "a"}]}, "Param 'categories[0].channels' is missing"),
        (
            {"categories": [switched("a", email=1)]},
            "Param 'categories[0].channels[0].enabled' must be true or false",
        ),
        ({"categories": [switched("x" * 101)]}, "Param 'categories[0].key' must have at most 100 characters"),
        ({"categories": [switched("a")] * 251}, "Param 'categories' must have 0 to 250 items"),
        (
            {"categories": [switched(f"c{number}", email=True) for number in range(200)]},
            "Param 'categories' would leave the user with more than 250 categories",
        ),
        (
            {"categories": [{"slug": "a", "key": "a", "channels": []}]},
            "Param 'categories[0].slug' is not known",
        ),
    ],
)
async def test_invalid_preferences_are_refused_and_change_nothing(
    inbox: Inbox, body: dict[str, Any], expected: str
) -> None:
    await put(inbox, *(switched(f"d{number}", email=False) for number in range(100)))
    before = await inbox.get(PATH)
    response = await inbox.request("PUT", PATH, json=body)
    assert (response.status_code, messages(response)) == (422, [expected])
    assert await inbox.get(PATH) == before
