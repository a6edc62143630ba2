"""One device's own proof: what it is told must follow from what it was told before. Pure; the transports feed it.

Its user's devices share a `History`, in which the same position must be the same event for all of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.domain.event import Position
from loadtest.check.replica import Message, Replica
from loadtest.check.violations import Kind

Report = Callable[[Kind, str, str], None]
"""Takes the promise that was broken, who saw it, and how."""


@dataclass
class History:
    """A user's events as its devices were told of them, and which write each of them came from."""

    told: dict[Position, int] = field(default_factory=dict)
    """A digest of the event at a position."""

    writes: dict[str, list[Position]] = field(default_factory=dict)
    """Where the effect of a write stands, by the write's id; more than one place for one that was done twice."""

    def add(self, position: Position, event: Message) -> bool:
        """Take in what a device was told; say whether it is what the others were told."""
        digest = hash(repr(event))
        if position in self.told:
            return self.told[position] == digest
        self.told[position] = digest
        if write := write_of(event):
            self.writes.setdefault(write, []).append(position)
        return True


def write_of(event: Message) -> str | None:
    """Give the id of the write that an event came from: a send's stands in its title, a command's is its client's."""
    data = event["data"]
    if event["name"] == "notifications/new":
        return str(data["notification"]["title"])
    client_id = data.get("client_id")
    return str(client_id) if client_id else None


class Witness:
    """What one device knows. After each input, fetch the list and call `fetched` if `needs_list`."""

    def __init__(self, who: str, history: History, report: Report):
        self._who = who
        self._history = history
        self._report = report
        self._listed_at: Position | None = None
        self._elsewhere: Position | None = None
        self.replica: Replica | None = None
        self.position: Position | None = None
        self.resets_allowed = False
        self.events = 0
        self.connected = 0
        self.resumed = 0
        self.resets = 0

    @property
    def needs_list(self) -> bool:
        """Whether the device has to fetch, because it is new or was told to reset."""
        return self.position is not None and self.replica is None

    def ready(self, text: str) -> None:
        """Take where the stream goes on."""
        position = Position.parse(text)
        assert position is not None, f"ready at {text!r}"
        self.connected += 1
        if self.position is None:
            self.position = position
            return
        # If another position is not that of a reset to come, the next event will tell.
        self._elsewhere = position if position != self.position else None
        self.resumed += self._elsewhere is None

    def reset(self, text: str, reason: str) -> None:
        """Take that what was missed is not known any more."""
        self._elsewhere = None
        self.resets += 1
        if not self.resets_allowed:
            self._report(Kind.RESET_WITHOUT_NEED, self._who, f"{reason}: from {self.position} to {text}")
        self.position = Position.parse(text)
        self.replica = None

    def refused(self, detail: str) -> None:
        """Take that the server would not have us, for no reason that a fault gives."""
        self._report(Kind.REFUSED, self._who, detail)

    def strayed(self, text: str) -> None:
        """Take that what was given as all ends elsewhere than its last event."""
        self._report(Kind.LOST, self._who, f"all up to {text} was given, and ended at {self.position}")
        self.position = Position.parse(text)
        self.replica = None

    def fetched(self, listed: Sequence[Message], position: Position | None) -> None:
        """Take the list, as of a position."""
        self.replica = Replica(listed)
        self._listed_at = position

    def event(self, event: Message) -> None:
        """Check one event and take it in."""
        position, mine = Position.parse(event["position"]), self.position
        assert position is not None, f"an event at {event['position']!r}"
        assert mine is not None, "ready comes first"
        self.events += 1
        if self._elsewhere is not None:
            self._report(Kind.RESUMED_ELSEWHERE, self._who, f"asked to resume at {mine}, ready at {self._elsewhere}")
            self._elsewhere = None
        if not self._history.add(position, event):
            self._report(Kind.UNLIKE_OTHERS, self._who, f"another device was told something else at {position}")
        if position.epoch != mine.epoch:
            self._report(Kind.EPOCH_CHANGED_UNTOLD, self._who, f"{position} after {mine}")
        elif position.offset <= mine.offset:
            self._report(Kind.DOUBLED, self._who, f"{position} after {mine}")
            return
        elif position.offset > mine.offset + 1:
            self._report(Kind.LOST, self._who, f"{position} after {mine}")
        self.position = position
        if not position.follows(mine):
            self.replica = None
        elif self.replica is not None and not self._is_listed(position):
            self._apply(self.replica, event, position)

    def _is_listed(self, position: Position) -> bool:
        """Say whether the list was made after this event; one of another epoch is about to be told by a reset."""
        listed_at = self._listed_at
        if listed_at is None:
            return False
        return listed_at.epoch != position.epoch or position.offset <= listed_at.offset

    def _apply(self, replica: Replica, event: Message, position: Position) -> None:
        if event["name"] == "notifications/new" and event["data"]["id"] in replica:
            self._report(Kind.IMPOSSIBLE_EVENT, self._who, f"{position} creates what is there")
        try:
            replica.apply(event)
        except KeyError:
            self._report(Kind.IMPOSSIBLE_EVENT, self._who, f"{position} {event['name']} of what is not there")
        told = {name: event[name] for name in ("unread_count", "unseen_count", "unarchived")}
        if told != replica.counts:
            self._report(Kind.WRONG_COUNTS, self._who, f"{position} {event['name']} said {told}, not {replica.counts}")
