"""Connections whose deadline has passed."""

from typing import Any

from gateway.runtime.deadlines import pass_deadlines
from tests.logs import captured_log


class Connection:
    """A connection whose deadline may raise."""

    def __init__(self, problem: Exception | None = None):
        self.problem = problem
        self.called_at: float | None = None
        self.aborted = False

    @property
    def transport(self) -> Any:
        return self

    def abort(self) -> None:
        self.aborted = True

    def on_deadline(self, now: float) -> None:
        self.called_at = now
        if self.problem is not None:
            raise self.problem


def test_each_connection_is_called_with_the_time() -> None:
    connections = [Connection(), Connection()]
    pass_deadlines(connections, 5)
    assert [connection.called_at for connection in connections] == [5, 5]


def test_a_connection_that_raises_is_aborted_and_the_others_are_still_called() -> None:
    broken, other = Connection(ValueError("broken")), Connection()
    with captured_log() as lines:
        pass_deadlines([broken, other], 5)
    assert broken.aborted
    assert other.called_at == 5
    assert not other.aborted
    assert [(line["event"], line["problem"]) for line in lines] == [("deadline_failed", "ValueError")]
    assert "broken" not in str(lines)
