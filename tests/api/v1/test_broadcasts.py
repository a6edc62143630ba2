"""Broadcasts, and notifications to recipients that are not named users."""

import asyncio
import os
import re
import subprocess
import sys
from typing import Any

import httpx
import pytest

from tests.api.inbox import messages
from tests.servers import ADMIN, Gateway, user_hmac

DONE_SECONDS = 20.0


class Tenant:
    """A project of its own, so that "everyone" does not include users of other tests."""

    def __init__(self, http: httpx.AsyncClient, api_key: str, api_secret: str):
        self.http = http
        self.admin = {"X-MAGICBELL-API-KEY": api_key, "X-MAGICBELL-API-SECRET": api_secret}

    async def add(self, *external_ids: str, **fields: Any) -> None:
        for external_id in external_ids:
            body = {"user": {"external_id": external_id, **fields}}
            (await self.http.post("/users", headers=self.admin, json=body)).raise_for_status()

    def headers(self, external_id: str) -> dict[str, str]:
        return {
            "X-MAGICBELL-API-KEY": self.admin["X-MAGICBELL-API-KEY"],
            "X-MAGICBELL-USER-EXTERNAL-ID": external_id,
            "X-MAGICBELL-USER-HMAC": user_hmac(external_id, self.admin["X-MAGICBELL-API-SECRET"]),
        }

    async def subscribe(self, external_id: str, topic: str, category: str = "*") -> None:
        body = {"subscription": {"topic": topic, "categories": [{"slug": category, "reason": "x"}]}}
        path = "/subscriptions"
        (await self.http.post(path, headers=self.headers(external_id), json=body)).raise_for_status()

    async def post(self, what: str, *recipients: Any, **fields: Any) -> httpx.Response:
        body = {what: {"title": "Hello", "recipients": recipients, **fields}}
        return await self.http.post(f"/{what}s", headers=self.admin, json=body)

    async def get(self, path: str) -> dict[str, Any]:
        response = await self.http.get(path, headers=self.admin)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def finished(self, broadcast_id: str) -> dict[str, Any]:
        async with asyncio.timeout(DONE_SECONDS):
            while True:
                found: dict[str, Any] = (await self.get(f"/broadcasts/{broadcast_id}"))["broadcast"]
                if found["status"]["status"] == "processed":
                    return found
                await asyncio.sleep(0.01)

    async def send(self, *recipients: Any, **fields: Any) -> dict[str, Any]:
        """Send a broadcast, and return it when it is processed."""
        response = await self.post("broadcast", *recipients, **fields)
        assert response.status_code == 201, response.text
        return await self.finished(response.json()["broadcast"]["id"])

    async def inbox(self, external_id: str) -> list[dict[str, Any]]:
        response = await self.http.get("/notifications", headers=self.headers(external_id))
        items: list[dict[str, Any]] = response.raise_for_status().json()["notifications"]
        return items

    async def who_has(self, broadcast: dict[str, Any], *external_ids: str) -> set[str]:
        """Return the users that have the item of a broadcast, and assert that none has two."""
        found = set()
        for external_id in external_ids:
            ids = [item["id"] for item in await self.inbox(external_id)]
            assert ids.count(broadcast["id"]) <= 1
            if broadcast["id"] in ids:
                found.add(external_id)
        return found


@pytest.fixture
async def tenant(gateway: Gateway, http: httpx.AsyncClient) -> Tenant:
    environment = {**os.environ, "INBOX_DATA_DIR": str(gateway.data_dir)}
    command = [sys.executable, "-m", "gateway", "project", "create", "B"]
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    found = dict(re.findall(r"^api (key|secret) +(\S+)$", done.stdout, flags=re.MULTILINE))
    return Tenant(http, found["key"], found["secret"])


PLAN = {"custom_attributes": {"plan": "pro"}}


async def test_a_broadcast_is_accepted_and_reaches_every_user_once(tenant: Tenant) -> None:
    await tenant.add("ada", "joe")
    fields = {"content": "c", "action_url": "u", "category": "k", "topic": "t", "custom_attributes": {"a": None}}
    response = await tenant.post("broadcast", {"matches": "*"}, **fields)
    accepted = response.json()["broadcast"]
    status = {"status": "enqueued", "summary": {"total": 0, "failures": 0}, "errors": []}
    assert accepted == {
        "id": accepted["id"],
        "title": "Hello",
        **fields,
        "created_at": accepted["created_at"],
        "recipients": [{"matches": "*"}],
        "overrides": None,
        "status": status,
    }
    status = {"status": "processed", "summary": {"total": 2, "failures": 0}, "errors": []}
    assert await tenant.finished(accepted["id"]) == {**accepted, "status": status}
    for external_id in ("ada", "joe"):
        (item,) = await tenant.inbox(external_id)
        assert {name: item[name] for name in fields} == fields
        assert item["id"] == accepted["id"]
        assert item["recipient"]["external_id"] == external_id


async def test_a_condition_reaches_the_users_that_match(tenant: Tenant) -> None:
    await tenant.add("ada", **PLAN)
    await tenant.add("joe")
    for condition in ('custom_attributes.plan = "pro"', PLAN):
        sent = await tenant.send({"matches": condition})
        assert sent["recipients"] == [{"matches": condition}]
        assert await tenant.who_has(sent, "ada", "joe") == {"ada"}
        assert sent["status"]["summary"] == {"total": 1, "failures": 0}


async def test_a_topics_subscribers_are_reached(tenant: Tenant) -> None:
    await tenant.add("ada", "joe", "eve")
    await tenant.subscribe("ada", "t")
    await tenant.subscribe("joe", "t", "other")
    sent = await tenant.send({"topic": {"subscribers": True}}, topic="t", category="k")
    assert await tenant.who_has(sent, "ada", "joe", "eve") == {"ada"}


async def test_recipients_are_a_union_and_each_user_gets_it_once(tenant: Tenant) -> None:
    await tenant.add("ada", **PLAN)
    await tenant.add("joe", "sub", "eve", first_name="Joe")
    for external_id in ("sub", "ada", "joe"):
        await tenant.subscribe(external_id, "t")
    sent = await tenant.send(
        {"external_id": "joe"},
        {"external_id": "new", "first_name": "New"},
        {"external_id": "joe", "last_name": "Last"},
        {"matches": PLAN},
        {"matches": 'external_id = "ada"'},
        {"topic": {"subscribers": True}},
        topic="t",
    )
    everyone = ("ada", "joe", "sub", "eve", "new")
    assert await tenant.who_has(sent, *everyone) == {"ada", "joe", "sub", "new"}
    assert sent["status"]["summary"] == {"total": 4, "failures": 0}
    (item,) = await tenant.inbox("joe")
    assert (item["recipient"]["first_name"], item["recipient"]["last_name"]) == ("Joe", "Last")


async def test_more_users_than_fit_into_one_step_are_reached(tenant: Tenant) -> None:
    rows = [{"external_id": f"u{number}"} for number in range(1_203)]
    imported = await tenant.http.post("/imports", headers=tenant.admin, json={"import": {"users": rows}})
    async with asyncio.timeout(DONE_SECONDS):
        while (await tenant.get(f"/imports/{imported.json()['import']['id']}"))["import"]["status"] != "processed":
            await asyncio.sleep(0.01)
    sent = await tenant.send({"external_id": "u7"}, {"matches": "*"})
    assert sent["status"]["summary"]["total"] == 1_203
    names = set()
    for page in range(1, 14):
        found = await tenant.get(f"/broadcasts/{sent['id']}/notifications?per_page=100&page={page}")
        assert (found["total"], found["total_pages"], found["current_page"]) == (1_203, 13, page)
        names |= {item["recipient"]["external_id"] for item in found["notifications"]}
    assert names == {row["external_id"] for row in rows}


async def test_users_that_muted_it_do_not_get_it(tenant: Tenant) -> None:
    await tenant.add("ada", "joe")
    muted = {"categories": [{"slug": "k", "channels": [{"slug": "in_app", "enabled": False}]}]}
    body = {"notification_preferences": muted}
    await tenant.http.put("/notification_preferences", headers=tenant.headers("joe"), json=body)
    sent = await tenant.send({"matches": "*"}, category="k")
    assert await tenant.who_has(sent, "ada", "joe") == {"ada"}
    assert sent["status"]["summary"] == {"total": 1, "failures": 0}


async def test_users_created_after_a_broadcast_do_not_get_it(tenant: Tenant) -> None:
    await tenant.add("ada")
    sent = await tenant.send({"matches": "*"})
    await tenant.add("late")
    assert await tenant.who_has(sent, "ada", "late") == {"ada"}


async def test_a_deleted_user_does_not_stop_it(tenant: Tenant) -> None:
    await tenant.add("ada", "gone", "joe")
    await tenant.http.delete("/users/external_id:gone", headers=tenant.admin)
    sent = await tenant.send({"matches": "*"})
    assert sent["status"]["summary"] == {"total": 2, "failures": 0}


async def test_a_recipient_that_names_two_users_is_a_failure_and_the_others_get_it(tenant: Tenant) -> None:
    await tenant.add("ada")
    await tenant.add("joe", email="joe@example.com")
    sent = await tenant.send({"external_id": "ada", "email": "joe@example.com"}, {"external_id": "joe"})
    message = "Param 'broadcast.recipients[0]' has the external_id of one user and the email of another"
    assert sent["status"] == {
        "status": "processed",
        "summary": {"total": 2, "failures": 1},
        "errors": [{"message": message}],
    }
    assert await tenant.who_has(sent, "ada", "joe") == {"joe"}


async def test_overrides_are_shown_in_the_inbox(tenant: Tenant) -> None:
    overrides = {"channels": {"in_app": {"title": "Shown"}}}
    sent = await tenant.send({"external_id": "ada"}, overrides=overrides)
    assert (sent["title"], sent["overrides"]) == ("Hello", overrides)
    assert [item["title"] for item in await tenant.inbox("ada")] == ["Shown"]


async def test_broadcasts_are_listed_newest_first(tenant: Tenant) -> None:
    sent = [await tenant.send({"external_id": "ada"}, title=str(number)) for number in range(3)]
    assert await tenant.get("/broadcasts?per_page=2") == {
        "total": 3,
        "total_pages": 2,
        "per_page": 2,
        "current_page": 1,
        "broadcasts": sent[:0:-1],
    }
    assert (await tenant.get("/broadcasts?per_page=2&page=2"))["broadcasts"] == sent[:1]


async def test_an_item_that_its_user_deleted_is_not_listed(tenant: Tenant) -> None:
    sent = await tenant.send({"external_id": "ada"}, {"external_id": "joe"})
    await tenant.http.delete(f"/notifications/{sent['id']}", headers=tenant.headers("joe"))
    found = await tenant.get(f"/broadcasts/{sent['id']}/notifications")
    assert [item["recipient"]["external_id"] for item in found["notifications"]] == ["ada"]
    assert found["total"] == 2


@pytest.mark.parametrize("recipient", [{"matches": "*"}, {"topic": {"subscribers": True}}])
async def test_a_notification_may_have_recipients_that_are_not_named(tenant: Tenant, recipient: Any) -> None:
    await tenant.add("ada")
    await tenant.subscribe("ada", "t")
    response = await tenant.post("notification", recipient, topic="t")
    assert response.status_code == 201
    sent = response.json()["notification"]
    assert sorted(sent) == sorted(
        ["id", "title", "content", "action_url", "category", "topic", "custom_attributes", "sent_at"]
    )
    await tenant.finished(sent["id"])
    assert [item["id"] for item in await tenant.inbox("ada")] == [sent["id"]]


async def test_the_same_idempotency_key_broadcasts_once(tenant: Tenant) -> None:
    await tenant.add("ada")
    body = {"broadcast": {"title": "Hello", "recipients": [{"matches": "*"}]}}
    headers = {**tenant.admin, "Idempotency-Key": "k"}
    first, second = [await tenant.http.post("/broadcasts", headers=headers, json=body) for _ in range(2)]
    assert first.content == second.content
    await tenant.finished(first.json()["broadcast"]["id"])
    assert len(await tenant.inbox("ada")) == 1


@pytest.mark.parametrize("what", ["broadcast", "notification"])
@pytest.mark.parametrize(
    ("recipient", "message"),
    [
        ({"matches": "plan ="}, "Param '{}.recipients[0].matches' is not a condition: "),
        ({"matches": 1}, "Param '{}.recipients[0].matches' is not a condition: "),
        ({"topic": {"subscribers": True}}, "Param '{}.topic' is missing"),
        ({"topic": {"subscribers": False}}, "Param '{}.recipients[0].topic.subscribers' must be true"),
        ({"topic": {}}, "Param '{}.recipients[0].topic.subscribers' is missing"),
        ({}, "Param '{}.recipients[0]' must have an email or an external_id"),
    ],
)
async def test_invalid_recipients_are_refused(http: httpx.AsyncClient, what: str, recipient: Any, message: str) -> None:
    body = {what: {"title": "Hello", "recipients": [recipient]}}
    response = await http.post(f"/{what}s", headers=ADMIN, json=body)
    assert response.status_code == 422
    assert messages(response)[0].startswith(message.format(what))


@pytest.mark.parametrize("path", ["/broadcasts/x", "/broadcasts/00000000-0000-0000-0000-000000000000/notifications"])
async def test_an_unknown_broadcast_is_not_found(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path, headers=ADMIN)
    assert response.status_code == 404
    assert messages(response) == ["Broadcast not found"]
