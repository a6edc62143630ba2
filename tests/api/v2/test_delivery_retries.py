"""Retries of deliveries, and the plans of notifications that are sent on other channels."""

import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from gateway.domain.delivery import DeliveryState, EntryRecord, Route, SkipReason, TokenState, skipped
from gateway.domain.notification import ItemId
from gateway.domain.principal import User
from tests.api.v2.stored import PROJECT, Desk, Stored
from tests.servers import ADMIN


@pytest.fixture
async def desk(stored: Stored) -> AsyncIterator[Desk]:
    async with stored.client() as client:
        yield Desk(client)


@pytest.fixture
async def http(stored: Stored) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stored.gateway.url, headers=ADMIN, timeout=10) as client:
        yield client


@pytest.fixture
async def eve(http: httpx.AsyncClient) -> User:
    """A user with an address."""
    body = {"external_id": f"eve-{uuid4()}", "email": f"{uuid4()}@example.com"}
    return User(PROJECT, (await http.post("/v2/users", json=body)).json()["id"], None, None)


def failed(reason: str = "550") -> EntryRecord:
    now_ms = int(time.time() * 1000)
    token = TokenState(b"\1a", DeliveryState.FAILED, 8, reason, started_ms=now_ms, ended_ms=now_ms)
    return EntryRecord(DeliveryState.FAILED, reason, now_ms, now_ms, "smtp", (token,))


async def retry(http: httpx.AsyncClient, user: User, sent: ItemId, channel: str, key: str = "") -> httpx.Response:
    path = f"/v2/users/{user.id}/notifications/{UUID(bytes=sent)}/deliveries/{channel}/retry"
    return await http.post(path, headers={"Idempotency-Key": key} if key else {})


async def plan(http: httpx.AsyncClient, user: User, sent: ItemId) -> dict[str, Any]:
    path = f"/v2/notifications/{UUID(bytes=sent)}/deliveryplan?user={user.id}"
    (found,) = (await http.get(path)).raise_for_status().json()["data"]
    return dict(found)


async def test_a_delivery_that_failed_is_due_again_at_once_and_in_its_lane(
    http: httpx.AsyncClient, desk: Desk, eve: User
) -> None:
    sent = await desk.send(eve, {Route.EMAIL: 0})
    assert (await plan(http, eve, sent))["status"] == "in_progress"
    await desk.record(eve, Route.EMAIL, failed())
    ended = await plan(http, eve, sent)
    assert (ended["status"], ended["next_step"], ended["completed_at"] is not None) == ("completed", 2, True)

    for _ in range(2):
        done = await retry(http, eve, sent, "email", "once")
        assert (done.status_code, done.json()["channel"]) == (201, "email")
    again = await retry(http, eve, sent, "email")
    assert (again.status_code, again.json()["errors"][0]["message"]) == (409, "It has not ended: it is scheduled")
    assert (await plan(http, eve, sent))["next_step"] == 1
    lanes = {each.lane.route: each.waiting for each in await desk.lanes.of_project(PROJECT)}
    assert lanes[Route.EMAIL] >= 1
    (event,) = (await http.get("/v2/events?type=delivery.retried&limit=1")).json()["data"]
    assert event["context"]["channel"] == "email"
    await desk.record(eve, Route.EMAIL, failed())  # it is taken again


async def test_what_cannot_be_retried_is_a_409_with_the_reason(http: httpx.AsyncClient, desk: Desk, eve: User) -> None:
    sent = await desk.send(eve, {Route.EMAIL: 0, Route.SMS: 0})
    await desk.record(eve, Route.EMAIL, skipped(SkipReason.READ, int(time.time() * 1000)))
    for channel, message in (
        ("email", "The notification was read, so it would be skipped again"),
        ("sms", "It was left out: no_address"),
        ("slack", "It was not to be sent on this channel"),
        ("fax", "It was not to be sent on this channel"),
    ):
        refused = await retry(http, eve, sent, channel)
        assert refused.status_code == 409
        assert refused.json()["errors"][0] | {"suggestion": ""} == {
            "message": message,
            "code": "delivery_not_retryable",
            "suggestion": "",
        }
    assert (await retry(http, eve, ItemId(uuid4().bytes), "email")).status_code == 404


async def test_a_notification_that_is_in_no_inbox_has_a_plan_of_its_other_channels(
    http: httpx.AsyncClient, desk: Desk, eve: User
) -> None:
    sent = await desk.send(eve, {Route.EMAIL: 0}, in_inbox=False)
    found = await plan(http, eve, sent)
    assert (found["status"], found["next_step"], "started_at" in found) == ("pending", 1, False)
    await desk.record(eve, Route.EMAIL, failed())
    assert (await plan(http, eve, sent))["status"] == "completed"
    trace = await http.get(f"/v2/users/{eve.id}/notifications/{UUID(bytes=sent)}/trace")
    assert trace.json()["verdict"].startswith("It is in no inbox because ")
