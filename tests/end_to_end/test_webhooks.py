"""Outgoing webhooks of a whole gateway: each event arrives, once by its id, while processes and the store restart."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers import ADMIN, Gateway, running_gateway, user_headers
from tests.stubs.webhook_receiver import WebhookReceiver, running_receiver

ENDPOINTS = "/v2/webhooks/endpoints"
SECONDS = 60


@pytest.fixture(scope="module")
def delivering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Yield a gateway that delivers, also to this machine."""
    with running_gateway(
        tmp_path_factory.mktemp("w") / "data",
        INBOX_DELIVERY_WORKERS="1",
        INBOX_OUTBOUND_ALLOWED_NETWORKS="127.0.0.0/8",
        INBOX_DURABILITY="disk",
    ) as gateway:
        yield gateway


@pytest.fixture
async def http(delivering: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=delivering.url, timeout=15, headers=ADMIN) as http:
        yield http
        for each in (await http.get(ENDPOINTS)).json()["data"]:
            await http.delete(f"{ENDPOINTS}/{each['id']}")


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    async with running_receiver() as receiver:
        yield receiver


async def endpoint_of(http: httpx.AsyncClient, receiver: WebhookReceiver, *event_types: str) -> str:
    """Create an endpoint, and return its id."""
    response = await http.post(ENDPOINTS, json={"url": receiver.url, "event_types": list(event_types)})
    assert response.status_code == 201, response.text
    receiver.secrets.append(response.json()["secret"])
    found: str = response.json()["id"]
    return found


async def patiently(http: httpx.AsyncClient, method: str, path: str, **request: Any) -> httpx.Response:
    """Send a request until it succeeds, as a client does while the gateway restarts."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                response = await http.request(method, path, **request)
                if response.status_code < 400:
                    return response
                assert response.status_code in (409, 429, 503), response.text
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


async def send(http: httpx.AsyncClient, name: str, key: str) -> str:
    """Send a notification, and return its id."""
    body = {"notification": {"title": key, "recipients": [{"external_id": name}]}}
    response = await patiently(http, "POST", "/notifications", json=body, headers={"Idempotency-Key": key})
    found: str = response.json()["notification"]["id"]
    return found


async def test_what_users_do_arrives(http: httpx.AsyncClient, receiver: WebhookReceiver) -> None:
    await endpoint_of(http, receiver)
    sent = await send(http, "ada", "first")
    ada = user_headers("ada")
    for action in ("seen", "read", "unread", "archive"):
        assert (await http.post(f"/notifications/{sent}/{action}", headers=ada)).status_code == 204
    assert (await http.post("/notifications/read", headers=ada)).status_code == 204
    assert (await http.delete(f"/notifications/{sent}", headers=ada)).status_code == 204
    found = {each.type.removeprefix("notification."): each.body["data"] for each in await receiver.wait(8)}
    assert set(found) == {"created", "seen", "read", "unread", "archived", "all_read", "deleted", "user.created"}
    assert found["created"]["notification"]["id"] == sent
    assert {each["user"]["external_id"] for each in found.values()} == {"ada"}
    assert set(receiver.counts.values()) == {1}
    assert receiver.refused == 0


async def test_a_test_message_and_a_retry_arrive_and_are_listed(
    http: httpx.AsyncClient, receiver: WebhookReceiver
) -> None:
    endpoint_id = await endpoint_of(http, receiver, "user.deleted")
    message = (await http.post(f"{ENDPOINTS}/{endpoint_id}/test")).json()
    await receiver.wait(1)
    await http.post(f"{ENDPOINTS}/{endpoint_id}/messages/{message['id']}/retry")
    await receiver.wait(2)
    assert receiver.counts == {message["id"]: 2}
    async with asyncio.timeout(SECONDS):
        while (found := (await http.get(f"{ENDPOINTS}/{endpoint_id}/messages/{message['id']}")).json())[
            "state"
        ] != "delivered":
            await asyncio.sleep(0.02)
    assert [each["status"] for each in found["attempts"]] == [200, 200]
    assert found["body"] == receiver.received[0].body


async def test_an_endpoint_that_is_gone_is_disabled_and_another_one_is_told(
    http: httpx.AsyncClient, receiver: WebhookReceiver
) -> None:
    async with running_receiver() as gone:
        gone.status = 410
        endpoint_id = await endpoint_of(http, gone, "webhook_endpoint.disabled")
        await endpoint_of(http, receiver, "webhook_endpoint.*")
        await http.post(f"{ENDPOINTS}/{endpoint_id}/test")
        (told,) = await receiver.wait(1)
    assert told.body["data"] == {"endpoint_id": endpoint_id, "reason": "gone"}
    found = (await http.get(f"{ENDPOINTS}/{endpoint_id}")).json()
    assert (found["disabled"], found["disabled_reason"]) == (True, "gone")
    events = (await http.get("/v2/events?level=warning")).json()["data"]
    assert endpoint_id in {each["context"].get("endpoint_id") for each in events}


async def test_no_event_is_lost_or_doubled_while_processes_and_the_store_restart(
    delivering: Gateway, http: httpx.AsyncClient, receiver: WebhookReceiver
) -> None:
    await endpoint_of(http, receiver, "notification.created", "notification.read")
    names, sent = [f"user-{number}" for number in range(4)], set()

    async def work(name: str) -> None:
        for number in range(25):
            found = await send(http, name, f"{name} {number}")
            sent.add(found)
            await patiently(http, "POST", f"/notifications/{found}/read", headers=user_headers(name))

    async def disturb() -> None:
        for name in ("deliver", "worker", "valkey-server", "deliver"):  # what one has leased is due within 30 s
            await receiver.wait(len(receiver.received) + 10, SECONDS)
            found = delivering.children(name)
            assert found, name
            os.kill(found[0], signal.SIGKILL)
        await receiver.wait(len(receiver.received) + 10, SECONDS)

    async with asyncio.TaskGroup() as group:
        group.create_task(disturb())
        for name in names:
            group.create_task(work(name))

    def by_type() -> dict[str, Counter[str]]:
        """Return how many messages there are of each notification, by type. A repetition has the same id."""
        distinct = {each.id: each for each in receiver.received}
        return {
            label: Counter(each.body["data"]["notification"]["id"] for each in distinct.values() if each.type == label)
            for label in ("notification.created", "notification.read")
        }

    async with asyncio.timeout(SECONDS):
        while any(set(found) != sent for found in by_type().values()):
            await asyncio.sleep(0.1)
    assert all(set(found.values()) == {1} for found in by_type().values())
    assert len(sent) == 100
    assert receiver.refused == 0


def test_nothing_secret_is_logged(delivering: Gateway) -> None:
    assert "whsec_" not in delivering.log
    assert "/hook" not in delivering.log
    assert Path(delivering.log_file).stat().st_size > 0
