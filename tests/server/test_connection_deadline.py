"""The deadline of one HTTP connection."""

import time
from typing import Any

import pytest

from gateway.runtime.deadlines import HasDeadline
from gateway.runtime.timer_wheel import TimerWheel
from gateway.server.connection_deadline import ConnectionDeadline


class Connection:
    """A connection, as far as a deadline needs one."""

    @property
    def transport(self) -> Any:
        return self

    def on_deadline(self, now: float) -> None:
        """Do nothing."""


@pytest.fixture
def wheel() -> TimerWheel[HasDeadline]:
    """An empty timer wheel."""
    return TimerWheel(time.monotonic())


def test_a_deadline_passes_after_its_time(wheel: TimerWheel[HasDeadline]) -> None:
    deadline, connection = ConnectionDeadline(wheel), Connection()
    deadline.set(connection, 5)
    assert deadline.is_set
    assert wheel.due(deadline.set_at + 4) == []
    assert wheel.due(deadline.set_at + 6) == [connection]
    assert deadline.has_passed(connection, deadline.set_at + 6)
    assert not deadline.is_set


def test_a_later_deadline_replaces_an_earlier_one(wheel: TimerWheel[HasDeadline]) -> None:
    deadline, connection = ConnectionDeadline(wheel), Connection()
    deadline.set(connection, 5, idle=True)
    assert deadline.idle
    deadline.set(connection, 50)
    assert not deadline.idle
    assert all(not deadline.has_passed(each, deadline.set_at + 40) for each in wheel.due(deadline.set_at + 40))
    assert deadline.is_set
    assert wheel.due(deadline.set_at + 51) == [connection]
    assert deadline.has_passed(connection, deadline.set_at + 51)


def test_a_cancelled_deadline_never_passes(wheel: TimerWheel[HasDeadline]) -> None:
    deadline, connection = ConnectionDeadline(wheel), Connection()
    deadline.set(connection, 5, idle=True)
    deadline.cancel(connection)
    deadline.cancel(connection)
    assert not deadline.is_set
    assert not deadline.idle
    assert len(wheel) == 0


def test_a_client_that_reads_less_of_its_response_each_time_is_reading(wheel: TimerWheel[HasDeadline]) -> None:
    deadline = ConnectionDeadline(wheel)
    assert deadline.client_reads(1000)
    assert deadline.client_reads(999)
    assert not deadline.client_reads(999)


def test_a_client_without_an_unread_response_is_not_reading(wheel: TimerWheel[HasDeadline]) -> None:
    assert not ConnectionDeadline(wheel).client_reads(0)


def test_a_new_response_may_be_longer_than_the_unread_rest_of_an_earlier_one(wheel: TimerWheel[HasDeadline]) -> None:
    deadline, connection = ConnectionDeadline(wheel), Connection()
    assert deadline.client_reads(10)
    deadline.set(connection, 5)
    deadline.cancel(connection)
    assert deadline.client_reads(1000)


def test_a_cleared_deadline_does_not_pass_when_its_entry_comes_up(wheel: TimerWheel[HasDeadline]) -> None:
    deadline, connection = ConnectionDeadline(wheel), Connection()
    deadline.set(connection, 5)
    deadline.clear()
    assert not deadline.is_set
    assert wheel.due(deadline.set_at + 6) == [connection]
    assert not deadline.has_passed(connection, deadline.set_at + 6)
    assert len(wheel) == 0


def test_an_earlier_deadline_moves_the_entry_forward(wheel: TimerWheel[HasDeadline]) -> None:
    deadline, connection = ConnectionDeadline(wheel), Connection()
    deadline.set(connection, 50)
    deadline.set(connection, 5)
    assert wheel.due(deadline.set_at + 6) == [connection]
    assert deadline.has_passed(connection, deadline.set_at + 6)
    assert wheel.due(deadline.set_at + 60) == []
