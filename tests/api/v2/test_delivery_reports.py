"""Reports of Twilio: the result of a text message is asked for at once, also of one that has ended."""

import time
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import pytest

from gateway.auth.report_links import ReportLinks
from gateway.domain.delivery import DeliveryState, EntryRecord, Route, TokenState
from gateway.domain.ids import UserId
from gateway.domain.notification import ItemId
from gateway.domain.principal import User
from tests.api.v2.stored import PROJECT, Desk, Stored, running_stored
from tests.servers import ADMIN

SECRET_KEY = "k" * 40
LINKS = ReportLinks(SECRET_KEY, "https://inbox.example.com")


@pytest.fixture(scope="module")
def secret_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    with running_stored(tmp_path_factory.mktemp("reports"), INBOX_SECRET_KEY=SECRET_KEY) as started:
        yield started


@pytest.fixture
async def desk(secret_store: Stored) -> AsyncIterator[Desk]:
    async with secret_store.client() as client:
        yield Desk(client)


@pytest.fixture
async def http(secret_store: Stored) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=secret_store.gateway.url, timeout=10) as client:
        yield client


@pytest.fixture
async def eve(http: httpx.AsyncClient) -> User:
    body = {"external_id": f"eve-{uuid4()}", "phone_numbers": ["+15005550009"]}
    return User(PROJECT, (await http.post("/v2/users", json=body, headers=ADMIN)).json()["id"], None, None)


def accepted(state: DeliveryState) -> EntryRecord:
    """Return the record of a message that Twilio has accepted."""
    now_ms = int(time.time() * 1000)
    ended_ms = now_ms if state.is_final else 0
    token = TokenState(b"\1a", state, 1, provider_id="SM1", started_ms=now_ms, ended_ms=ended_ms)
    return EntryRecord(state, "", now_ms, ended_ms, "twilio", (token,))


async def report(http: httpx.AsyncClient, user_id: UserId, sent: ItemId) -> httpx.Response:
    """Send what Twilio sends."""
    path = urlsplit(LINKS.url(PROJECT, user_id, str(UUID(bytes=sent)))).path
    return await http.post(path, data={"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "30003"})


async def test_a_late_report_leaves_a_final_state_and_is_in_the_events_and_the_trace(
    http: httpx.AsyncClient, desk: Desk, eve: User
) -> None:
    sent = await desk.send(eve, {Route.SMS: 0})
    await desk.record(eve, Route.SMS, accepted(DeliveryState.DELIVERED), None)
    before = await desk.outbox.read(eve, sent)
    assert (await report(http, eve.id, sent)).status_code == 204
    assert await desk.outbox.read(eve, sent) == before
    trace = f"/v2/users/{eve.id}/notifications/{UUID(bytes=sent)}/trace"
    while True:  # the event is appended a moment later
        steps = (await http.get(trace, headers=ADMIN)).json()["steps"]
        if reported := [step["text"] for step in steps if step["type"] == "reported"]:
            break
    assert reported == ["Twilio reported later that the SMS did not arrive (30003)."]


async def test_the_result_is_asked_for_at_once(http: httpx.AsyncClient, desk: Desk, eve: User) -> None:
    sent = await desk.send(eve, {Route.SMS: 0})
    await desk.record(eve, Route.SMS, accepted(DeliveryState.HANDED), int(time.time() * 1000) + 600_000)
    assert (await report(http, eve.id, sent)).status_code == 204
    found = await desk.outbox.read(eve, sent)
    assert found is not None
    (entry,) = found.entries
    assert entry.due_ms is not None
    assert entry.due_ms <= time.time() * 1000
    assert entry.record is not None
    assert entry.record.tokens[0].state is DeliveryState.HANDED, "what Twilio sends is not believed"
    lanes = {each.lane.route: each for each in await desk.lanes.of_project(PROJECT)}
    assert lanes[Route.SMS].first_due_ms <= time.time() * 1000


async def test_a_report_of_what_was_not_accepted_changes_nothing(
    http: httpx.AsyncClient, desk: Desk, eve: User
) -> None:
    sent = await desk.send(eve, {Route.SMS: 0, Route.EMAIL: 0})
    before = await desk.outbox.read(eve, sent)
    assert (await report(http, eve.id, sent)).status_code == 204
    assert await desk.outbox.read(eve, sent) == before
    assert (await report(http, eve.id, ItemId(uuid4().bytes))).status_code == 204


async def test_another_address_and_a_user_who_is_gone_are_a_404(http: httpx.AsyncClient, desk: Desk, eve: User) -> None:
    assert (await http.post("/v2/integrations/twilio/reports/x.y.z")).status_code == 404
    sent = await desk.send(eve, {Route.SMS: 0})
    assert (await http.delete(f"/v2/users/{eve.id}", headers=ADMIN)).status_code == 204
    assert (await report(http, eve.id, sent)).status_code == 404
