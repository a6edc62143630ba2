"""Microsoft Teams: cards to the stub, and what the responses of workflows and connectors mean."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from gateway.channels.message import Brand
from gateway.channels.outcome import Dead, Delivered, Outcome, Refused, Retry, Scope, Throttled
from gateway.channels.provider import Answer
from gateway.channels.teams import MAX_BYTES, PROVIDER, card_message, deliver, destination_key, outcome_of
from tests.channels.messages import StubLinks, message_to
from tests.stubs.teams import CONNECTOR_429, TeamsStub

WORKFLOW = "https://default0.1.environment.api.powerplatform.com/powerautomate/automations/direct/workflows/a/triggers"
FORMER_WORKFLOW = "https://prod-1.westeurope.logic.azure.com:443/workflows/a/triggers/manual/paths/invoke?sig=x"
CONNECTOR = "https://example.webhook.office.com/webhookb2/1"
TOKEN = {"webhook": {"url": WORKFLOW}}


@pytest.fixture
async def stub() -> AsyncIterator[TeamsStub]:
    async with TeamsStub() as started:
        yield started


@pytest.fixture
async def links() -> AsyncIterator[StubLinks]:
    made = StubLinks()
    yield made
    await made.close()


async def test_a_channel_shows_a_card(stub: TeamsStub, links: StubLinks) -> None:
    message = message_to(
        PROVIDER,
        {"webhook": {"url": f"{stub.url}/workflows/a"}},
        content="<p>It arrives on Friday.</p><p>Be at home.</p>",
        image_url="https://example.com/parcel.png",
    )
    assert await deliver(message, links) == Delivered("08581")
    (card,) = stub.cards
    assert [each.get("text") or each["url"] for each in card["body"]] == [
        "Your order has shipped",
        "It arrives on Friday.",
        "Be at home.",
        "https://example.com/parcel.png",
        "Shop",
    ]
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Open", "url": "https://example.com/orders/7"}]


async def test_a_connector_of_the_former_kind_gets_the_same_card(stub: TeamsStub, links: StubLinks) -> None:
    message = message_to(PROVIDER, {"webhook": {"url": f"{stub.url}/webhookb2/1"}}, extra={"summary": "News"})
    assert await deliver(message, links) == Delivered()
    assert stub.requests[0].json["summary"] == "News"


def test_a_card_has_what_the_message_has() -> None:
    bare = message_to(PROVIDER, TOKEN, title="", content="One line", action_url="shop://7", brand=Brand(name=""))
    body = card_message(bare)
    assert body is not None
    card = msgspec.json.decode(body)["attachments"][0]["content"]
    assert card["body"] == [{"type": "TextBlock", "text": "One line", "wrap": True}]
    assert "actions" not in card


@pytest.mark.parametrize("text", ["a", "ä", "\N{PARTY POPPER}", '"', "line\n"])
async def test_a_long_content_is_cut_to_what_teams_takes(stub: TeamsStub, links: StubLinks, text: str) -> None:
    message = message_to(PROVIDER, {"webhook": {"url": f"{stub.url}/workflows/a"}}, content=text * 30_000)
    assert isinstance(await deliver(message, links), Delivered)
    assert MAX_BYTES - 100 < len(stub.requests[0].body) <= MAX_BYTES
    assert "…" in stub.requests[0].body.decode()


async def test_what_a_sender_merges_may_be_too_large(links: StubLinks) -> None:
    message = message_to(PROVIDER, TOKEN, extra={"summary": "x" * MAX_BYTES})
    assert await deliver(message, links) == Refused("The message is too large")


DESTINATION = Scope.DESTINATION


@pytest.mark.parametrize(
    ("url", "status", "headers", "body", "outcome"),
    [
        (WORKFLOW, 202, {"x-ms-workflow-run-id": "08585"}, "", Delivered("08585")),
        (CONNECTOR, 200, {}, "1", Delivered()),
        (CONNECTOR, 200, {}, CONNECTOR_429, Throttled(60.0, DESTINATION, "429")),
        (CONNECTOR, 200, {}, CONNECTOR_429.replace("429", "413"), Refused("413: the message is too large")),
        (CONNECTOR, 200, {}, CONNECTOR_429.replace("429", "502"), Retry("502")),
        (WORKFLOW, 429, {"retry-after": "8"}, "", Throttled(8.0, DESTINATION, "429")),
        (WORKFLOW, 401, {}, "", Dead("401")),
        (WORKFLOW, 404, {}, "", Dead("404")),
        (WORKFLOW, 410, {}, "", Dead("410")),
        (WORKFLOW, 400, {}, "", Refused("400")),
        (WORKFLOW, 403, {}, "", Refused("403")),
        (WORKFLOW, 413, {}, "", Refused("413: the message is too large")),
        (WORKFLOW, 502, {"retry-after": "3"}, "", Retry("502", 3.0)),
    ],
)
def test_each_response_has_an_outcome(
    url: str, status: int, headers: dict[str, str], body: str, outcome: Outcome
) -> None:
    assert outcome_of(Answer(status, headers, body.encode()), url, 0) == outcome


@pytest.mark.parametrize(
    ("url", "status", "hint"),
    [
        (FORMER_WORKFLOW, 404, "30 November 2025"),
        (FORMER_WORKFLOW, 400, "30 November 2025"),
        (CONNECTOR, 410, "retired"),
    ],
)
def test_the_reason_names_what_to_do_about_an_address_of_a_former_kind(url: str, status: int, hint: str) -> None:
    """Complaint of atc0005/send2teams#723: connectors were retired, then the addresses of workflows moved too."""
    outcome = outcome_of(Answer(status, {}, b""), url, 0)
    assert isinstance(outcome, Dead | Refused)
    assert hint in outcome.reason
    assert "sig=" not in outcome.reason


@pytest.mark.parametrize("url", [WORKFLOW, FORMER_WORKFLOW, CONNECTOR])
def test_users_may_register_addresses_of_all_kinds(url: str) -> None:
    problems: list[str] = []
    PROVIDER.tokens[0].fields["webhook"].read({"url": url}, "webhook", problems)
    assert problems == []


def test_a_chat_has_its_own_rate_and_no_message_twice() -> None:
    assert PROVIDER.destination_rate is not None
    assert not PROVIDER.repeats_unknown
    other: dict[str, Any] = {"webhook": {"url": CONNECTOR}}
    assert destination_key(message_to(PROVIDER, TOKEN)) != destination_key(message_to(PROVIDER, other))
