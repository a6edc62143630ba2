"""Endpoints of outgoing webhooks over REST: the secret is shown once, changes are audited, and bad input is named."""

import base64
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import redis

from gateway.domain.webhook import MAX_ENDPOINTS, SELECTABLE
from tests.api.inbox import messages
from tests.api.projects import Project, command, project_of
from tests.api.v2.test_integrations import everything
from tests.servers import Gateway

PATH = "/v2/webhooks/endpoints"
URL = "https://hooks.example/inbox"


@pytest.fixture(scope="module")
def project(gateway: Gateway) -> Project:
    """A project that only this module uses."""
    return project_of(command(gateway, "project", "create", "webhooks"))


@pytest.fixture
def client(gateway: Gateway, project: Project) -> Iterator[httpx.Client]:
    """A client of that project's backend. The project has no endpoint at first."""
    with httpx.Client(base_url=gateway.url, timeout=30, headers=project.admin) as client:
        for each in client.get(f"{PATH}?limit=100").json()["data"]:
            assert client.delete(f"{PATH}/{each['id']}").status_code == 204
        yield client


def created(client: httpx.Client, key: str = "", **fields: Any) -> dict[str, Any]:
    headers = {"Idempotency-Key": key} if key else {}
    response = client.post(PATH, json={"url": URL, **fields}, headers=headers)
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


def audited(client: httpx.Client, endpoint_id: str) -> list[str]:
    """Return the project events about an endpoint, oldest first."""
    found = client.get("/v2/events?limit=100").json()["data"]
    return [
        each["type"].removeprefix("webhook_endpoint.")
        for each in reversed(found)
        if each.get("context", {}).get("endpoint_id") == endpoint_id
    ]


def test_the_secret_is_in_the_first_response_alone(client: httpx.Client) -> None:
    endpoint = created(client, event_types=["user.*"], description="Billing")
    secret = endpoint.pop("secret")
    assert secret.startswith("whsec_")
    assert UUID(endpoint["id"]).version == 8
    assert (endpoint["url"], endpoint["event_types"], endpoint["description"]) == (URL, ["user.*"], "Billing")
    assert (endpoint["disabled"], endpoint["disabled_reason"]) == (False, None)
    found = client.get(f"{PATH}/{endpoint['id']}").json()
    assert found.pop("health") == {"failures": 0, "failing_since": None, "paused_until": None}
    assert found == endpoint
    listed = client.get(PATH)
    assert listed.json()["data"] == [endpoint]
    assert secret not in listed.text
    assert audited(client, endpoint["id"]) == ["saved"]


def test_nothing_that_is_stored_or_logged_contains_a_secret(client: httpx.Client, gateway: Gateway) -> None:
    secrets = [created(client, uuid4().hex)["secret"]]
    path, key = f"{PATH}/{created(client)['id']}/rotate", {"Idempotency-Key": uuid4().hex}
    secrets.append(client.post(path, json={}, headers=key).json()["secret"])
    with redis.Redis(unix_socket_path=str(gateway.data_dir / "valkey" / "valkey.sock")) as server:
        stored = everything(server)
    assert b"endpoint_id" in stored
    for secret in secrets:
        encoded = secret.removeprefix("whsec_").encode()
        for spelling in (encoded, base64.b64decode(encoded), encoded.rstrip(b"=")):
            assert spelling not in stored
            assert spelling not in gateway.log.encode(errors="surrogateescape")


def test_a_repeated_request_creates_one_endpoint_and_shows_the_same_secret(client: httpx.Client) -> None:
    key = uuid4().hex
    assert created(client, key) == created(client, key)
    assert len(client.get(PATH).json()["data"]) == 1


def test_a_patch_changes_what_it_has_and_a_put_replaces_all(client: httpx.Client) -> None:
    endpoint_id = created(client, event_types=["user.created"], description="Billing")["id"]
    one = f"{PATH}/{endpoint_id}"
    assert client.patch(one, json={"disabled": True}).json()["disabled_reason"] == "request"
    changed = client.patch(one, json={"event_types": [], "description": ""}).json()
    assert (changed["url"], changed["event_types"], changed["description"]) == (URL, [], "")
    assert changed["disabled"]
    replaced = client.put(one, json={"url": f"{URL}/2", "event_types": ["user.*"]}).json()
    assert (replaced["url"], replaced["event_types"], replaced["disabled"]) == (f"{URL}/2", ["user.*"], False)
    assert replaced["updated_at"] > replaced["created_at"]
    assert client.patch(one, json={}).json()["event_types"] == ["user.*"]
    assert audited(client, endpoint_id)[:4] == ["saved", "saved", "disabled", "saved"]


def test_a_disabled_endpoint_is_enabled(client: httpx.Client) -> None:
    endpoint_id = created(client)["id"]
    client.patch(f"{PATH}/{endpoint_id}", json={"disabled": True})
    for action in ("test", f"messages/{uuid4()}/retry"):
        refused = client.post(f"{PATH}/{endpoint_id}/{action}")
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (409, "webhook_endpoint_disabled")
    enabled = client.post(f"{PATH}/{endpoint_id}/enable")
    assert (enabled.status_code, enabled.json()["disabled"]) == (200, False)
    assert audited(client, endpoint_id)[-1] == "enabled"


def test_a_rotation_shows_the_new_secret_once(client: httpx.Client) -> None:
    endpoint = created(client)
    key = {"Idempotency-Key": uuid4().hex}
    path = f"{PATH}/{endpoint['id']}/rotate"
    rotated = client.post(path, json={"overlap_seconds": 60}, headers=key)
    assert rotated.status_code == 201
    assert rotated.json()["secret"] != endpoint["secret"]
    assert client.post(path, json={"overlap_seconds": 60}, headers=key).json() == rotated.json()
    for _ in range(6):
        assert client.post(path, json={}).status_code == 201
    assert audited(client, endpoint["id"]).count("rotated") == 7
    assert client.post(path, json={"overlap_seconds": -1}).status_code == 422


def test_bad_input_is_a_422_that_names_each_field(client: httpx.Client) -> None:
    refused = client.post(PATH, json={"url": "https://127.0.0.1/x", "event_types": ["user.moved"]})
    assert refused.status_code == 422
    assert messages(refused) == [
        "Param 'url' must have a public address, or one in INBOX_OUTBOUND_ALLOWED_NETWORKS",
        f"Param 'event_types[0]' must be one of {', '.join(SELECTABLE)}",
    ]
    for url in ("http://example.com/", "https://metadata.internal/", "https://user@example.com/", 5, None):
        assert client.post(PATH, json={"url": url}).status_code == 422
    endpoint_id = created(client)["id"]
    assert client.patch(f"{PATH}/{endpoint_id}", json={"url": "https://10.0.0.1/"}).status_code == 422
    assert client.put(f"{PATH}/{endpoint_id}", json={}).status_code == 422


def test_an_unknown_endpoint_or_message_is_a_404(client: httpx.Client) -> None:
    for one in (str(uuid4()), "x"):
        assert client.get(f"{PATH}/{one}").status_code == 404
        assert client.patch(f"{PATH}/{one}", json={}).status_code == 404
        assert client.delete(f"{PATH}/{one}").status_code == 404
        assert client.post(f"{PATH}/{one}/rotate", json={}).status_code == 404
        assert client.post(f"{PATH}/{one}/enable").status_code == 404
        assert client.get(f"{PATH}/{one}/messages").status_code == 404
    endpoint_id = created(client)["id"]
    for one in (str(uuid4()), "x"):
        assert client.get(f"{PATH}/{endpoint_id}/messages/{one}").status_code == 404
        assert client.post(f"{PATH}/{endpoint_id}/messages/{one}/retry").status_code == 404


def test_another_project_sees_no_endpoint(client: httpx.Client, gateway: Gateway) -> None:
    endpoint_id = created(client)["id"]
    other = project_of(command(gateway, "project", "create", "another"))
    with httpx.Client(base_url=gateway.url, headers=other.admin) as stranger:
        assert stranger.get(PATH).json()["data"] == []
        assert stranger.get(f"{PATH}/{endpoint_id}").status_code == 404
        assert stranger.delete(f"{PATH}/{endpoint_id}").status_code == 404


def test_endpoints_are_listed_by_page_and_bounded(client: httpx.Client) -> None:
    ids = [created(client)["id"] for _ in range(MAX_ENDPOINTS)]
    refused = client.post(PATH, json={"url": URL})
    assert refused.status_code == 422
    assert str(MAX_ENDPOINTS) in messages(refused)[0]
    found, address = [], f"{PATH}?limit=20"
    while address:
        page = client.get(address).json()
        found += [each["id"] for each in page["data"]]
        address = page["links"]["next"]
    assert found == sorted(ids, reverse=True)


def test_a_test_message_is_listed_with_its_body(client: httpx.Client) -> None:
    endpoint_id, began = created(client, event_types=["user.created"])["id"], time.time()
    key = {"Idempotency-Key": uuid4().hex}
    sent = client.post(f"{PATH}/{endpoint_id}/test", headers=key)
    assert sent.status_code == 201
    message = sent.json()
    assert (message["event_type"], UUID(message["id"]).int >> 80 >= int(began * 1000) - 1) == ("webhook.test", True)
    assert client.post(f"{PATH}/{endpoint_id}/test", headers=key).json()["id"] == message["id"]
    others = [client.post(f"{PATH}/{endpoint_id}/test").json()["id"] for _ in range(2)]
    listed = client.get(f"{PATH}/{endpoint_id}/messages?limit=2").json()
    assert len(listed["data"]) == 2
    rest = client.get(listed["links"]["next"]).json()
    assert {each["id"] for each in listed["data"] + rest["data"]} == {message["id"], *others}
    assert rest["links"]["next"] is None
    back = client.get(rest["links"]["prev"]).json()
    assert [each["id"] for each in back["data"]] == [each["id"] for each in listed["data"]]
    found = client.get(f"{PATH}/{endpoint_id}/messages/{message['id']}").json()
    assert found["body"]["type"] == "webhook.test"
    assert found["body"]["id"] == message["id"]
    again = client.post(f"{PATH}/{endpoint_id}/messages/{message['id']}/retry")
    assert (again.status_code, again.json()["state"]) == (201, "pending")
