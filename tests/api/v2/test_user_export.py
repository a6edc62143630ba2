"""The export of a user: complete, in parts, and without secrets."""

from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from tests.api.projects import Project, command, project_of
from tests.servers import Gateway, wait_for

DEVICE = {"device_token": "c2f1" * 15 + "9876"}


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    project: Project = project_of(command(gateway, "project", "create", "exports"))
    with httpx.Client(base_url=gateway.url, headers=project.admin, timeout=10) as opened:
        yield opened


def test_the_document_has_all_that_is_stored_of_one_user(client: httpx.Client) -> None:
    named = {"external_id": "ada/1", "email": "ada@example.com", "custom_attributes": {"plan": "pro"}}
    user = client.post("/v2/users", json=named).raise_for_status().json()
    me = {"X-MAGICBELL-USER-EXTERNAL-ID": "ada/1"}
    notification = {"title": "Only Ada's", "category": "orders", "recipients": [{"external_id": "ada/1"}]}
    for _ in range(60):
        client.post("/notifications", json={"notification": notification}).raise_for_status()
    other = {"title": "Only Joe's", "recipients": [{"external_id": "joe"}]}
    client.post("/notifications", json={"notification": other}).raise_for_status()
    off = {"categories": [{"key": "orders", "channels": [{"name": "email", "enabled": False}]}]}
    client.put("/v2/channels/user_preferences", headers=me, json=off).raise_for_status()
    topic = {"subscription": {"topic": "acme", "categories": [{"slug": "*", "reason": "watching"}]}}
    client.post("/subscriptions", headers=me, json=topic).raise_for_status()
    client.post("/v2/channels/mobile_push/apns/tokens", headers=me, json=DEVICE).raise_for_status()
    for number in range(3):
        client.post("/v2/jwt/user", json={"external_id": "ada/1", "name": f"phone {number}"}).raise_for_status()
    theme = {"locale": "de"}
    client.put("/v2/integrations/inbox/installations", headers=me, json=theme).raise_for_status()
    events = f"/v2/events?user={user['id']}&type=notification.stored&limit=100"
    wait_for(lambda: len(client.get(events).json()["data"]) == 60, "the events are in the log")

    response = client.get("/v2/users/external_id:ada%2F1/export").raise_for_status()
    assert response.headers["content-disposition"] == f'attachment; filename="user-{user["id"]}.json"'
    assert (response.headers["cache-control"], "content-length" in response.headers) == ("no-store", False)
    found = response.json()
    assert list(found) == [
        *("exported_at", "user", "preferences", "subscriptions", "channel_tokens", "tokens", "installations"),
        *("notifications", "events"),
    ]
    assert (found["user"]["id"], found["user"]["custom_attributes"]) == (user["id"], {"plan": "pro"})
    assert found["preferences"]["orders"]["email"] is False
    assert found["preferences"]["orders"]["in_app"] is True
    subscribed = {"slug": "*", "status": "subscribed", "reason": "watching"}
    assert found["subscriptions"] == [{"topic": "acme", "categories": [subscribed]}]
    assert [token["fields"] for token in found["channel_tokens"]] == [{"device_token": "…9876"}]
    assert sorted(token["name"] for token in found["tokens"]) == ["phone 0", "phone 1", "phone 2"]
    assert found["installations"]["inbox"]["locale"] == "de"
    assert len({each["id"] for each in found["notifications"]}) == 60
    assert {each["title"] for each in found["notifications"]} == {"Only Ada's"}
    stored = [each for each in found["events"] if each["type"] == "notification.stored"]
    assert (len(stored), found["events"][-1]["type"]) == (60, "user.created")
    assert not any(text in response.text for text in (DEVICE["device_token"], "Joe's"))


def test_a_user_of_whom_little_is_stored_and_nobody(client: httpx.Client) -> None:
    user = client.post("/v2/users", json={"external_id": "new"}).raise_for_status().json()
    found = client.get(f"/v2/users/{user['id']}/export").raise_for_status().json()
    assert (found["notifications"], found["tokens"], found["subscriptions"], found["installations"]) == ([], [], [], {})
    assert client.get(f"/v2/users/{uuid4()}/export").status_code == 404
