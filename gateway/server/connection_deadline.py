"""The deadline of one HTTP connection, by which its client must send more of a request, or read more of a response."""

import time

from gateway.runtime.deadlines import HasDeadline
from gateway.runtime.timer_wheel import TimerWheel


class ConnectionDeadline:
    """One deadline on a timer wheel. Methods take the connection, so that this object does not refer back to it."""

    __slots__ = ("_slot", "_unread_bytes", "_wheel", "idle", "set_at")

    def __init__(self, wheel: TimerWheel[HasDeadline]):
        self._wheel = wheel
        self._slot: int | None = None
        self._unread_bytes = 0
        self.idle = False
        """Whether the deadline is that of a connection between two requests."""
        self.set_at = 0.0
        """When the deadline was set, in monotonic seconds."""

    @property
    def is_set(self) -> bool:
        """Whether a deadline is set that has not passed."""
        return self._slot is not None

    def set(self, connection: HasDeadline, seconds: float, *, idle: bool = False) -> None:
        """Set the deadline, instead of an earlier one."""
        self.idle = idle
        self.set_at = time.monotonic()
        self._slot = self._wheel.schedule(connection, self.set_at + seconds, self._slot)

    def cancel(self, connection: HasDeadline) -> None:
        """Cancel the deadline, if one is set."""
        self.idle = False
        if self._slot is not None:
            self._wheel.cancel(connection, self._slot)
            self._slot = None
            self._unread_bytes = 0

    def passed(self) -> None:
        """Record that the wheel has removed the deadline."""
        self._slot = None

    def client_reads(self, unread_bytes: int) -> bool:
        """Return whether the client has read a part of its response since the last deadline.

        `unread_bytes` is the size of the unread rest, which the next call compares. In the first call, any unread
        response counts as being read.
        """
        if not unread_bytes or (self._unread_bytes and unread_bytes >= self._unread_bytes):
            return False
        self._unread_bytes = unread_bytes
        return True
