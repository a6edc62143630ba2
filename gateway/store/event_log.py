"""Arguments of the functions that append to a user's event log, and the message that requests a resync."""

from typing import NamedTuple

RESYNC_MESSAGE = b"!resync"
"""The message that is published in place of an unpublished event. It makes every open inbox of the user read the
log."""


class Moment(NamedTuple):
    """The time of a write in unix milliseconds, and the epoch to use if the log is new."""

    now_ms: int
    new_epoch: str


class LogWrite(NamedTuple):
    """The first arguments of every Lua function that appends to a user's log."""

    now_ms: int
    epoch_if_new: str
    log_events: int
    log_seconds: int


class LogRetention(NamedTuple):
    """The bounds of each event log: a number of events, and their age in seconds."""

    events: int
    seconds: int

    def context(self, moment: Moment) -> LogWrite:
        """Return the first four arguments of every Lua function that writes to an inbox."""
        return tuple.__new__(LogWrite, (*moment, *self))
