"""Pushes reach Expo in batches, and one message at fault repeats and spoils no other (complaint 3)."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

import gateway.channels.expo_push as expo_push
from gateway.channels.expo import INTEGRATION
from gateway.channels.expo_push import PROVIDER, check, deliver, receipt
from gateway.channels.message import Message
from gateway.channels.outcome import Dead, Delivered, Handed, Misconfigured, Outcome, Refused, Retry, Throttled, Unknown
from gateway.domain.outbound_errors import NoAnswerError
from tests.channels.push_links import PushLinks, push_to
from tests.stubs.expo import ExpoStub, error, failure
from tests.stubs.http_stub import Reply


@pytest.fixture
async def stub() -> AsyncIterator[ExpoStub]:
    async with ExpoStub("an-access-token-of-expo") as stub:
        yield stub


@pytest.fixture
async def links(stub: ExpoStub) -> AsyncIterator[PushLinks]:
    links = PushLinks(stub.url)
    yield links
    await links.close()


def token(number: int) -> str:
    return f"ExponentPushToken[{number:022}]"


def push(number: int = 0, **changes: Any) -> Message:
    return push_to(PROVIDER, {"device_token": token(number)}, **{"title": f"Push {number}", **changes})


def kinds(outcomes: Any) -> list[type[Outcome]]:
    return [type(each) for each in outcomes]


async def test_a_hundred_messages_are_one_request_with_outcomes_in_order(stub: ExpoStub, links: PushLinks) -> None:
    stub.tickets[token(7)] = failure("DeviceNotRegistered", token(7))
    outcomes = await deliver([push(number) for number in range(PROVIDER.batch)], links)
    assert kinds(outcomes) == [Dead if number == 7 else Handed for number in range(100)]
    assert len(stub.requests) == 1


async def test_the_receipt_tells_the_result_and_all_receipts_are_one_request(stub: ExpoStub, links: PushLinks) -> None:
    stub.receipts |= {token(1): failure("DeviceNotRegistered"), token(2): failure("MessageRateExceeded")}
    stub.missing.add(token(3))
    messages = [push(number) for number in range(4)]
    tickets = [each.receipt for each in await deliver(messages, links) if isinstance(each, Handed)]
    found = await asyncio.gather(*(receipt(*pair, links) for pair in zip(messages, tickets, strict=True)))
    assert kinds(found) == [Delivered, Dead, Throttled, Unknown]
    assert len(stub.requests) == 2
    assert await receipt(messages[0], tickets[0], links) == Delivered()


async def test_receipts_beyond_the_limit_are_another_request(
    stub: ExpoStub, links: PushLinks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expo_push, "MAX_RECEIPTS", 2)
    found = await asyncio.gather(*(receipt(push(), f"r-{number}", links) for number in range(5)))
    assert found == [Unknown("no receipt")] * 5
    assert len(stub.requests) == 3


async def test_a_failed_question_for_receipts_decides_nothing(stub: ExpoStub, links: PushLinks) -> None:
    stub.faults.extend([Reply(503), None, Reply(200, {"data": []})])
    for _ in range(2):
        with pytest.raises(NoAnswerError):
            await receipt(push(), "r-1", links)
    assert await receipt(push(), "r-1", links) == Unknown("no receipt")


async def test_a_question_that_is_given_up_does_not_disturb_the_others(stub: ExpoStub, links: PushLinks) -> None:
    (handed,) = await deliver([push()], links)
    assert isinstance(handed, Handed)
    first, second = (asyncio.create_task(receipt(push(), handed.receipt, links)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == Delivered()


async def test_one_invalid_message_is_refused_and_all_others_are_sent_once(stub: ExpoStub, links: PushLinks) -> None:
    messages = [push(number, extra={"badge": "seven"} if number == 5 else {}) for number in range(16)]
    outcomes = await deliver(messages, links)
    assert kinds(outcomes) == [Refused if number == 5 else Handed for number in range(16)]
    assert sorted(each["title"] for each in stub.messages) == sorted(f"Push {n}" for n in range(16) if n != 5)


async def test_tokens_of_several_projects_of_expo_are_sent_project_by_project(stub: ExpoStub, links: PushLinks) -> None:
    stub.projects = {token(number): f"@shop/{number % 3}" for number in range(9)}
    outcomes = await deliver([push(number) for number in range(9)], links)
    assert kinds(outcomes) == [Handed] * 9
    assert len(stub.requests) == 4
    for details in ({"@shop/0": 7}, None):
        stub.faults.append(error(400, "PUSH_TOO_MANY_EXPERIENCE_IDS", details))
        assert kinds(await deliver([push(0), push(1)], links)) == [Misconfigured] * 2


async def test_a_message_that_cannot_fit_is_refused_and_the_others_are_sent(stub: ExpoStub, links: PushLinks) -> None:
    large = push(1, extra={"data": {"own": "x" * 5000}})
    assert kinds(await deliver([push(0), large, push(2)], links)) == [Handed, Refused, Handed]
    assert kinds(await deliver([large], links)) == [Refused]


async def test_a_request_without_an_answer_leaves_its_messages_unknown(stub: ExpoStub, links: PushLinks) -> None:
    stub.faults.append(None)
    assert kinds(await deliver([push(0), push(1)], links)) == [Unknown] * 2
    stub.faults.append(Reply(200, {"data": [{"status": "ok", "id": "r-1"}]}))
    assert kinds(await deliver([push(0), push(1)], links)) == [Unknown] * 2
    links.base = "http://127.0.0.1:1"
    assert kinds(await deliver([push(0), push(1)], links)) == [Retry] * 2


async def test_what_there_is_no_time_for_was_not_sent(
    stub: ExpoStub, links: PushLinks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expo_push, "DELIVER_SECONDS", 0.5)
    assert kinds(await deliver([push(0), push(1)], links)) == [Retry] * 2
    assert stub.requests == []


async def test_a_project_without_an_access_token_sends_none(links: PushLinks, stub: ExpoStub) -> None:
    stub.access_token = ""
    assert kinds(await deliver([push(config={})], links)) == [Handed]
    assert "authorization" not in stub.requests[0].headers


@pytest.mark.parametrize(("config", "fault"), [(INTEGRATION.example, ""), ({"access_token": "x"}, "UNAUTHORIZED")])
async def test_a_check_says_what_is_wrong_and_sends_nothing(
    stub: ExpoStub, links: PushLinks, config: Mapping[str, str], fault: str
) -> None:
    assert await check(config, links) == fault
    assert stub.messages == []
