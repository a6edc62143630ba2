"""The deadline of one HTTP connection, by which its client must send more of a request, or read more of a response.

A request sets and clears several. The wheel keeps one entry for a connection, at the earliest deadline so far. A later
deadline, or none, leaves the entry in place, and is compared when the entry's time has come. So a request costs two
readings of the clock, and no changes of the wheel's sets.
"""

import time

from gateway.runtime.deadlines import HasDeadline
from gateway.runtime.timer_wheel import TimerWheel


class ConnectionDeadline:
    """One deadline on a timer wheel. Methods take the connection, so that this object does not refer back to it."""

    __slots__ = ("_due", "_entry_due", "_slot", "_unread_bytes", "_wheel", "idle", "set_at")

    def __init__(self, wheel: TimerWheel[HasDeadline]):
        self._wheel = wheel
        self._due: float | None = None
        self._slot: int | None = None
        self._entry_due = 0.0
        self._unread_bytes = 0
        self.idle = False
        """Whether the deadline is that of a connection between two requests."""
        self.set_at = 0.0
        """When the deadline was set, in monotonic seconds."""

    @property
    def is_set(self) -> bool:
        """Whether a deadline is set that has not passed."""
        return self._due is not None

    def set(self, connection: HasDeadline, seconds: float, *, idle: bool = False) -> None:
        """Set the deadline, instead of an earlier one."""
        self.idle = idle
        self.set_at = now = time.monotonic()
        self._due = due = now + seconds
        if self._slot is None or due < self._entry_due:
            self._schedule(connection, due)

    def clear(self) -> None:
        """Cancel the deadline, if one is set, for a connection that will set others."""
        self.idle = False
        self._due = None
        self._unread_bytes = 0

    def cancel(self, connection: HasDeadline) -> None:
        """Cancel the deadline, if one is set, and remove the connection from the wheel."""
        self.clear()
        if self._slot is not None:
            self._wheel.cancel(connection, self._slot)
            self._slot = None

    def has_passed(self, connection: HasDeadline, now: float) -> bool:
        """Return whether the deadline has passed, which ends it. To be called when the wheel removes the entry."""
        self._slot = None
        if self._due is None:
            return False
        if self._due > now:
            self._schedule(connection, self._due)
            return False
        self._due = None
        return True

    def client_reads(self, unread_bytes: int) -> bool:
        """Return whether the client has read a part of its response since the last deadline.

        `unread_bytes` is the size of the unread rest, which the next call compares. In the first call, any unread
        response counts as being read.
        """
        if not unread_bytes or (self._unread_bytes and unread_bytes >= self._unread_bytes):
            return False
        self._unread_bytes = unread_bytes
        return True

    def _schedule(self, connection: HasDeadline, due: float) -> None:
        self._slot = self._wheel.schedule(connection, due, self._slot)
        self._entry_due = due
