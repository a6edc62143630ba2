"""The record of sent and received events."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from loadtest.journal import EVERYBODY, EventJournal, Faults, mark_of, payload

EVENTS = 8


@dataclass
class Connection:
    seen: list[int]
    user: str = "ann"
    first_number: int = 0
    out_of_order: int = 0


def one_after_another(count: int, user: str = "ann") -> EventJournal:
    """Return a journal of events, each with a response before the next request began."""
    journal = EventJournal()
    for number in range(count):
        assert journal.open(user, float(number)) == number
        journal.responded(number, number + 0.5, True)
    return journal


@given(st.lists(st.integers(0, EVENTS - 1), max_size=2 * EVENTS))
def test_received_events_are_compared_with_sent_ones(seen: list[int]) -> None:
    faults = one_after_another(EVENTS).verify([Connection(seen)])
    assert faults.lost == EVENTS - len(set(seen))
    assert faults.doubled == sum(count - 1 for count in Counter(seen).values())
    first_seen = list(dict.fromkeys(seen))
    assert (faults.reordered > 0) == (first_seen != sorted(first_seen))
    assert faults.misdelivered == 0
    assert bool(faults) == (seen != list(range(EVENTS)))


def test_events_whose_requests_overlapped_have_no_order() -> None:
    journal = EventJournal()
    for number in range(2):
        journal.open("ann", 0.0)
        journal.responded(number, 1.0, True)
    assert journal.verify([Connection([1, 0])]) == Faults()


def test_an_event_of_another_user_is_misdelivered() -> None:
    journal = one_after_another(1, "bob")
    assert journal.verify([Connection([0]), Connection([0], "bob")]) == Faults(misdelivered=1)


def test_a_refused_event_is_failed_and_not_lost() -> None:
    journal = EventJournal()
    journal.responded(journal.open("ann", 0.0), 1.0, False)
    assert journal.verify([Connection([])]) == Faults(failed=1)


def test_an_event_for_everybody_is_expected_by_those_who_were_connected() -> None:
    journal = one_after_another(1, EVERYBODY)
    assert journal.verify([Connection([]), Connection([], "late", first_number=1)]) == Faults(lost=1)


@given(st.integers(0, 10**12 - 1), st.integers(20, 400))
def test_a_payload_has_its_size_and_carries_its_mark(number: int, size: int) -> None:
    assert len(payload(number, size)) == size
    assert mark_of(b'{"content":"' + payload(number, size) + b'"}') == number
