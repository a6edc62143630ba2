"""Asking a provider again for the result of a message."""

import pytest

from gateway.domain.delivery import DeliveryState, EntryRecord, Known, Route, TokenState
from gateway.domain.delivery_report import asked_again


def known(*states: DeliveryState, is_held: bool = False) -> Known:
    tokens = tuple(
        TokenState(b"%d" % place, state, 1, provider_id="SM1", ended_ms=5, next_ms=9)
        for place, state in enumerate(states)
    )
    return Known(Route.SMS, None, EntryRecord(DeliveryState.DELIVERED, "x", 1, 5, "twilio", tokens), is_held)


@pytest.mark.parametrize("state", [DeliveryState.HANDED, DeliveryState.DELIVERED])
def test_a_message_that_was_accepted_is_asked_for_at_once(state: DeliveryState) -> None:
    record = asked_again(known(state, DeliveryState.DEAD))
    assert record is not None
    assert (record.state, record.ended_ms, record.reason) == (DeliveryState.HANDED, 0, "")
    first, second = record.tokens
    assert (first.state, first.next_ms, first.provider_id) == (DeliveryState.HANDED, 0, "SM1")
    assert second.state is DeliveryState.DEAD


def test_there_is_nothing_to_ask_for_of_what_was_not_accepted_or_is_being_sent() -> None:
    assert asked_again(known(DeliveryState.REFUSED, DeliveryState.UNKNOWN)) is None
    assert asked_again(known(DeliveryState.HANDED, is_held=True)) is None
    assert asked_again(Known(Route.SMS, 5, None, False)) is None
