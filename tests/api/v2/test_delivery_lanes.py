"""Lanes of deliveries: listed with what stops them, and resumed."""

import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.api.v2.delivery_lanes import shown
from gateway.channels import mailgun, templates
from gateway.domain.delivery import Lane, LaneStatus, Route
from gateway.domain.times import rfc3339
from gateway.store.lanes import LaneStore
from tests.api.v2.stored import PROJECT, Stored
from tests.servers import ADMIN

MAIL = Lane(PROJECT, Route.EMAIL)


@pytest.fixture
async def lanes(stored: Stored) -> AsyncIterator[LaneStore]:
    """The lanes in the store, none of which is parked at the end."""
    async with stored.client() as client:
        store = LaneStore(client)
        yield store
        for route in Route:
            await store.unpark(Lane(PROJECT, route))


@pytest.fixture
async def http(stored: Stored) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stored.gateway.url, headers=ADMIN, timeout=10) as client:
        yield client


async def listed(http: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    found = (await http.get("/v2/delivery/lanes")).raise_for_status().json()["data"]
    return {each["lane"]: each for each in found}


async def test_what_is_parked_is_listed_with_its_reason_and_a_remedy(http: httpx.AsyncClient, lanes: LaneStore) -> None:
    await lanes.park(MAIL, "535 authentication failed")
    (await http.get("/v2/delivery/lanes")).raise_for_status()
    found = (await listed(http))["email"]
    assert (
        found.items()
        >= {
            "channel": "email",
            "state": "parked",
            "waiting": 0,
            "lag_seconds": 0,
            "reason": "535 authentication failed",
            "not_before": None,
        }.items()
    )
    assert found["parked_at"] is not None
    assert "PUT of `/v2/integrations/ses`" in found["remedy"]
    assert "/v2/delivery/lanes/email/resume" in found["remedy"]


async def test_the_remedy_names_the_integration_that_the_project_has(http: httpx.AsyncClient, lanes: LaneStore) -> None:
    saved = "/v2/integrations/mailgun"
    (await http.put(saved, json={"api_key": "key-1", "domain": "mg.example.com", "region": "eu"})).raise_for_status()
    await lanes.park(MAIL, "535 authentication failed")
    try:
        remedy = (await listed(http))["email"]["remedy"]
    finally:
        (await http.delete(saved)).raise_for_status()
    assert remedy.startswith(f"Correct the configuration with a PUT of `{saved}`, or resume")


async def test_a_lane_is_resumed_which_is_an_event_of_the_project(http: httpx.AsyncClient, lanes: LaneStore) -> None:
    await lanes.park(Lane(PROJECT, Route.APNS), "InvalidProviderToken")
    resumed = await http.post("/v2/delivery/lanes/apns/resume")
    assert resumed.status_code == 200
    assert (resumed.json()["state"], resumed.json()["reason"]) == ("running", None)
    assert "apns" not in await listed(http)
    (event,) = (await http.get("/v2/events?type=delivery.resumed&limit=1")).json()["data"]
    assert event["context"]["lane"] == "apns"
    again = await http.post("/v2/delivery/lanes/apns/resume")
    assert again.status_code == 200
    unknown = await http.post("/v2/delivery/lanes/fax/resume")
    assert (unknown.status_code, unknown.json()["errors"][0]["message"]) == (404, "Lane not found")


async def test_saving_the_integration_resumes_its_lanes_and_no_other(http: httpx.AsyncClient, lanes: LaneStore) -> None:
    for route in (Route.EMAIL, Route.SMS):
        await lanes.park(Lane(PROJECT, route), "no")
    for kind in (mailgun.INTEGRATION, templates.INTEGRATION):
        (await http.put(f"/v2/integrations/{kind.name}", json=kind.example)).raise_for_status()
    assert list(await listed(http)) == ["sms"]


@pytest.mark.parametrize(
    ("others", "state"),
    [
        ({}, "running"),
        ({"not_before_ms": 1_000_001}, "throttled"),
        ({"not_before_ms": 999_999}, "running"),
        ({"is_open": True, "failures": 5}, "failing"),
        ({"is_open": True, "parked": "x"}, "parked"),
    ],
)
def test_the_state_of_a_lane_is_what_stops_it(others: dict[str, Any], state: str) -> None:
    lane = shown(LaneStatus(lane=MAIL, waiting=3, first_due_ms=990_000, **others), 1000.0)
    assert (lane.state, lane.waiting, lane.lag_seconds) == (state, 3, 10)
    assert (lane.not_before is not None) == (state == "throttled")


def test_a_lane_that_becomes_due_later_has_no_lag() -> None:
    lane = shown(LaneStatus(lane=Lane(PROJECT, Route.WEBHOOKS), waiting=1, first_due_ms=2_000_000), 1000.0)
    assert (lane.channel, lane.lag_seconds, lane.first_due_at) == ("webhook", 0, rfc3339(2000))
    parked = shown(LaneStatus(lane=Lane(PROJECT, Route.TEAMS), waiting=1, first_due_ms=0, parked="x"), time.time())
    assert parked.remedy is not None
    assert parked.remedy.startswith("Correct the fault at the provider, or resume the lane")
