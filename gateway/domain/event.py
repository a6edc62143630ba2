"""Events and their positions.

Every change of a user's inbox is one event with a position. `epoch` identifies the user's log, and changes whenever
a new log is started. `offset` counts the log's events 1, 2, 3, … without gaps. Offset 0 is the start of an empty log.
"""

import re
from typing import NamedTuple

POSITION_PATTERN = r"([0-9A-Za-z_-]{1,32})\.(0|[1-9][0-9]{0,15})"

_POSITION = re.compile(POSITION_PATTERN)


class Position(NamedTuple):
    """A place in one user's event log, written `epoch.offset`."""

    epoch: str
    offset: int

    @classmethod
    def parse(cls, text: str) -> "Position | None":
        """Return the position that a text denotes, None if it denotes none."""
        match = _POSITION.fullmatch(text)
        return cls(match[1], int(match[2])) if match else None

    @property
    def before(self) -> "Position":
        """Return the position directly before this one."""
        # This takes less than half the time of the constructor (measured), and runs once for every dispatched event.
        return tuple.__new__(Position, (self.epoch, self.offset - 1))

    def follows(self, other: "Position") -> bool:
        """Return whether this is the position directly after another one."""
        return self.offset == other.offset + 1 and self.epoch == other.epoch

    def __str__(self) -> str:
        return f"{self.epoch}.{self.offset}"


class Counts(NamedTuple):
    """How many items are unread and unseen, in the whole inbox and among the items that are not archived."""

    unread: int
    unseen: int
    unarchived_unread: int
    unarchived_unseen: int


class Event(NamedTuple):
    """One change of an inbox, as it is stored in the log and published.

    `published_ms` is the time of the write in unix milliseconds, by the clock of the process that wrote it. `text` is
    the JSON object that clients receive, encoded, on one line.
    """

    position: Position
    published_ms: int
    name: str
    text: bytes

    @classmethod
    def decode(cls, message: bytes) -> "Event":
        """Return the event of a log entry or published message: `epoch.offset ms name LF json`.

        The head makes it possible to route an event without parsing its JSON. Raise ValueError for anything else.
        """
        head, separator, text = message.partition(b"\n")
        position, published_ms, name = head.decode("ascii").split(" ")
        parsed = Position.parse(position)
        if parsed is None or not separator:
            raise ValueError(f"not an event: {head[:80]!r}")
        return cls(parsed, int(published_ms), name, on_one_line(text))


def on_one_line(text: bytes) -> bytes:
    """Return a JSON text on one line: U+0085, U+2028 and U+2029 are escaped, and carriage returns become spaces.

    JSON allows these three characters in strings, but Unicode counts them as line ends, and many line readers split the
    text there. The common prefix of U+2028 and U+2029 is searched for first, because few texts contain it.
    """
    if b"\xe2\x80" in text:
        text = text.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    if b"\xc2\x85" in text:
        text = text.replace(b"\xc2\x85", b"\\u0085")
    if b"\r" in text:
        text = text.replace(b"\r", b" ")  # only between tokens: within a string JSON requires it escaped
    return text


class LogPage(NamedTuple):
    """The log's reply to a read of the events after a position.

    `end` is the newest position of the log at that moment, and `counts` are as of `end`. If `reset_reason` is not
    empty, the events after the position are lost: the client fetches its inbox and continues from `end`.
    `events` may stop before `end` if there are many; the session then reads again. `revoked` holds those of the
    connections' tokens, by id and issue time, that have been revoked.
    """

    end: Position
    counts: Counts
    events: tuple[Event, ...] = ()
    reset_reason: str = ""
    revoked: frozenset[tuple[str, int | None]] = frozenset()
