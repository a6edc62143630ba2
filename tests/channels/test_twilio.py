"""Twilio: text messages to the stub, and what Twilio's codes mean."""

import json
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Any

import pytest

from gateway.channels.outcome import (
    Dead,
    Delivered,
    Handed,
    Misconfigured,
    Outcome,
    Refused,
    Retry,
    Throttled,
    Unknown,
)
from gateway.channels.provider import Answer
from gateway.channels.twilio import (
    HOSTS,
    INTEGRATION,
    PROVIDER,
    check,
    deliver,
    form,
    outcome_of,
    receipt,
    receipt_of,
    text_of,
)
from tests.channels.messages import ID, StubLinks, message_to
from tests.stubs.http_stub import Reply
from tests.stubs.twilio import TwilioStub

ADA = {"phone_number": "+15005550009"}
CONFIG = INTEGRATION.example


@pytest.fixture
async def stub() -> AsyncIterator[TwilioStub]:
    async with TwilioStub(CONFIG["account_sid"], CONFIG["api_key"], CONFIG["api_secret"]) as started:
        yield started


@pytest.fixture
async def links(stub: TwilioStub) -> AsyncIterator[StubLinks]:
    made = StubLinks(stub.url)
    yield made
    await made.close()


async def test_a_phone_gets_the_title_the_content_and_the_address(stub: TwilioStub, links: StubLinks) -> None:
    outcome = await deliver(message_to(PROVIDER, ADA, extra={"SmartEncoded": True, "To": "+1"}), links)
    assert outcome == Handed(f"SM{1:032x}", 5.0)
    (sent,) = stub.messages
    assert sent.pop("ValidityPeriod") in ("3600", "3599", "3598")
    assert sent == {
        "To": "+15005550009",
        "From": CONFIG["from"],
        "Body": "Your order has shipped\nIt arrives on Friday.\nhttps://example.com/orders/7",
        "SmartEncoded": "true",
    }


def test_a_long_content_is_cut_and_the_address_stays() -> None:
    text = text_of(message_to(PROVIDER, ADA, content="a" * 5000))
    assert len(text) == 1600
    assert text.endswith("a…\nhttps://example.com/orders/7")
    alone = text_of(message_to(PROVIDER, ADA, title="b" * 1599, content="a" * 5000, action_url=None))
    assert alone == "b" * 1599
    assert len(text_of(message_to(PROVIDER, ADA, title="b" * 255, action_url="https://a/" + "a" * 2000))) == 1600


@pytest.mark.parametrize(("left", "validity"), [(-9, "5"), (100, "100"), (10**6, "36000")])
def test_twilio_sends_no_message_after_it_has_expired(left: int, validity: str) -> None:
    message = message_to(PROVIDER, ADA)

    class Links(StubLinks):
        def now(self) -> float:
            return message.expires_at - left

    assert form(message, Links())["ValidityPeriod"] == validity


async def test_twilio_reports_to_the_gateway_if_it_can_reach_it(stub: TwilioStub, links: StubLinks) -> None:
    links.reports = "https://inbox.example.com/reports"
    await deliver(message_to(PROVIDER, ADA), links)
    assert stub.messages[0]["StatusCallback"] == f"{links.reports}/{ID}"


@pytest.mark.parametrize("region", HOSTS)
async def test_each_region_has_a_host_of_its_own(region: str) -> None:
    asked: list[str] = []

    class Links(StubLinks):
        def base_url(self, default: str) -> str:
            asked.append(default)
            return "http://127.0.0.1:1"

    links = Links()
    with pytest.raises(Exception, match=r"127\.0\.0\.1"):
        await deliver(message_to(PROVIDER, ADA, config={**CONFIG, "region": region}), links)
    await links.close()
    assert asked == [HOSTS[region]]


async def test_a_number_that_sent_stop_gets_nothing_more(stub: TwilioStub, links: StubLinks) -> None:
    stub.errors["+15005550009"] = (21610, 400)
    outcome = await deliver(message_to(PROVIDER, ADA), links)
    assert outcome == Dead("21610: the recipient has sent STOP")


def test_a_message_that_may_have_been_sent_is_not_sent_again() -> None:
    """Complaint of department-of-veterans-affairs/notification-api#2473: people got text messages twice."""
    assert not PROVIDER.repeats_unknown


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        *((400, code, Dead) for code in (21211, 21217, 21264, 21610, 21614, 21635)),
        *((400, code, Misconfigured) for code in (21603, 21606, 21659, 21660)),
        *((status, code, Misconfigured) for status, code in ((401, 20003), (403, 20005), (404, 20404), (403, 90010))),
        # These concern one recipient: a country, a network, a text.
        *((400, code, Refused) for code in (21408, 21608, 21612, 21617, 21602, 99999)),
    ],
)
def test_each_error_has_an_outcome_with_its_code(status: int, code: int, outcome: type[Dead]) -> None:
    found = outcome_of(Answer(status, {}, json.dumps({"code": code}).encode()), 0)
    assert isinstance(found, outcome)
    assert found.reason.startswith(str(code))


@pytest.mark.parametrize(
    ("status", "headers", "code", "outcome"),
    [
        (429, {}, 20429, Throttled(1.0, reason="20429")),
        (429, {"retry-after": "4"}, 20429, Throttled(4.0, reason="20429")),
        (429, {}, 0, Throttled(1.0, reason="429")),
        (400, {}, 21611, Throttled(60.0, reason="21611")),
        (429, {}, 63038, Throttled(3600.0, reason="63038")),
        (500, {}, 0, Retry("500")),
        (503, {"retry-after": "2"}, 20503, Retry("20503", 2.0)),
        (201, {}, 0, Unknown("The response has no sid")),
    ],
)
def test_twilio_that_is_busy_gets_the_message_later(
    status: int, headers: dict[str, str], code: int, outcome: Outcome
) -> None:
    """429 was never processed: sending again repeats nothing (www.twilio.com/docs/api/errors/20429)."""
    assert outcome_of(Answer(status, headers, json.dumps({"code": code}).encode()), 0) == outcome


async def test_the_result_of_a_message_is_asked_for(stub: TwilioStub, links: StubLinks) -> None:
    handed = await deliver(message_to(PROVIDER, ADA), links)
    assert isinstance(handed, Handed)
    message = message_to(PROVIDER, ADA)
    assert await receipt(message, handed.receipt, links) == Handed(handed.receipt, 60.0)
    stub.results[handed.receipt] |= {"status": "delivered"}
    assert await receipt(message, handed.receipt, links) == Delivered(handed.receipt)
    assert await receipt(message, "SM/../x", links) == Delivered("SM/../x"), "it was accepted"
    stub.faults.append(Reply(500))
    assert await receipt(message, handed.receipt, links) == Handed(handed.receipt, 60.0)
    assert len(stub.messages) == 1


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        ({"status": "sent", "date_created": formatdate(950)}, Handed("SM1", 60.0)),
        ({"status": "sent", "date_created": formatdate(500)}, Handed("SM1", 600)),
        ({"status": "sent", "date_created": formatdate(300)}, Delivered("SM1")),
        ({"status": "sent", "date_created": None}, Delivered("SM1")),
        ({"status": "sending"}, Handed("SM1", 600)),
        ({"status": "undelivered", "error_code": 30006}, Dead("30006: a landline")),
        ({"status": "undelivered", "error_code": 30005}, Dead("30005: the number does not exist")),
        ({"status": "undelivered", "error_code": 30003}, Refused("30003: the phone cannot be reached")),
        ({"status": "undelivered", "error_code": 30002}, Refused("30002: the account is suspended")),
        ({"status": "failed", "error_code": None}, Refused("failed")),
        ({"status": "canceled"}, Refused("canceled")),
    ],
)
def test_each_state_of_a_message_has_an_outcome(found: dict[str, Any], outcome: Outcome) -> None:
    assert receipt_of(Answer(200, {}, json.dumps(found).encode()), "SM1", 1000) == outcome


async def test_the_account_and_key_are_checked_without_a_message(stub: TwilioStub, links: StubLinks) -> None:
    assert await check(CONFIG, links) == ""
    assert await check({**CONFIG, "api_secret": "x"}, links) == "20003: the key or its secret is wrong"
    assert await check({**CONFIG, "account_sid": "AC1"}, links) == "20404: there is no such account"
    assert stub.messages == []


def test_a_response_that_is_no_json_has_an_outcome() -> None:
    assert outcome_of(Answer(502, {}, b"<html>"), 0) == Retry("502")
    assert outcome_of(Answer(400, {}, b"[1]"), 0) == Refused("400")
