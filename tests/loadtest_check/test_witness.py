"""What a device's witness takes for a broken promise, and what not."""

from typing import Any

import pytest

from gateway.domain.event import Position
from loadtest.check.violations import Kind
from loadtest.check.witness import History, Witness


class Reports:
    """The violations so far."""

    def __init__(self) -> None:
        self.kinds: list[Kind] = []

    def __call__(self, kind: Kind, who: str, detail: str) -> None:
        self.kinds.append(kind)


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def witness(reports: Reports) -> Witness:
    """A device that is connected at e.5 and knows the empty list."""
    return connected(Witness("ada/sse", History(), reports))


def connected(witness: Witness) -> Witness:
    witness.ready("e.5")
    assert witness.needs_list
    witness.fetched([], Position("e", 5))
    return witness


def new(position: str, unread: int, title: str = "w") -> dict[str, Any]:
    """An event that creates an item named like its position."""
    item = {
        "id": position,
        "title": title,
        "category": "",
        "topic": None,
        "read_at": None,
        "seen_at": None,
        "archived_at": None,
    }
    counts = {"unread_count": unread, "unseen_count": unread}
    data = {"id": position, "notification": item}
    return {
        "type": "event",
        "position": position,
        "name": "notifications/new",
        "data": data,
        **counts,
        "unarchived": counts,
    }


def test_events_that_follow_with_true_counts_are_right(witness: Witness, reports: Reports) -> None:
    witness.event(new("e.6", 1))
    witness.event(new("e.7", 2))
    witness.ready("e.7")
    witness.event(new("e.8", 3))
    assert reports.kinds == []
    assert (witness.events, witness.connected, witness.resumed) == (3, 2, 1)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (new("e.7", 1), Kind.LOST),
        (new("e.5", 1), Kind.DOUBLED),
        (new("f.6", 1), Kind.EPOCH_CHANGED_UNTOLD),
        (new("e.6", 2), Kind.WRONG_COUNTS),
    ],
)
def test_an_event_that_does_not_follow_is_a_violation(
    event: dict[str, Any], kind: Kind, witness: Witness, reports: Reports
) -> None:
    witness.event(event)
    assert reports.kinds == [kind]


def test_an_event_about_what_is_not_there_is_a_violation(witness: Witness, reports: Reports) -> None:
    witness.event({**new("e.6", 0), "name": "notifications/delete"})
    assert reports.kinds == [Kind.IMPOSSIBLE_EVENT]


def test_a_stream_that_goes_on_elsewhere_without_a_reset_is_a_violation(witness: Witness, reports: Reports) -> None:
    witness.ready("e.9")
    witness.event(new("e.10", 1))
    assert reports.kinds == [Kind.RESUMED_ELSEWHERE, Kind.LOST]


def test_after_a_reset_the_list_is_fetched_and_events_that_it_has_are_not_applied_again(
    witness: Witness, reports: Reports
) -> None:
    witness.resets_allowed = True
    witness.ready("f.9")
    witness.reset("f.9", "epoch_changed")
    assert witness.needs_list
    witness.fetched([new("f.10", 1)["data"]["notification"]], Position("f", 10))
    witness.event(new("f.10", 1))
    witness.event(new("f.11", 2))
    assert reports.kinds == []


def test_a_reset_where_nothing_can_be_lost_is_a_violation(witness: Witness, reports: Reports) -> None:
    witness.reset("f.9", "epoch_changed")
    assert reports.kinds == [Kind.RESET_WITHOUT_NEED]


def test_two_devices_that_are_told_different_things_are_a_violation(reports: Reports) -> None:
    history = History()
    one, other = (connected(Witness(name, history, reports)) for name in ("one", "other"))
    one.event(new("e.6", 1, "this"))
    other.event(new("e.6", 1, "that"))
    assert reports.kinds == [Kind.UNLIKE_OTHERS]


def test_a_write_that_was_done_twice_stands_in_the_history_twice(reports: Reports) -> None:
    history = History()
    witness = connected(Witness("one", history, reports))
    witness.event(new("e.6", 1, "write"))
    witness.event(new("e.7", 2, "write"))
    assert history.writes == {"write": [Position("e", 6), Position("e", 7)]}
