"""The checks of a single device: each message must follow from the previous messages. This module does no I/O.

The devices of a user share a `History`. A position must have the same event for all of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.domain.event import Position
from loadtest.check.replica import Message, Replica
from loadtest.check.violations import ViolationKind

ReportViolation = Callable[[ViolationKind, str, str], None]
"""Called with the kind of violation, the name of the observer, and the details."""


@dataclass
class History:
    """The events that the devices of a user received, and the writes that caused them."""

    digests: dict[Position, int] = field(default_factory=dict)
    """A digest of the event at a position."""

    writes: dict[str, list[Position]] = field(default_factory=dict)
    """The positions of a write's events, by the id of the write. A write that was applied twice has more than one."""

    def add(self, position: Position, event: Message) -> bool:
        """Add the event that a device received at a position. Return whether it equals that of the other devices."""
        digest = hash(repr(event))
        if position in self.digests:
            return self.digests[position] == digest
        self.digests[position] = digest
        if write := write_of(event):
            self.writes.setdefault(write, []).append(position)
        return True


def write_of(event: Message) -> str | None:
    """Return the id of the write that caused an event: a notification's title, or the client id of a command."""
    data = event["data"]
    if event["name"] == "notifications/new":
        return str(data["notification"]["title"])
    client_id = data.get("client_id")
    return str(client_id) if client_id else None


class Observer:
    """The state of one device. After each call, list the inbox and call `fetched` if `needs_list` is true."""

    def __init__(self, who: str, history: History, report: ReportViolation):
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
        """Whether the device must list the inbox, because it is new or has received a reset."""
        return self.position is not None and self.replica is None

    def ready(self, text: str) -> None:
        """Process `ready` with the position at which the stream continues."""
        position = Position.parse(text)
        assert position is not None, f"ready at {text!r}"
        self.connected += 1
        if self.position is None:
            self.position = position
            return
        # Another position is correct only if the next message is a reset.
        self._elsewhere = position if position != self.position else None
        self.resumed += self._elsewhere is None

    def reset(self, text: str, reason: str) -> None:
        """Process `reset`: the log does not have the events after the last position any more."""
        self._elsewhere = None
        self.resets += 1
        if not self.resets_allowed:
            self._report(ViolationKind.RESET_WITHOUT_NEED, self._who, f"{reason}: from {self.position} to {text}")
        self.position = Position.parse(text)
        self.replica = None

    def refused(self, detail: str) -> None:
        """Report a refusal by the server that no fault may cause."""
        self._report(ViolationKind.REFUSED, self._who, detail)

    def ended_elsewhere(self, text: str) -> None:
        """Report that the last event of a page is not at the position of the page."""
        self._report(ViolationKind.LOST, self._who, f"a page of all events up to {text} ended at {self.position}")
        self.position = Position.parse(text)
        self.replica = None

    def fetched(self, listed: Sequence[Message], position: Position | None) -> None:
        """Process the list of the inbox, as of a position."""
        self.replica = Replica(listed)
        self._listed_at = position

    def event(self, event: Message) -> None:
        """Check an event and apply it."""
        position, mine = Position.parse(event["position"]), self.position
        assert position is not None, f"an event at {event['position']!r}"
        assert mine is not None, "ready comes first"
        self.events += 1
        if self._elsewhere is not None:
            self._report(
                ViolationKind.RESUMED_ELSEWHERE, self._who, f"requested to resume at {mine}, ready at {self._elsewhere}"
            )
            self._elsewhere = None
        if not self._history.add(position, event):
            self._report(ViolationKind.UNLIKE_OTHERS, self._who, f"another device received another event at {position}")
        if position.epoch != mine.epoch:
            self._report(ViolationKind.EPOCH_CHANGED_UNTOLD, self._who, f"{position} after {mine}")
        elif position.offset <= mine.offset:
            self._report(ViolationKind.DOUBLED, self._who, f"{position} after {mine}")
            return
        elif position.offset > mine.offset + 1:
            self._report(ViolationKind.LOST, self._who, f"{position} after {mine}")
        self.position = position
        if not position.follows(mine):
            self.replica = None
        elif self.replica is not None and not self._is_listed(position):
            self._apply(self.replica, event, position)

    def _is_listed(self, position: Position) -> bool:
        """Return whether the list already includes this event. After a list of another epoch, a reset will follow."""
        listed_at = self._listed_at
        if listed_at is None:
            return False
        return listed_at.epoch != position.epoch or position.offset <= listed_at.offset

    def _apply(self, replica: Replica, event: Message, position: Position) -> None:
        if event["name"] == "notifications/new" and event["data"]["id"] in replica:
            self._report(ViolationKind.IMPOSSIBLE_EVENT, self._who, f"{position} creates an item that exists")
        try:
            replica.apply(event)
        except KeyError:
            self._report(
                ViolationKind.IMPOSSIBLE_EVENT, self._who, f"{position} {event['name']} of an item that does not exist"
            )
        counts = {name: event[name] for name in ("unread_count", "unseen_count", "unarchived")}
        if counts != replica.counts:
            self._report(
                ViolationKind.WRONG_COUNTS,
                self._who,
                f"{position} {event['name']} has the counts {counts}, not {replica.counts}",
            )
