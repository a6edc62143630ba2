"""Events and their positions.

Every change of a user's inbox is one event with a position: `epoch` names the life of the user's log, `offset`
counts its events 1, 2, 3, … without gaps. Offset 0 is the start of a log that has no event yet.
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
        """Read `epoch.offset`; None when the text is no position."""
        match = _POSITION.fullmatch(text)
        return cls(match[1], int(match[2])) if match else None

    @property
    def before(self) -> "Position":
        """The position that this one follows."""
        # Less than half the time of the constructor (measured); every event that is dispatched needs this once.
        return tuple.__new__(Position, (self.epoch, self.offset - 1))

    def follows(self, other: "Position") -> bool:
        """Whether nothing lies between another position and this one."""
        return self.offset == other.offset + 1 and self.epoch == other.epoch

    def __str__(self) -> str:
        return f"{self.epoch}.{self.offset}"


class Counts(NamedTuple):
    """How many items are unread and unseen: in the whole inbox, and among those that are not archived."""

    unread: int
    unseen: int
    unarchived_unread: int
    unarchived_unseen: int


class Event(NamedTuple):
    """One change, as it lies in the log and comes over pub/sub.

    `published_ms` is the writer's clock in unix milliseconds; `text` the JSON object that clients get, encoded. It is
    one line, whatever a client takes for the end of one.
    """

    position: Position
    published_ms: int
    name: str
    text: bytes

    @classmethod
    def decode(cls, message: bytes) -> "Event":
        """Read a log entry or published message: `epoch.offset ms name LF json`.

        The head is there so that nobody has to parse the JSON to route it. Raises ValueError for anything else.
        """
        head, separator, text = message.partition(b"\n")
        position, published_ms, name = head.decode("ascii").split(" ")
        parsed = Position.parse(position)
        if parsed is None or not separator:
            raise ValueError(f"not an event: {head[:80]!r}")
        return cls(parsed, int(published_ms), name, on_one_line(text))


def on_one_line(text: bytes) -> bytes:
    """Escape what JSON allows in a string and Unicode counts among line ends, as many readers of lines do.

    A text cut there would be no JSON any more. The pairs of bytes are looked for first, as hardly any text has them.
    """
    if b"\xe2\x80" in text:
        text = text.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    if b"\xc2\x85" in text:
        text = text.replace(b"\xc2\x85", b"\\u0085")
    if b"\r" in text:
        text = text.replace(b"\r", b" ")  # not within a string, where JSON has it escaped
    return text


class LogPage(NamedTuple):
    """What the log answered to "everything after this position".

    `end` is the log's newest position at that moment, `counts` are as of `end`. When `reset_reason` is set the
    missed events are no longer known: the reader fetches once and goes on from `end`. `events` may stop short of
    `end` when there is much to catch up on; the reader asks again. `revoked` are those of the readers' tokens, by id
    and issue time, that do not count any more.
    """

    end: Position
    counts: Counts
    events: tuple[Event, ...] = ()
    reset_reason: str = ""
    revoked: frozenset[tuple[str, int | None]] = frozenset()
