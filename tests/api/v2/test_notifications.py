"""The user's notifications in v2: the same inbox as in v1, with pages by cursor, statuses and the same live events."""

from typing import Any

import httpx
import pytest

from tests.api.inbox import Inbox, messages, notification, send
from tests.api.live import message, open_inbox
from tests.servers import ADMIN, Gateway

PATH = "/v2/notifications"


async def titles(inbox: Inbox, query: str = "") -> list[str]:
    """Return the titles of a page."""
    return [item["title"] for item in (await inbox.get(f"{PATH}?{query}"))["data"]]


async def filled(inbox: Inbox) -> dict[str, str]:
    """Receive six notifications: two categories and topics, one read, one archived. Return their ids by title."""
    ids = {}
    for index, title in enumerate("abcdef"):
        category, topic = ("orders", "x/1") if index % 2 else (None, "x/2" if index == 2 else None)
        ids[title] = await inbox.receive(title, category=category, topic=topic)
    for title, command in (("b", "read"), ("c", "archive"), ("d", "archive")):
        assert (await inbox.request("POST", f"{PATH}/{ids[title]}/{command}")).status_code == 204
    return ids


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "fedcba"),
        ("status=unread", "fea"),
        ("status=read", "b"),
        ("status=archived", "dc"),
        ("category=orders", "fdb"),
        ("category=uncategorized", "eca"),
        ("topic=x/1", "fdb"),
        ("category=orders&topic=x/2", ""),
        ("category=orders&topic=x/1&status=unread", "f"),
        ("limit=2", "fe"),
        ("page[size]=2&category=orders", "fd"),
    ],
)
async def test_a_list_has_the_notifications_that_match(inbox: Inbox, query: str, expected: str) -> None:
    await filled(inbox)
    assert "".join(await titles(inbox, query)) == expected


async def test_the_count_is_that_of_the_status_unread(inbox: Inbox) -> None:
    await filled(inbox)
    for query, count in (("", 3), ("category=orders", 1), ("topic=x/1&category=orders", 1), ("topic=none", 0)):
        assert await inbox.get(f"{PATH}/unread/count?{query}") == {"count": count}


@pytest.mark.parametrize("names", [("page[size]", "page[before]"), ("limit", "ending_before")])
async def test_links_lead_through_the_list_and_back_although_a_cursors_notification_is_deleted(
    inbox: Inbox, names: tuple[str, str]
) -> None:
    ids = await filled(inbox)
    first = await inbox.get(f"{PATH}?{names[0]}=2&status=")
    assert first["links"]["prev"] is None
    await inbox.request("DELETE", f"/notifications/{ids['e']}")
    second = await inbox.get(first["links"]["next"])
    assert [item["title"] for item in second["data"]] == ["d", "c"]
    last = await inbox.get(second["links"]["next"])
    assert [item["title"] for item in last["data"]] == ["b", "a"]
    assert last["links"]["next"] is None
    assert await inbox.get(last["links"]["prev"]) == second
    assert [item["title"] for item in (await inbox.get(second["links"]["prev"]))["data"]] == ["f"]
    assert names[1] in httpx.QueryParams(second["links"]["prev"].partition("?")[2])
    by_id = await inbox.get(f"{PATH}?starting_after={ids['d'].upper()}&limit=1")
    assert [item["title"] for item in by_id["data"]] == ["c"]
    gone = await inbox.request("GET", f"{PATH}?page[after]={ids['e']}")
    assert (gone.status_code, messages(gone)) == (
        422,
        ["Param 'page[after]' is not the id of a notification of the user"],
    )


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("status=seen", "Param 'status' must be one of unread, read, archived"),
        ("page[after]=1", "Param 'page[after]' must be the id of an entry, or a cursor of `links`"),
        ("limit=101", "Param 'limit' must be a number from 1 to 100"),
        ("topic=" + "x" * 256, "Param 'topic' must be at most 255 characters"),
        ("categories=x", "Param 'categories' is not known; did you mean 'category'?"),
    ],
)
async def test_invalid_queries_are_refused(inbox: Inbox, query: str, message: str) -> None:
    response = await inbox.request("GET", f"{PATH}?{query}")
    assert (response.status_code, messages(response)) == (422, [message])


async def test_v1_and_v2_show_the_same_inbox(inbox: Inbox) -> None:
    sent = await inbox.receive(category="orders", custom_attributes={"n": 1}, content="C", action_url="https://x.y/")
    (old,) = (await inbox.get("/notifications"))["notifications"]
    response = await inbox.request("GET", PATH)
    (new,) = response.json()["data"]
    assert response.headers["X-Inbox-Position"].endswith(".1")
    assert new == await inbox.get(f"{PATH}/{sent}")
    assert new["user_id"] == old["recipient"]["id"]
    for name in ("id", "title", "content", "action_url", "category", "topic", "custom_attributes"):
        assert new[name] == old[name]
    await inbox.request("POST", f"{PATH}/{sent}/read", json=None)
    (read,) = (await inbox.get("/notifications"))["notifications"]
    assert read["read_at"]
    assert read["seen_at"]
    assert (await inbox.get(f"{PATH}/{sent}"))["read_at"]


async def test_a_broadcast_is_shown_with_its_content(inbox: Inbox) -> None:
    body = {"broadcast": {"title": "All", "content": "C", "recipients": [{"external_id": inbox.external_id}]}}
    await inbox.http.post("/broadcasts", headers=ADMIN, json=body)
    while not (found := await titles(inbox)):
        pass
    assert found == ["All"]


async def test_every_change_is_the_live_event_of_v1(inbox: Inbox, gateway: Gateway) -> None:
    ids = await filled(inbox)
    async with open_inbox(gateway, inbox.external_id) as socket:
        expected: list[tuple[str, str, dict[str, Any]]] = [
            (f"{ids['a']}/read", "notifications/read", {"id": ids["a"]}),
            (f"{ids['a']}/unread", "notifications/unread", {"id": ids["a"]}),
            (f"{ids['a']}/archive", "notifications/archive", {"id": ids["a"]}),
            (f"{ids['a']}/unarchive", "notifications/unarchive", {"id": ids["a"]}),
            ("read?category=orders", "notifications/read/all", {"filters": {"categories": ["orders"]}}),
            ("archive?topic=x/1", "notifications/archive/all", {"filters": {"topics": ["x/1"]}}),
            ("archive", "notifications/archive/all", {"filters": {}}),
        ]
        for path, name, data in expected:
            response = await inbox.request("POST", f"{PATH}/{path}", headers={"X-MAGICBELL-CLIENT-ID": "me"})
            assert (response.status_code, response.content) == (204, b"")
            event = await message(socket)
            assert event["name"] == name
            assert data.items() <= event["data"].items()
            assert event["data"]["client_id"] == "me"
    assert event["unarchived"] == {"unread_count": 0, "unseen_count": 0}
    assert sorted(await titles(inbox, "status=archived")) == list("abcdef")


@pytest.mark.parametrize("path", ["{id}", "{id}/read", "{id}/unread", "{id}/archive", "{id}/unarchive"])
async def test_another_users_notification_is_not_found(inbox: Inbox, path: str) -> None:
    others = (await send(inbox.http, notification(f"{inbox.external_id}-other"))).json()["notification"]["id"]
    for item_id in (others, "no-id"):
        method = "POST" if "/" in path else "GET"
        response = await inbox.request(method, f"{PATH}/{path.format(id=item_id)}")
        assert response.status_code == 404


async def test_a_call_without_credentials_gets_401_with_the_errors_of_v1(http: httpx.AsyncClient) -> None:
    response = await http.get(PATH)
    assert response.status_code == 401
    assert response.json()["errors"][0]["code"] == "api_key_not_provided"


async def test_the_api_secret_acts_for_a_user(inbox: Inbox) -> None:
    await inbox.receive()
    name = {"X-MAGICBELL-USER-EXTERNAL-ID": inbox.external_id}
    found: Any = (await inbox.http.get(PATH, headers=ADMIN | name)).json()
    assert len(found["data"]) == 1
