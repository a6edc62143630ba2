"""Notification preferences: what is listed, what is refused, and what reaches the inbox."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.store.categories import MAX_CATEGORIES
from tests.api.inbox import Inbox, code, messages, notification, send
from tests.api.live import message, open_inbox
from tests.servers import ADMIN, Gateway, running_gateway, user_headers

PATH = "/notification_preferences"

CHANNELS = {
    "in_app": "In app",
    "mobile_push": "Mobile push",
    "web_push": "Web push",
    "email": "Email",
    "slack": "Slack",
    "sms": "SMS",
}


def category(slug: str, label: str, *off: str) -> dict[str, Any]:
    """Return a category in the form of responses."""
    channels = [{"slug": name, "label": text, "enabled": name not in off} for name, text in CHANNELS.items()]
    return {"slug": slug, "label": label, "channels": channels}


def switched(slug: str, **channels: Any) -> dict[str, Any]:
    """Return a category in the form of requests."""
    return {"slug": slug, "channels": [{"slug": name, "enabled": value} for name, value in channels.items()]}


def body(*categories: Any) -> dict[str, Any]:
    """Return the body of a PUT."""
    return {"notification_preferences": {"categories": list(categories)}}


async def put(inbox: Inbox, *categories: Any, **headers: str) -> list[dict[str, Any]]:
    """Update preferences, and return the categories of the response."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = await inbox.request("PUT", PATH, headers=named, json=body(*categories))
    assert response.status_code == 200, response.text
    return categories_of(response.json())


async def get(inbox: Inbox) -> list[dict[str, Any]]:
    """Fetch preferences, and return the categories."""
    return categories_of(await inbox.get(PATH))


def categories_of(response: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the categories in a response."""
    assert response.keys() == {"notification_preferences"}
    assert response["notification_preferences"].keys() == {"categories"}
    found: list[dict[str, Any]] = response["notification_preferences"]["categories"]
    return found


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway for this module: other tests send more categories than a project may have."""
    with running_gateway(tmp_path_factory.mktemp("preferences") / "data") as started:
        yield started


@pytest.fixture
def mine(request: pytest.FixtureRequest) -> str:
    """A category that no other test sends."""
    return f"{request.node.name.replace('_', '-')[:90]}-x"


# ---- what is listed


async def test_a_category_is_listed_once_the_project_has_sent_it(inbox: Inbox, mine: str) -> None:
    assert mine not in [one["slug"] for one in await get(inbox)]
    await send(inbox.http, notification(f"{inbox.external_id}-other", category=mine))
    (listed,) = [one for one in await get(inbox) if one["slug"] == mine]
    assert listed == category(mine, mine.replace("-", " ").capitalize())


async def test_a_notification_without_a_category_adds_none(inbox: Inbox) -> None:
    before = await get(inbox)
    await inbox.receive()
    await inbox.receive(category="uncategorized")
    assert await get(inbox) == before


async def test_a_put_returns_all_categories_with_all_channels(inbox: Inbox, mine: str) -> None:
    await inbox.receive(category=mine)
    response = await put(inbox, switched("new_message", email=False, in_app=True))
    found = {one["slug"]: one for one in response}
    assert found["new_message"] == category("new_message", "New message", "email")
    assert found[mine] == category(mine, mine.replace("-", " ").capitalize())
    assert list(found) == sorted(found)
    assert await get(inbox) == response


async def test_channels_that_a_put_leaves_out_stay_as_they_are(inbox: Inbox) -> None:
    await put(inbox, switched("a", email=False, sms=False))
    response = await put(inbox, switched("a", sms=True), switched("b", slack=False))
    found = {one["slug"]: one for one in response}
    assert (found["a"], found["b"]) == (category("a", "A", "email"), category("b", "B", "slack"))


async def test_the_last_change_of_a_category_applies(inbox: Inbox) -> None:
    response = await put(inbox, switched("a", email=False, sms=False), switched("a", email=True))
    assert {one["slug"]: one for one in response}["a"] == category("a", "A", "sms")


async def test_a_response_can_be_sent_back_as_a_request(inbox: Inbox) -> None:
    await put(inbox, switched("a", email=False))
    fetched = await inbox.get(PATH)
    response = await inbox.request("PUT", PATH, json=fetched)
    assert response.json() == fetched


async def test_an_empty_list_changes_nothing(inbox: Inbox) -> None:
    assert await put(inbox) == await get(inbox)


# ---- what is refused

ROOT = "Param 'notification_preferences"
SLUGS = "in_app, mobile_push, web_push, email, slack, sms"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({}, [f"{ROOT}' is missing"]),
        ({"notification_preferences": []}, [f"{ROOT}' must be a hash"]),
        ({"notification_preferences": {}}, [f"{ROOT}.categories' is missing"]),
        ({"notification_preferences": {"categories": {}}}, [f"{ROOT}.categories' must be an array"]),
        (body(None), [f"{ROOT}.categories[0]' is missing"]),
        (body("a"), [f"{ROOT}.categories[0]' must be a hash"]),
        (body({"channels": []}), [f"{ROOT}.categories[0].slug' is missing"]),
        (body({"slug": " ", "channels": []}), [f"{ROOT}.categories[0].slug' is missing"]),
        (body({"slug": "a"}), [f"{ROOT}.categories[0].channels' is missing"]),
        (body(switched("x" * 101)), [f"{ROOT}.categories[0].slug' must have at most 100 characters"]),
        (body(*[switched(str(number)) for number in range(MAX_CATEGORIES + 1)]),
         [f"{ROOT}.categories' must have 0 to {MAX_CATEGORIES} items"]),
        (
            body(switched("a", in_app=1, pigeon=True), {"slug": 5, "channels": [None, {"slug": ["email"]}]}),
            [
                f"{ROOT}.categories[0].channels[0].enabled' must be true or false",
                f"{ROOT}.categories[0].channels[1].slug' must be one of {SLUGS}",
                f"{ROOT}.categories[1].slug' must be a string",
                f"{ROOT}.categories[1].channels[0]' is missing",
                f"{ROOT}.categories[1].channels[1].slug' must be one of {SLUGS}",
                f"{ROOT}.categories[1].channels[1].enabled' is missing",
            ],
        ),
    ],
)  # fmt: skip
async def test_a_bad_body_is_refused_and_every_field_named(inbox: Inbox, sent: Any, expected: list[str]) -> None:
    before = await get(inbox)
    response = await inbox.request("PUT", PATH, json=sent)
    assert (response.status_code, messages(response)) == (422, expected)
    assert await get(inbox) == before


async def test_the_number_of_categories_with_preferences_is_bounded(inbox: Inbox) -> None:
    await put(inbox, *[switched(f"{number}") for number in range(MAX_CATEGORIES)])
    response = await inbox.request("PUT", PATH, json=body(switched("one-more")))
    assert (response.status_code, messages(response)) == (
        422,
        [f"{ROOT}.categories' would leave the user with more than {MAX_CATEGORIES} categories"],
    )


async def test_a_body_that_is_not_json_is_refused(inbox: Inbox) -> None:
    assert (await inbox.request("PUT", PATH, content=b"{")).status_code == 400


# ---- what reaches the inbox


async def test_no_notification_of_a_category_reaches_the_inbox_while_in_app_is_off(inbox: Inbox) -> None:
    await put(inbox, switched("news", in_app=False))
    start = (await inbox.events())["position"]
    response = await send(inbox.http, notification(inbox.external_id, title="muted", category="news"))
    assert response.status_code == 201
    await inbox.receive("other", category="orders")
    await inbox.receive("none")
    page = await inbox.page()
    assert [item["title"] for item in page["notifications"]] == ["none", "other"]
    assert (page["total"], page["unread_count"], page["unseen_count"]) == (2, 2, 2)
    events = await inbox.events(start)
    assert [event["data"]["notification"]["title"] for event in events["events"]] == ["other", "none"]

    await put(inbox, switched("news", in_app=True))
    await inbox.receive("delivered", category="news")
    assert await inbox.titles() == ["delivered", "none", "other"]


async def test_other_channels_do_not_affect_the_inbox(inbox: Inbox) -> None:
    await put(inbox, switched("news", mobile_push=False, web_push=False, email=False, slack=False, sms=False))
    await inbox.receive("delivered", category="news")
    assert await inbox.titles() == ["delivered"]


async def test_uncategorized_stands_for_notifications_without_a_category(inbox: Inbox) -> None:
    response = await put(inbox, switched("uncategorized", in_app=False))
    assert category("uncategorized", "Uncategorized", "in_app") in response
    await inbox.receive("muted")
    await inbox.receive("delivered", category="news")
    assert await inbox.titles() == ["delivered"]


async def test_existing_items_stay(inbox: Inbox) -> None:
    await inbox.receive("before", category="news")
    await put(inbox, switched("news", in_app=False))
    assert await inbox.titles() == ["before"]


async def test_preferences_of_one_user_do_not_affect_another(inbox: Inbox) -> None:
    bob = Inbox(inbox.http, f"{inbox.external_id}-bob")
    await put(inbox, switched("news", in_app=False))
    assert category("news", "News", "in_app") not in await get(bob)
    await send(inbox.http, notification(inbox.external_id, bob.external_id, category="news", title="for both"))
    assert (await inbox.titles(), await bob.titles()) == ([], ["for both"])


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_project_without_a_user_has_no_preferences(http: httpx.AsyncClient, method: str) -> None:
    assert (await http.request(method, PATH, headers=ADMIN, json=body())).status_code == 401


async def test_the_api_secret_reads_preferences_of_a_known_user_only(http: httpx.AsyncClient, user: str) -> None:
    headers = ADMIN | {"X-MAGICBELL-USER-EXTERNAL-ID": user}
    for _ in range(2):  # the first call creates no user
        unknown = await http.get(PATH, headers=headers)
        assert (unknown.status_code, code(unknown)) == (401, "user_not_found")
    assert (await http.get(PATH, headers=user_headers(user))).status_code == 200
    assert (await http.get(PATH, headers=headers)).status_code == 200


# ---- live


async def test_an_open_inbox_receives_changed_preferences_in_order_and_with_counts(
    inbox: Inbox, gateway: Gateway
) -> None:
    await inbox.receive("before", category="news")
    async with (
        open_inbox(gateway, inbox.external_id) as socket,
        open_inbox(gateway, f"{inbox.external_id}-bob") as other,
    ):
        await put(inbox, switched("news", in_app=False), switched("other"), X_MAGICBELL_CLIENT_ID="tab 1")
        await send(inbox.http, notification(inbox.external_id, title="muted", category="news"))
        await send(inbox.http, notification(inbox.external_id, f"{inbox.external_id}-bob", title="delivered"))
        event, after = await message(socket), await message(socket)
        assert (event["type"], event["name"]) == ("event", "notification_preferences/update")
        assert event["data"] == {
            "notification_preferences": {"categories": [category("news", "News", "in_app")]},
            "client_id": "tab 1",
        }
        assert (event["unread_count"], event["unseen_count"]) == (1, 1)
        assert event["unarchived"] == {"unread_count": 1, "unseen_count": 1}
        assert (after["name"], after["data"]["notification"]["title"]) == ("notifications/new", "delivered")
        offsets = [int(one["position"].rpartition(".")[2]) for one in (event, after)]
        assert offsets[1] == offsets[0] + 1
        assert (await message(other))["data"]["notification"]["title"] == "delivered"
        pulled = await inbox.events()
        assert pulled["position"] == after["position"]


async def test_an_update_that_changes_nothing_makes_no_event(inbox: Inbox) -> None:
    await put(inbox, switched("news", in_app=False))
    start = (await inbox.events())["position"]
    await put(inbox, switched("news", in_app=False), switched("new", sms=True))
    assert (await inbox.events(start))["events"] == []
