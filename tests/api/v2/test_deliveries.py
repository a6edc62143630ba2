"""The latest deliveries of a project: filters, pages, and what is told of users and notifications that are gone."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from gateway.domain.ids import UserId
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.store.project_event_log import EventRetention, ProjectEventLog, packed
from tests.api.v2.stored import PROJECT, Desk, Stored
from tests.servers import ADMIN

PATH = "/v2/deliveries"


@pytest.fixture
async def http(stored: Stored) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stored.gateway.url, headers=ADMIN, timeout=10) as client:
        yield client


@pytest.fixture
async def desk(stored: Stored) -> AsyncIterator[Desk]:
    async with stored.client() as client:
        yield Desk(client)


@pytest.fixture
async def log(stored: Stored) -> AsyncIterator[ProjectEventLog]:
    async with stored.client() as client:
        yield ProjectEventLog(client, EventRetention(10_000, 0))


async def ended(
    log: ProjectEventLog, user_id: UserId, notification_id: str, channel: str, state: str, **more: Any
) -> None:
    """Write what the process that delivers writes at the end of a delivery."""
    context = {"notification_id": notification_id, "channel": channel, "state": state, **more}
    types = [ProjectEventType.DELIVERY_ENDED]
    if state in ("failed", "dead", "refused", "unknown"):
        types.append(ProjectEventType.DELIVERY_FAILED)
    if state == "undelivered":
        types = [ProjectEventType.DELIVERY_CONTRADICTED]
    await log.append([(PROJECT, [packed(ProjectEvent(each, user_id, context)) for each in types])])


async def listed(http: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    """Follow the pages of a list."""
    found: list[dict[str, Any]] = []
    address: str | None = str(httpx.URL(PATH, params=query))
    while address:
        page = (await http.get(address)).raise_for_status().json()
        found += page["data"]
        address = page["links"]["next"]
    return found


async def test_failures_are_listed_with_their_user_and_notification(
    http: httpx.AsyncClient, desk: Desk, log: ProjectEventLog, stored: Stored
) -> None:
    ada, other = stored.user(f"ada-{uuid4()}"), str(uuid4())
    sent = str(UUID(bytes=await desk.send(ada, {})))
    await ended(log, ada.id, sent, "email", "failed", provider="smtp", reason="550", attempts=8)
    await ended(log, ada.id, other, "sms", "undelivered", provider="twilio", reason="30003")
    await ended(log, ada.id, sent, "web_push", "delivered", provider="web_push", attempts=1)
    name = f"external_id:{ada.external_id}"
    late, first = await listed(http, outcome="failed", user=name)
    assert first | {"id": "", "timestamp": ""} == {
        "id": "",
        "timestamp": "",
        "user": {"id": ada.id, "external_id": ada.external_id, "email": None},
        "notification_id": sent,
        "title": "Hello",
        "channel": "email",
        "provider": "smtp",
        "state": "failed",
        "reason": "550",
        "attempts": 8,
    }
    assert (late["state"], late["title"], late["notification_id"], late["attempts"]) == (
        "undelivered",
        None,
        other,
        None,
    )
    assert [each["state"] for each in await listed(http, user=ada.id)] == ["delivered", "undelivered", "failed"]
    assert [each["state"] for each in await listed(http, user=ada.id, outcome="delivered")] == ["delivered"]
    assert await listed(http, user=ada.id, outcome="skipped") == []
    (mail,) = await listed(http, user=ada.id, channel="email")
    assert mail["id"] != first["id"]  # that of `delivery.ended`
    assert (await http.get(f"/v2/events/{first['id']}")).json()["type"] == "delivery.failed"


async def test_pages_of_what_matches_lead_down_and_up_past_what_does_not(
    http: httpx.AsyncClient, log: ProjectEventLog, stored: Stored
) -> None:
    eve, sent = stored.user(f"eve-{uuid4()}"), str(uuid4())
    for number in range(6):
        await ended(log, eve.id, sent, "teams", "failed", reason=str(number))
        await ended(log, eve.id, sent, "slack", "failed", reason="x")
    query = {"channel": "teams", "outcome": "failed", "user": eve.id, "limit": "2"}
    pages, address = [], str(httpx.URL(PATH, params=query))
    for _ in range(3):
        page = (await http.get(address)).raise_for_status().json()
        pages.append([each["reason"] for each in page["data"]])
        address = page["links"]["next"] or ""
    assert pages == [["5", "4"], ["3", "2"], ["1", "0"]]
    back = (await http.get(page["links"]["prev"])).raise_for_status().json()
    assert [each["reason"] for each in back["data"]] == ["3", "2"]


async def test_a_deleted_user_has_no_names_and_an_unknown_one_no_deliveries(
    http: httpx.AsyncClient, log: ProjectEventLog, stored: Stored
) -> None:
    joe = stored.user(f"joe-{uuid4()}")
    await ended(log, joe.id, str(uuid4()), "webhook", "failed")
    (await http.delete(f"/v2/users/{joe.id}")).raise_for_status()
    (found,) = await listed(http, user=joe.id, outcome="failed", channel="webhook")
    assert found["user"] == {"id": joe.id, "external_id": None, "email": None}
    assert await listed(http, user=f"external_id:{joe.external_id}") == []
    assert await listed(http, user="email:nobody@example.com") == []
    assert (await http.get(PATH, params={"channel": "in_app"})).status_code == 422


async def test_deliveries_of_nobody_and_of_items_that_cannot_be_found_are_listed(
    http: httpx.AsyncClient, desk: Desk, log: ProjectEventLog, stored: Stored
) -> None:
    max_ = stored.user(f"max-{uuid4()}")
    await ended(log, max_.id, "not an id", "email", "dead")
    (found,) = await listed(http, user=max_.id, outcome="failed")
    assert (found["notification_id"], found["title"]) == ("not an id", None)
