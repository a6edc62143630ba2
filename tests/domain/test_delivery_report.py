"""Asking a provider again for the result of a message."""

from gateway.domain.delivery import DeliveryState, EntryRecord, Known, Route, TokenState
from gateway.domain.delivery_report import asked_again, was_delivered


def known(*states: DeliveryState, is_held: bool = False) -> Known:
    tokens = tuple(
        TokenState(b"%d" % place, state, 1, provider_id="SM1", ended_ms=5, next_ms=9)
        for place, state in enumerate(states)
    )
    return Known(Route.SMS, None, EntryRecord(DeliveryState.DELIVERED, "x", 1, 5, "twilio", tokens), is_held)


def test_a_message_whose_result_is_not_known_is_asked_for_at_once() -> None:
    record = asked_again(known(DeliveryState.HANDED, DeliveryState.DEAD))
    assert record is not None
    first, second = record.tokens
    assert (first.state, first.next_ms, first.provider_id) == (DeliveryState.HANDED, 0, "SM1")
    assert second.state is DeliveryState.DEAD


def test_there_is_nothing_to_ask_for_of_what_was_not_accepted_or_is_being_sent() -> None:
    assert asked_again(known(DeliveryState.REFUSED, DeliveryState.UNKNOWN)) is None
    assert asked_again(known(DeliveryState.DELIVERED)) is None, "its state is final"
    assert was_delivered(known(DeliveryState.DELIVERED), "SM1")
    assert not was_delivered(known(DeliveryState.DELIVERED), "SM2")
    assert not was_delivered(known(DeliveryState.HANDED), "SM1")
    assert not was_delivered(Known(Route.SMS, 5, None, False), "SM1")
    assert asked_again(known(DeliveryState.HANDED, is_held=True)) is None
    assert asked_again(Known(Route.SMS, 5, None, False)) is None
