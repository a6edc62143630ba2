"""The violations that the observer of a device reports."""

from typing import Any

import pytest

from gateway.domain.event import Position
from loadtest.check.observer import History, Observer
from loadtest.check.violations import ViolationKind


class Reports:
    """Collects the kinds of violations."""

    def __init__(self) -> None:
        self.kinds: list[ViolationKind] = []

    def __call__(self, kind: ViolationKind, who: str, detail: str) -> None:
        self.kinds.append(kind)


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def observer(reports: Reports) -> Observer:
    """Return the observer of a device that is connected at e.5 and has an empty list."""
    return connected(Observer("ada/sse", History(), reports))


def connected(observer: Observer) -> Observer:
    observer.ready("e.5")
    assert observer.needs_list
    observer.fetched([], Position("e", 5))
    return observer


def new(position: str, unread: int, title: str = "w") -> dict[str, Any]:
    """Return an event that creates an item named like its position."""
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


def test_events_that_follow_with_correct_counts_are_no_violation(observer: Observer, reports: Reports) -> None:
    observer.event(new("e.6", 1))
    observer.event(new("e.7", 2))
    observer.ready("e.7")
    observer.event(new("e.8", 3))
    assert reports.kinds == []
    assert (observer.events, observer.connected, observer.resumed) == (3, 2, 1)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (new("e.7", 1), ViolationKind.LOST),
        (new("e.5", 1), ViolationKind.DOUBLED),
        (new("f.6", 1), ViolationKind.EPOCH_CHANGED_UNTOLD),
        (new("e.6", 2), ViolationKind.WRONG_COUNTS),
    ],
)
def test_an_event_that_does_not_follow_is_a_violation(
    event: dict[str, Any], kind: ViolationKind, observer: Observer, reports: Reports
) -> None:
    observer.event(event)
    assert reports.kinds == [kind]


def test_an_event_about_an_unknown_item_is_a_violation(observer: Observer, reports: Reports) -> None:
    observer.event({**new("e.6", 0), "name": "notifications/delete"})
    assert reports.kinds == [ViolationKind.IMPOSSIBLE_EVENT]


def test_a_stream_that_continues_at_another_position_without_a_reset_is_a_violation(
    observer: Observer, reports: Reports
) -> None:
    observer.ready("e.9")
    observer.event(new("e.10", 1))
    assert reports.kinds == [ViolationKind.RESUMED_ELSEWHERE, ViolationKind.LOST]


def test_after_a_reset_the_list_is_fetched_and_events_in_it_are_not_applied_again(
    observer: Observer, reports: Reports
) -> None:
    observer.resets_allowed = True
    observer.ready("f.9")
    observer.reset("f.9", "epoch_changed")
    assert observer.needs_list
    observer.fetched([new("f.10", 1)["data"]["notification"]], Position("f", 10))
    observer.event(new("f.10", 1))
    observer.event(new("f.11", 2))
    assert reports.kinds == []


def test_a_reset_that_no_fault_allows_is_a_violation(observer: Observer, reports: Reports) -> None:
    observer.reset("f.9", "epoch_changed")
    assert reports.kinds == [ViolationKind.RESET_WITHOUT_NEED]


def test_different_events_of_two_devices_at_a_position_are_a_violation(reports: Reports) -> None:
    history = History()
    one, other = (connected(Observer(name, history, reports)) for name in ("one", "other"))
    one.event(new("e.6", 1, "this"))
    other.event(new("e.6", 1, "that"))
    assert reports.kinds == [ViolationKind.UNLIKE_OTHERS]


def test_a_write_that_was_applied_twice_is_in_the_history_twice(reports: Reports) -> None:
    history = History()
    observer = connected(Observer("one", history, reports))
    observer.event(new("e.6", 1, "write"))
    observer.event(new("e.7", 2, "write"))
    assert history.writes == {"write": [Position("e", 6), Position("e", 7)]}
