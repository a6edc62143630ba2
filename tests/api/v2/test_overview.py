"""The overview of a project and its usage: figures, failures, milestones, and the reasons why one is missing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest

from gateway.store.usage import UsageWriter
from gateway.store.usage_counts import Failure, UsageCounts
from tests.api.inbox import notification
from tests.api.live import open_inbox
from tests.api.v2.stored import PROJECT, Stored, running_stored
from tests.servers import ADMIN, user_headers

Json = dict[str, Any]
PAGE = "https://app.example.com"


@pytest.fixture(scope="module")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """A gateway with a project in which nothing has happened yet."""
    with running_stored(tmp_path_factory.mktemp("overview")) as started:
        yield started


@pytest.fixture
async def http(new_project: Stored) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=new_project.gateway.url, timeout=10) as client:
        yield client


async def overview(http: httpx.AsyncClient, condition: Callable[[Json], Any] = lambda found: True) -> Json:
    """Return the overview as soon as it meets a condition."""
    async with asyncio.timeout(15):
        while True:
            found: Json = (await http.get("/v2/overview", headers=ADMIN)).raise_for_status().json()
            if condition(found):
                return found
            await asyncio.sleep(0.05)


def milestones(found: Json) -> dict[str, Json]:
    return {each["name"]: each for each in found["milestones"]}


def codes(found: Json, milestone: str) -> list[str]:
    return [each["code"] for each in milestones(found)[milestone]["hints"]]


async def test_a_new_project_reaches_one_milestone_after_another_and_learns_why_not(
    http: httpx.AsyncClient, new_project: Stored
) -> None:
    await http.get("/v2/users", headers=ADMIN | {"X-MAGICBELL-API-SECRET": "wrong"})
    found = await overview(http)
    assert list(milestones(found)) == ["request", "notification", "connection", "seen"]
    assert found["stored"] == {"last_minute": 0, "last_hour": 0}
    found = await overview(http, lambda found: milestones(found)["request"]["reached_at"])
    assert codes(found, "request") == []

    (await http.post("/notifications", headers=ADMIN, json=notification("ada", "bob"))).raise_for_status()
    refused = user_headers("ada") | {"X-MAGICBELL-USER-HMAC": "wrong", "Origin": PAGE}
    assert (await http.get("/notifications", headers=refused)).status_code == 401
    found = await overview(http, lambda found: len(codes(found, "connection")) == 2)
    wrong, absent = milestones(found)["connection"]["hints"]
    assert (wrong["code"], wrong["origin"], wrong["times"]) == ("user_hmac_is_incorrect", PAGE, 1)
    assert "HMAC" in wrong["remedy"]
    assert absent["code"] == "recipients_never_connected"
    assert {each["external_id"] for each in absent["users"]} == {"ada", "bob"}
    assert milestones(found)["notification"]["hints"] == []
    assert found["sends"]["last_hour"] == 1
    assert found["stored"] == {"last_minute": 2, "last_hour": 2}

    async with open_inbox(new_project.gateway, "ada"):
        found = await overview(http, lambda found: found["connections"]["total"] == 1)
        assert found["connections"]["by_transport"]["websocket"] == 1
        found = await overview(http, lambda found: milestones(found)["connection"]["reached_at"])
        assert codes(found, "connection") == codes(found, "seen") == []
        (await http.post("/notifications/seen", headers=user_headers("ada"))).raise_for_status()
        found = await overview(http, lambda found: milestones(found)["seen"]["reached_at"])
    reached = [each["reached_at"] for each in found["milestones"]]
    assert reached == sorted(reached)
    await overview(http, lambda found: found["connections"]["total"] == 0)
    found = await overview(http, lambda found: found["active_users"]["count"] == 1)
    assert found["active_users"]["standard_error"] == 0.0081


async def test_refused_connections_are_counted_as_well(new_project: Stored, http: httpx.AsyncClient) -> None:
    refused = user_headers("ada") | {"X-MAGICBELL-USER-HMAC": "wrong"}
    assert (await http.get("/realtime/sse", headers=refused)).status_code == 401
    assert (await http.get("/realtime/sse", headers=refused | {"X-MAGICBELL-API-KEY": "none"})).status_code == 401


async def test_failures_link_to_their_traces_and_usage_has_them_by_channel(
    http: httpx.AsyncClient, new_project: Stored
) -> None:
    user, sent = new_project.user("ada"), "01900000-0000-7000-8000-000000000000"
    counts = UsageCounts()
    for state, reason in (("delivered", ""), ("refused", "550"), ("dead", "410")):
        counts.ended(PROJECT, Failure(1_000, user.id, sent, "email", "mailgun", state, reason))
    async with new_project.client() as client:
        await UsageWriter(client, counts).write()
    found = await overview(http)
    assert found["failures"]["last_hour"] == 2
    assert found["latest_failures"][0] == {
        "failed_at": "1970-01-01T00:00:01.000Z",
        "user_id": user.id,
        "notification_id": sent,
        "channel": "email",
        "provider": "mailgun",
        "state": "dead",
        "reason": "410",
    }
    usage = (await http.get("/v2/usage", headers=ADMIN, params={"months": 2, "days": 1})).raise_for_status().json()
    assert [len(usage["months"]), len(usage["days"])] == [2, 1]
    email = {"channel": "email", "ended": 3, "failed": 2, "states": {"dead": 1, "delivered": 1, "refused": 1}}
    assert usage["months"][-1]["deliveries"] == usage["days"][-1]["deliveries"] == [email]
    minutes = (await http.get("/v2/usage/minutes", headers=ADMIN, params={"hours": 2})).raise_for_status().json()
    assert {len(numbers) for numbers in minutes["series"].values()} == {120}
    assert sum(minutes["series"]["failures"]) == 2


async def test_bounds_of_usage_are_named(http: httpx.AsyncClient) -> None:
    for path in ("/v2/usage?months=26", "/v2/usage?days=101", "/v2/usage/minutes?hours=25"):
        refused = await http.get(path, headers=ADMIN)
        assert refused.status_code == 422
        assert "must be a number from" in refused.json()["errors"][0]["message"]
