"""What was sent: the list, what became of one notification, and its recipients."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from tests.api.projects import Project, command, project_of
from tests.servers import Gateway

Found = Mapping[str, Any]


@pytest.fixture
def project(gateway: Gateway) -> Project:
    """A project of this test's own."""
    return project_of(command(gateway, "project", "create", "sent"))


class Desk:
    """Sends in a project, and reads what was sent."""

    def __init__(self, http: httpx.AsyncClient, project: Project):
        self.http, self.admin = http, project.admin

    async def send(self, *recipients: Any, title: str = "Hello", **fields: Any) -> str:
        named = [{"external_id": each} if isinstance(each, str) else each for each in recipients]
        body = {"notification": {"title": title, "recipients": named, **fields}}
        response = await self.http.post("/notifications", headers=self.admin, json=body)
        return str(response.raise_for_status().json()["notification"]["id"])

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        response = await self.http.get(path, headers=self.admin, params=query)
        found: dict[str, Any] = response.raise_for_status().json()
        return found

    async def listed(self, is_complete: Callable[[list[Found]], bool], **query: Any) -> list[Found]:
        async with asyncio.timeout(20):
            while True:
                found: list[Found] = (await self.get("/v2/sent", **query))["data"]
                if is_complete(found):
                    return found
                await asyncio.sleep(0.02)

    async def ids(self, count: int, **query: Any) -> list[str]:
        return [each["id"] for each in await self.listed(lambda found: len(found) >= count, **query)]

    async def act(self, user: str, path: str) -> None:
        headers = {**self.admin, "X-MAGICBELL-USER-EXTERNAL-ID": user}
        (await self.http.post(path, headers=headers)).raise_for_status()


@pytest.fixture
def desk(http: httpx.AsyncClient, project: Project) -> Desk:
    return Desk(http, project)


async def test_each_request_is_one_entry_with_its_audience_and_what_became_of_it(desk: Desk) -> None:
    one = await desk.send("ada", title="One", category="billing", topic="t:1")
    several = await desk.send("ada", "bob", "cyd", "cyd", title="Several", category="news")
    await desk.act("bob", f"/notifications/{several}/read")
    broadcast = await desk.send({"matches": "*"}, title="All", category="news")
    found = await desk.listed(lambda found: len(found) == 3 and found[0]["status"] == "processed")
    assert [each["id"] for each in found] == [broadcast, several, one]
    everyone, many, single = found
    assert single["user"]["external_id"] == "ada"
    assert [single[name] for name in ("title", "category", "topic", "audience", "stored", "suppressed")] == [
        *("One", "billing", "t:1", "user", 1, 0)
    ]
    assert [many[name] for name in ("title", "audience", "recipients", "stored", "sampled", "read_percent")] == [
        *("Several", "users", 4, 3, 3, 33.3)
    ]
    assert [everyone[name] for name in ("title", "audience", "is_broadcast", "recipients", "read_percent")] == [
        *("All", "everyone", True, 3, 0.0)
    ]


async def test_the_list_is_filtered_and_paged(desk: Desk) -> None:
    sent = [await desk.send("ada" if number % 2 else "bob", category=f"c{number % 3}") for number in range(7)]
    sent.append(await desk.send({"matches": "*"}, category="c1"))
    newest = sent[::-1]
    assert await desk.ids(8) == newest
    assert await desk.ids(3, category="c1") == [newest[0], sent[4], sent[1]]
    assert await desk.ids(3, user="external_id:ada") == [sent[5], sent[3], sent[1]]
    assert await desk.ids(0, user="external_id:nobody") == []
    assert await desk.ids(1, broadcast="true") == newest[:1]
    assert await desk.ids(7, broadcast="false") == newest[1:]
    assert await desk.ids(0, until=1) == await desk.ids(0, since=(1 << 33)) == []
    assert await desk.ids(8, since=1) == newest
    seen: list[str] = []
    page = await desk.get("/v2/sent", limit=3)
    while True:
        seen += [each["id"] for each in page["data"]]
        if page["links"]["next"] is None:
            break
        page = await desk.get("/v2/sent", **dict(parse_qsl(urlsplit(page["links"]["next"]).query)))
    assert seen == newest
    page = await desk.get("/v2/sent", **dict(parse_qsl(urlsplit(page["links"]["prev"]).query)))
    assert [each["id"] for each in page["data"]] == newest[3:6]


async def test_what_a_preference_keeps_out_is_listed_without_its_title(desk: Desk) -> None:
    await desk.send("ada", category="ads")
    headers = {**desk.admin, "X-MAGICBELL-USER-EXTERNAL-ID": "ada"}
    off = {"categories": [{"slug": "ads", "channels": [{"slug": "in_app", "enabled": False}]}]}
    changed = await desk.http.put("/notification_preferences", headers=headers, json={"notification_preferences": off})
    changed.raise_for_status()
    muted = await desk.send("ada", category="ads")
    found = (await desk.listed(lambda found: len(found) == 2))[0]
    assert [found[name] for name in ("id", "title", "stored", "suppressed", "read_percent")] == [
        muted,
        None,
        0,
        1,
        None,
    ]
    several = await desk.send("ada", "bob", category="ads")
    found = (await desk.listed(lambda found: len(found) == 3))[0]
    assert [found[name] for name in ("id", "title", "stored", "suppressed")] == [several, "Hello", 1, 1]


async def test_one_notification_has_its_content_and_exact_counts(desk: Desk) -> None:
    people = [f"u{number}" for number in range(12)]
    sent = await desk.send(*people, title="Twelve", content="c", action_url="https://example.com")
    await desk.act("u0", f"/notifications/{sent}/read")
    await desk.act("u1", f"/notifications/{sent}/seen")
    await desk.act("u0", f"/notifications/{sent}/archive")
    (await desk.http.delete(f"/notifications/{sent}", headers={**desk.admin, "X-MAGICBELL-USER-EXTERNAL-ID": "u2"}))
    found = await desk.get(f"/v2/sent/{sent}")
    assert found["notification"]["title"] == "Twelve"
    counts = ("recipients", "in_inbox", "seen", "read", "archived", "is_exact", "margin", "delivered_percent")
    assert [found[name] for name in counts] == [12, 11, 2, 1, 1, True, 0, 91.7]
    page = await desk.get(f"/v2/sent/{sent}/recipients", limit=5)
    assert (page["total"], len(page["data"])) == (12, 5)
    states = {each["user"]["external_id"]: each["state"] for each in page["data"]}
    while page["links"]["next"]:
        page = await desk.get(
            urlsplit(page["links"]["next"]).path, **dict(parse_qsl(urlsplit(page["links"]["next"]).query))
        )
        states |= {each["user"]["external_id"]: each["state"] for each in page["data"]}
    assert states == dict.fromkeys(people, "unseen") | {"u0": "read", "u1": "seen", "u2": "gone"}
    back = await desk.get(f"/v2/sent/{sent}/recipients", **dict(parse_qsl(urlsplit(page["links"]["prev"]).query)))
    assert len(back["data"]) == 5


async def test_one_recipient_is_found_at_once_and_what_was_not_sent_is_not(desk: Desk) -> None:
    sent = await desk.send("ada", title="One")
    found = await desk.get(f"/v2/sent/{sent}")
    assert [found[name] for name in ("recipients", "in_inbox", "is_broadcast")] == [1, 1, False]
    (recipient,) = (await desk.get(f"/v2/sent/{sent}/recipients"))["data"]
    assert (recipient["user"]["external_id"], recipient["state"]) == ("ada", "unseen")
    unknown = await desk.http.get("/v2/sent/6f1c24ff-3b80-4d5f-9c4c-3c6d1c1f6f5e", headers=desk.admin)
    assert unknown.status_code == 404


async def test_a_broadcast_to_many_is_sampled_and_says_how_exact_that_is(desk: Desk) -> None:
    people = [f"u{number}" for number in range(700)]
    users = [{"external_id": each} for each in people]
    response = await desk.http.post(
        "/v2/broadcasts", headers=desk.admin, json={"title": "Many", "recipients": users, "category": "x"}
    )
    sent = response.raise_for_status().json()["id"]
    await desk.listed(lambda found: bool(found) and found[0]["status"] == "processed", broadcast="true")
    for user in people[:5]:
        await desk.act(user, f"/notifications/{sent}/read")
    found = await desk.get(f"/v2/sent/{sent}")
    counts = (
        "recipients",
        "in_inbox",
        "examined",
        "is_exact",
        "status",
        "is_broadcast",
        "progress_percent",
        "audience",
    )
    assert [found[name] for name in counts] == [700, 700, 300, False, "processed", True, 100, "users"]
    assert abs(found["read"] - 5) <= max(15, found["margin"])
    assert 0 < found["margin"] < 30
    assert (await desk.get(f"/v2/sent/{sent}/recipients"))["total"] == 700
