"""Sending returns an outcome for each message, whatever an adapter does."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from gateway.channels.message import Message
from gateway.channels.outcome import Delivered, Handed, Outcome, Unknown
from gateway.channels.provider import Links, Provider
from gateway.delivery import sender
from gateway.delivery.sender import Sender
from gateway.domain.outbound_errors import NoAnswerError
from tests.delivery.entries import PUSH, entry, taken, token
from tests.delivery.test_user_work import work_on
from tests.logs import captured_log


def messages() -> list[Message]:
    work = work_on(taken(entry(), tokens=[token(1), token(2)]))
    return [attempt.message for attempt in work.attempts]


def sender_of(**traits: Any) -> Sender:
    provider: Provider = replace(PUSH, **traits)
    return Sender(provider, cast(Links, None))


async def test_an_adapter_that_returns_too_few_outcomes_is_reported() -> None:
    async def deliver(found: Sequence[Message], links: Links) -> Sequence[Outcome]:
        return [Delivered("1")]

    with captured_log() as lines:
        outcomes = await sender_of(deliver=deliver).send(messages())
    assert outcomes[0] == Delivered("1")
    assert isinstance(outcomes[1], Unknown)
    assert lines[0]["event"] == "delivery_outcomes_missing"


async def test_an_adapter_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "GRACE_SECONDS", 0.01)

    async def deliver(found: Sequence[Message], links: Links) -> Sequence[Outcome]:
        await asyncio.Event().wait()
        return []

    outcomes = await sender_of(deliver=deliver, seconds=0.01).send(messages())
    assert {type(outcome) for outcome in outcomes} == {Unknown}


async def test_the_log_of_a_fault_has_its_place_and_nothing_of_the_message() -> None:
    async def deliver(found: Sequence[Message], links: Links) -> Sequence[Outcome]:
        raise ValueError(found[0].title)

    with captured_log() as lines:
        await sender_of(deliver=deliver).send(messages())
    (line,) = lines
    assert (line["event"], line["problem"]) == ("adapter_failed", "ValueError")
    assert "test_sender.py" in line["where"][0]
    assert "Shipped" not in str(line)


async def test_a_result_that_the_provider_does_not_tell_is_asked_for_again() -> None:
    (message, _), told = messages(), Delivered("1")

    async def tells(message: Message, receipt: str, links: Links) -> Outcome:
        assert receipt == "r1"
        return told

    async def fails(message: Message, receipt: str, links: Links) -> Outcome:
        raise NoAnswerError("cut")

    async def breaks(message: Message, receipt: str, links: Links) -> Outcome:
        raise KeyError("a bug")

    assert await sender_of(receipt=tells).ask(message, "r1") is told
    assert await sender_of(receipt=fails).ask(message, "r1") is None
    with captured_log() as lines:
        assert await sender_of(receipt=breaks).ask(message, "r1") is None
    assert [line["event"] for line in lines] == ["adapter_failed"]
    assert isinstance(await sender_of().ask(message, "r1"), Unknown)


async def test_an_id_that_is_none_is_dropped() -> None:
    found: list[Outcome] = [Delivered("<1@example.com>"), Delivered("Bearer secret"), Handed("a" * 201, 1.0)]

    async def deliver(sent: Sequence[Message], links: Links) -> Sequence[Outcome]:
        return [found.pop(0)]

    first = messages()[:1]
    assert await sender_of(deliver=deliver).send(first) == [Delivered("<1@example.com>")]
    assert await sender_of(deliver=deliver).send(first) == [Delivered()]
    assert isinstance((await sender_of(deliver=deliver).send(first))[0], Unknown)
