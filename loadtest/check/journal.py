"""What a user's writers did, and what of it must be found in the user's log.

A user's commands come from one writer, one after the other, each repeated until it is acknowledged. So the journal
knows which of them changed something, with two exceptions, in which the state of an item is not known (None) and
nothing is concluded from it: a mark-all met a send that was under way; or a request that was given up may still be
carried out. That may come late, after other commands: a worker that hung, or starts, does all that waited for it.
"""

from dataclasses import dataclass, field

from loadtest.check.replica import Message

_NEEDS = {
    "read": ("read", False),
    "unread": ("read", True),
    "seen": ("seen", False),
    "archive": ("archived", False),
    "unarchive": ("archived", True),
}
_WRITES = {
    "read": {"read": True, "seen": True},
    "unread": {"read": False},
    "seen": {"seen": True},
    "archive": {"archived": True},
    "unarchive": {"archived": False},
}

COMMANDS = tuple(_NEEDS)


@dataclass
class Item:
    """What is known of one item's state."""

    id: str
    category: str
    read: bool | None = False
    seen: bool | None = False
    archived: bool | None = False


@dataclass
class Journal:
    """One user's items and writes since the last check."""

    items: dict[str, Item] = field(default_factory=dict)
    expected: set[str] = field(default_factory=set)
    """Writes that changed something, so that an event must carry their id."""

    once: set[str] = field(default_factory=set)
    """Writes of which one request was made, so that one event at most may carry their id."""

    sent: dict[str, str] = field(default_factory=dict)
    """Acknowledged sends: the notification's id by the write's."""

    deleted: set[str] = field(default_factory=set)
    given_up: set[str] = field(default_factory=set)
    """Items that a command is about of which a request was given up."""

    mark_all_given_up: bool = False
    mark_all_ended: float = 0.0
    """Monotonic time; infinite while one is under way."""

    def sent_to(self, write: str, item: Item, started: float) -> None:
        """Take an acknowledged send, which started at a monotonic time."""
        if started < self.mark_all_ended or self.mark_all_given_up:
            item.read = item.seen = None
        self.items[item.id] = item
        self.sent[write] = item.id
        self.expected.add(write)
        self.once.add(write)  # the Idempotency-Key promises it, however often it was repeated

    def commanded(self, write: str, command: str, item: Item, requests: int) -> None:
        """Take an acknowledged command on one item."""
        flag, before = _NEEDS[command]
        if getattr(item, flag) is before:
            self.expected.add(write)
        for name, value in _WRITES[command].items():
            setattr(item, name, value)
        self._count(write, requests, [item])

    def removed(self, write: str, item: Item, requests: int) -> None:
        """Take an acknowledged deletion."""
        del self.items[item.id]
        self.expected.add(write)
        self.deleted.add(item.id)
        self._count(write, requests, [])

    def marking_all(self) -> None:
        """Note that a mark-all begins: sends that are under way may be marked or not."""
        self.mark_all_ended = float("inf")

    def marked_all(self, write: str, flag: str, category: str | None, ended: float, requests: int) -> None:
        """Take an acknowledged mark-all of `read` or `seen`, of everything or of one category."""
        self.mark_all_ended = ended
        meant = [item for item in self.items.values() if category in (None, item.category)]
        if any(getattr(item, flag) is False for item in meant):
            self.expected.add(write)
        for item in meant:
            # One that was sent meanwhile stays unknown.
            item.seen = item.seen is not None or None
            if flag == "read":
                item.read = item.read is not None or None
        self.mark_all_given_up |= requests > 1
        self._count(write, requests, meant)

    def forget(self, listed: list[Message]) -> None:
        """Begin anew with what is listed."""
        self.items = {
            item["id"]: Item(
                item["id"],
                item["category"] or "",
                item["read_at"] is not None,
                item["seen_at"] is not None,
                item["archived_at"] is not None,
            )
            for item in listed
        }
        for names in (self.expected, self.once, self.deleted, self.given_up):
            names.clear()
        self.mark_all_given_up = False
        self.sent.clear()

    def _count(self, write: str, requests: int, touched: list[Item]) -> None:
        if requests == 1:
            self.once.add(write)
        else:
            self.given_up.update(item.id for item in touched)
        for item in touched:
            if item.id in self.given_up:
                item.read = item.seen = item.archived = None
            elif self.mark_all_given_up:
                item.read = item.seen = None
