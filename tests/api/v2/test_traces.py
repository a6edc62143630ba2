"""Traces over REST: of what is in the inbox, of what never came there, and of deliveries on other channels."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from gateway.domain.delivery import (
    DeliveryState,
    EntryRecord,
    Lane,
    Route,
    SkipReason,
    TokenState,
    skipped,
)
from gateway.domain.notification import ItemId
from gateway.domain.principal import User
from gateway.sending.plans import new_send_plan
from gateway.store.event_log import Moment
from tests.api.v2.stored import PROJECT, Desk, Stored
from tests.servers import ADMIN, user_headers


@pytest.fixture
async def desk(stored: Stored) -> AsyncIterator[Desk]:
    async with stored.client() as client:
        yield Desk(client)


@pytest.fixture
async def http(stored: Stored) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stored.gateway.url, headers=ADMIN, timeout=10) as client:
        yield client


@pytest.fixture
def ada(stored: Stored) -> User:
    return stored.user(f"ada-{uuid4()}")


async def send(http: httpx.AsyncClient, *names: str, **fields: Any) -> str:
    body = {"notification": {"title": "Hi", **fields, "recipients": [{"external_id": name} for name in names]}}
    response = (await http.post("/notifications", json=body)).raise_for_status()
    return str(response.json()["notification"]["id"])


async def trace(http: httpx.AsyncClient, user: User | str, notification_id: str | ItemId) -> dict[str, Any]:
    name = user if isinstance(user, str) else user.id
    shown = notification_id if isinstance(notification_id, str) else str(UUID(bytes=notification_id))
    response = await http.get(f"/v2/users/{name}/notifications/{shown}/trace")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def until(read: Callable[[], Awaitable[dict[str, Any]]], text: str) -> dict[str, Any]:
    """Return a trace whose verdict has a text: events are in the log within 100 ms."""
    deadline = time.monotonic() + 10
    while text not in (found := await read())["verdict"]:
        assert time.monotonic() < deadline, found
    return found


def types(found: dict[str, Any]) -> list[str]:
    return [step["type"] for step in found["steps"]]


async def test_an_item_that_was_read_and_archived(http: httpx.AsyncClient, ada: User) -> None:
    sent = await send(http, str(ada.external_id), topic="t")
    found = await trace(http, f"external_id:{ada.external_id}", sent)
    assert " has it in the inbox since " in found["verdict"]
    assert found["verdict"].endswith(" UTC and has not seen it.")
    assert types(found) == ["accepted", "topic", "config", "stored"]
    me = user_headers(str(ada.external_id))
    (await http.post(f"/notifications/{sent}/read", headers=me)).raise_for_status()
    (await http.post(f"/notifications/{sent}/archive", headers=me)).raise_for_status()
    found = await trace(http, ada, sent)
    assert " and read it at " in found["verdict"]
    assert " and archived it at " in found["verdict"]
    assert types(found)[-3:] == ["seen", "read", "archived"]


async def test_a_deleted_item_is_explained_by_the_event_log(http: httpx.AsyncClient, ada: User) -> None:
    sent = await send(http, str(ada.external_id))
    me = user_headers(str(ada.external_id))
    (await http.delete(f"/notifications/{sent}", headers=me)).raise_for_status()
    found = await until(lambda: trace(http, ada, sent), "deleted it at")
    assert types(found)[-1] == "deleted"


async def test_what_a_preference_or_a_config_kept_out(http: httpx.AsyncClient, ada: User) -> None:
    category = f"c-{uuid4()}"
    off = {
        "notification_preferences": {
            "categories": [{"slug": category, "channels": [{"slug": "in_app", "enabled": False}]}]
        }
    }
    me = user_headers(str(ada.external_id))
    (await http.put("/notification_preferences", headers=me, json=off)).raise_for_status()
    muted = await send(http, str(ada.external_id), category=category)
    found = await until(lambda: trace(http, ada, muted), f"has switched the inbox off for the category '{category}'")
    assert " UTC)." in found["verdict"]  # when the preferences were changed
    assert types(found) == ["accepted", "preference", "config", "suppressed"]
    unsubscribed = {"subscription": {"categories": [{"slug": "*"}]}}
    path, topic = "/subscriptions/{}/unsubscribe", f"t-{uuid4()}"
    (await http.post(path.format(topic), headers=me, json=unsubscribed)).raise_for_status()
    muted = await send(http, str(ada.external_id), topic=topic)
    found = await until(lambda: trace(http, ada, muted), f"is not subscribed to the topic '{topic}'")
    assert "topic" in types(found)

    disabled = f"d-{uuid4()}"
    config = {"key": disabled, "channels": [{"channel": "email"}], "disabled": True}
    (await http.put("/v2/channels/deliveryconfig", json=config)).raise_for_status()
    kept_out = await send(http, str(ada.external_id), category=disabled)
    found = await until(lambda: trace(http, ada, kept_out), f"the delivery config '{disabled}' is disabled")
    assert found["verdict"].startswith("It is not in the inbox because ")


async def test_what_was_sent_to_others_only(http: httpx.AsyncClient, stored: Stored, ada: User) -> None:
    other = stored.user(f"bob-{uuid4()}")
    sent = await send(http, str(other.external_id))
    found = await until(lambda: trace(http, ada, sent), "It was sent to 1 other user and not to ")
    assert "stored" not in types(found)


async def test_a_broadcast_that_does_not_match_the_user(http: httpx.AsyncClient, stored: Stored, ada: User) -> None:
    other = stored.user(f"bob-{uuid4()}")
    body = {"broadcast": {"title": "B", "recipients": [{"matches": f"external_id = '{other.external_id}'"}]}}
    sent = (await http.post("/broadcasts", json=body)).raise_for_status().json()["broadcast"]["id"]
    found = await until(lambda: trace(http, ada, sent), "matches none of its conditions and is not named")
    assert types(found)[:2] == ["accepted", "broadcast"]
    found = await trace(http, other, sent)
    assert " has it in the inbox " in found["verdict"]
    assert "matched" in types(found)
    late = stored.user(f"late-{uuid4()}")
    found = await trace(http, late, sent)
    assert "matches none" in found["verdict"] or "after the broadcast had begun" in found["verdict"]
    named = {"broadcast": {"title": "B", "recipients": [{"external_id": str(ada.external_id)}]}}
    sent = (await http.post("/broadcasts", json=named)).raise_for_status().json()["broadcast"]["id"]
    found = await until(lambda: trace(http, ada, sent), " has it in the inbox ")
    assert "matched" in types(found)


async def test_a_user_who_was_deleted(http: httpx.AsyncClient, ada: User) -> None:
    sent = await send(http, str(ada.external_id))
    (await http.delete(f"/v2/users/{ada.id}")).raise_for_status()
    found = await until(lambda: trace(http, ada.id, sent), "The user was deleted at ")
    assert types(found)[-1] == "user_deleted"
    gone = await http.get(f"/v2/users/external_id:{ada.external_id}/notifications/{sent}/trace")
    assert (gone.status_code, gone.json()["errors"][0]["message"]) == (404, "User not found")


async def test_what_is_not_known_is_a_404(http: httpx.AsyncClient, ada: User) -> None:
    for user, notification_id, message in (
        (ada.id, str(uuid4()), "Notification not found"),
        (ada.id, new_send_plan(Moment(int(time.time() * 1000), "")).id, "Notification not found"),
        (ada.id, "x", "Notification not found"),
        (str(uuid4()), str(uuid4()), "User not found"),
        ("nobody", str(uuid4()), "User not found"),
    ):
        refused = await http.get(f"/v2/users/{user}/notifications/{notification_id}/trace")
        assert (refused.status_code, refused.json()["errors"][0]["message"]) == (404, message)
    assert (await http.get(f"/v2/users/{ada.id}/notifications/{uuid4()}/trace", headers={})).status_code == 404


async def test_deliveries_on_other_channels(http: httpx.AsyncClient, stored: Stored, desk: Desk) -> None:
    created = {"external_id": f"eve-{uuid4()}", "email": f"{uuid4()}@example.com", "phone_numbers": ["+15005550001"]}
    user = User(PROJECT, (await http.post("/v2/users", json={**created, "first_name": "Eve"})).json()["id"], None, None)
    sent = await desk.send(user, {Route.EMAIL: 0, Route.SMS: 300_000, Route.TEAMS: 0})
    accepted = EntryRecord(
        DeliveryState.DELIVERED,
        "",
        1,
        int(time.time() * 1000),
        "smtp",
        (TokenState(b"\1a", DeliveryState.DELIVERED, 1),),
    )
    await desk.record(user, Route.EMAIL, accepted)
    found = await trace(http, user, sent)
    parts = found["verdict"].split("; ")
    assert parts[0].startswith("Eve has it in the inbox since ")
    assert parts[1].startswith("a mail was accepted by the SMTP server at ")
    assert parts[2].startswith("an SMS has not been sent and is due at ")
    assert parts[3] == "no Teams message was sent because Eve has registered no Teams channel for it."
    delivery = next(step for step in found["steps"] if step["type"] == "delivery" and step["channel"] == "email")
    assert (delivery["provider"], delivery["state"], delivery["attempts"]) == ("smtp", "delivered", 1)
    assert "example.com" not in str(found)
    assert "+1500" not in str(found)


async def test_a_mail_that_waits_because_its_lane_is_parked(
    http: httpx.AsyncClient, stored: Stored, desk: Desk
) -> None:
    created = {"external_id": f"eve-{uuid4()}", "email": f"{uuid4()}@example.com"}
    user = User(PROJECT, (await http.post("/v2/users", json=created)).json()["id"], None, None)
    sent = await desk.send(user, {Route.EMAIL: 0})
    await desk.lanes.park(Lane(PROJECT, Route.EMAIL), "535")
    try:
        found = await trace(http, user, sent)
    finally:
        await desk.lanes.unpark(Lane(PROJECT, Route.EMAIL))
    assert found["verdict"].endswith(
        "waits because all mails of the project are stopped (535): correct the configuration of the provider, which "
        "resumes them."
    )
    assert "parked" in types(found)


async def test_a_mail_that_was_read_first(http: httpx.AsyncClient, stored: Stored, desk: Desk) -> None:
    category = f"c-{uuid4()}"
    config = {"key": category, "channels": [{"channel": "in_app"}, {"channel": "email", "delay": 300}]}
    (await http.put("/v2/channels/deliveryconfig", json=config)).raise_for_status()
    created = {"external_id": f"eve-{uuid4()}", "email": f"{uuid4()}@example.com"}
    user = User(PROJECT, (await http.post("/v2/users", json=created)).json()["id"], None, None)
    sent = await desk.send(user, {Route.EMAIL: 0}, category)
    await desk.record(user, Route.EMAIL, skipped(SkipReason.READ, int(time.time() * 1000)))
    found = await trace(http, user, sent)
    assert found["verdict"].endswith("; no mail was sent because it was read before the delay of 5 minutes ended.")
    assert "email after 5 minutes" in next(step["text"] for step in found["steps"] if step["type"] == "config")
