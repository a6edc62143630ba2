"""Delivery plans: of a recipient, of a broadcast, and of what does not exist."""

from typing import Any
from uuid import uuid4

import httpx

from tests.api.inbox import Inbox
from tests.servers import ADMIN


def path(notification_id: str, user: str = "") -> str:
    return f"/v2/notifications/{notification_id}/deliveryplan" + (f"?user={user}" if user else "")


async def plan(http: httpx.AsyncClient, notification_id: str, user: str = "") -> dict[str, Any]:
    """Fetch the plan of one user."""
    (found,) = (await page(http, path(notification_id, user)))["data"]
    return dict(found)


async def page(http: httpx.AsyncClient, address: str) -> dict[str, Any]:
    response = await http.get(address, headers=ADMIN)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_a_notification_that_is_in_the_inbox_has_been_delivered(inbox: Inbox) -> None:
    sent = await inbox.receive(topic="t")
    found = await plan(inbox.http, sent, f"external_id:{inbox.external_id}")
    item = await inbox.get(f"/v2/notifications/{sent}")
    assert found == {
        "id": found["id"],
        "notification_id": sent,
        "user_id": item["user_id"],
        "category": None,
        "topic": "t",
        "status": "completed",
        "next_step": found["next_step"],  # other tests may have configured channels, which are skipped
        "started_at": item["sent_at"],
        "completed_at": item["sent_at"],
    }
    assert found["next_step"] >= 1
    assert await plan(inbox.http, sent, item["user_id"]) == found


async def test_the_steps_are_those_of_the_categorys_config(inbox: Inbox) -> None:
    category = f"plan-{uuid4()}"
    sent = await inbox.receive(category=category)
    body = {"key": category, "channels": [{"channel": "email", "delay": 9}, {"channel": "in_app"}, {"channel": "sms"}]}
    (await inbox.http.put("/v2/channels/deliveryconfig", headers=ADMIN, json=body)).raise_for_status()
    found = await plan(inbox.http, sent, f"external_id:{inbox.external_id}")
    assert (found["category"], found["status"], found["next_step"]) == (category, "completed", 3)


async def test_without_a_user_there_are_plans_of_all_users_that_a_broadcast_reached(inbox: Inbox) -> None:
    names = [f"{inbox.external_id}-{number}" for number in range(3)]
    body = {"broadcast": {"title": "B", "recipients": [{"external_id": name} for name in names]}}
    sent = (await inbox.http.post("/broadcasts", headers=ADMIN, json=body)).json()["broadcast"]
    while sent["status"]["status"] != "processed":
        sent = (await inbox.http.get(f"/broadcasts/{sent['id']}", headers=ADMIN)).json()["broadcast"]
    plans = [await plan(inbox.http, sent["id"], f"external_id:{name}") for name in names]
    assert len({each["id"] for each in plans}) == 3
    assert (await page(inbox.http, path(sent["id"])))["data"] == plans
    first = await page(inbox.http, f"{path(sent['id'])}?limit=2")
    last = await page(inbox.http, first["links"]["next"])
    assert (first["data"], last["data"]) == (plans[:2], plans[2:])
    assert (first["links"]["prev"], last["links"]["next"]) == (None, None)
    assert (await page(inbox.http, last["links"]["prev"]))["data"] == plans[:2]
    wrong = await inbox.http.get(f"{path(sent['id'])}?starting_after={plans[0]['id']}", headers=ADMIN)
    assert wrong.status_code == 422


async def test_without_a_user_there_is_a_plan_of_the_user_who_got_the_notification(inbox: Inbox) -> None:
    sent = await inbox.receive()
    assert await plan(inbox.http, sent) == await plan(inbox.http, sent, f"external_id:{inbox.external_id}")


async def test_what_does_not_exist_has_no_plan(inbox: Inbox) -> None:
    await inbox.receive()
    many = [{"external_id": f"{inbox.external_id}-{number}"} for number in range(11)]
    body = {"notification": {"title": "A", "recipients": many}}
    sent = (await inbox.http.post("/notifications", headers=ADMIN, json=body)).json()["notification"]["id"]
    for wrong in (
        path(sent),
        path(str(uuid4())),
        path("no-id"),
        path(sent, "external_id:nobody"),
        path(str(uuid4()), f"external_id:{inbox.external_id}"),
    ):
        assert (await inbox.http.get(wrong, headers=ADMIN)).status_code == 404
    suggestion = (await inbox.http.get(path(sent), headers=ADMIN)).json()["errors"][0]["suggestion"]
    assert "?user=" in suggestion
    assert (await inbox.request("GET", path(sent))).status_code == 401
