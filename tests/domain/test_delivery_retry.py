"""Which deliveries can be retried, and for whom."""

import pytest

from gateway.domain.delivery import DeliveryState, EntryRecord, Known, Route, TokenState
from gateway.domain.delivery_retry import NotRetryableError, retried

STATE = DeliveryState
DONE = TokenState(b"a", STATE.DELIVERED, 1, provider_id="m1", started_ms=1, ended_ms=2)
DEAD = TokenState(b"b", STATE.DEAD, 3, "410", started_ms=1, ended_ms=2, may_have_sent=True)


def entry(state: DeliveryState, reason: str = "", *tokens: TokenState, held: bool = False) -> Known:
    return Known(Route.FCM, None, EntryRecord(state, reason, 1, 2, "fcm", tokens), held)


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (entry(STATE.FAILED, held=True), "It is being sent now"),
        (Known(Route.FCM, 5, None), "It has not ended: it is scheduled"),
        (entry(STATE.RETRY), "It has not ended: it is retry"),
        (entry(STATE.SKIPPED, "read"), "The notification was read, so it would be skipped again"),
        (entry(STATE.DELIVERED, "", DONE), "It was delivered"),
    ],
)
def test_a_delivery_that_has_not_failed_is_not_retried(known: Known, reason: str) -> None:
    with pytest.raises(NotRetryableError, match=reason):
        retried(known)


@pytest.mark.parametrize("state", [STATE.FAILED, STATE.REFUSED, STATE.UNKNOWN, STATE.DEAD, STATE.DELIVERED])
def test_only_destinations_that_did_not_get_the_message_begin_anew(state: DeliveryState) -> None:
    assert retried(entry(state, "x", DONE, DEAD)) == EntryRecord(
        provider="fcm", tokens=(DONE, TokenState(b"b", may_have_sent=True))
    )


def test_what_was_skipped_for_a_reason_that_may_pass_is_tried() -> None:
    assert retried(entry(STATE.SKIPPED, "no_token")) == EntryRecord(provider="fcm")
