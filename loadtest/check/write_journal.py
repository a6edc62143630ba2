"""The writes to a user, and which of them must have an event in the user's log.

One writer sends a user's commands, one after the other. Each is repeated until it is acknowledged. Therefore the
journal can tell which of them changed something, with two exceptions: a mark-all was concurrent with a send, or a
request that its client gave up may still be processed. That may happen late, after other commands: a worker that hung,
or starts, processes all requests that waited for it. In both cases the state of an item is unknown (None), and nothing
is concluded from it.
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
class JournalItem:
    """The state of an item. None means that it is unknown."""

    id: str
    category: str
    read: bool | None = False
    seen: bool | None = False
    archived: bool | None = False


@dataclass
class WriteJournal:
    """One user's items and writes since the last check."""

    items: dict[str, JournalItem] = field(default_factory=dict)
    expected: set[str] = field(default_factory=set)
    """Writes that changed something. An event must carry their id."""

    once: set[str] = field(default_factory=set)
    """Writes with a single request. At most one event may carry their id."""

    sent: dict[str, str] = field(default_factory=dict)
    """Acknowledged sends, as the id of the notification by the id of the write."""

    deleted: set[str] = field(default_factory=set)
    given_up: set[str] = field(default_factory=set)
    """Items of commands of which a request was given up."""

    mark_all_given_up: bool = False
    mark_all_ended: float = 0.0
    """The monotonic time in seconds, infinite while a mark-all is in progress."""

    def sent_to(self, write: str, item: JournalItem, started: float) -> None:
        """Record an acknowledged send, which started at a monotonic time."""
        if started < self.mark_all_ended or self.mark_all_given_up:
            item.read = item.seen = None
        self.items[item.id] = item
        self.sent[write] = item.id
        self.expected.add(write)
        self.once.add(write)  # the Idempotency-Key ensures it, however often the request was repeated

    def commanded(self, write: str, command: str, item: JournalItem, requests: int) -> None:
        """Record an acknowledged command on an item."""
        flag, before = _NEEDS[command]
        if getattr(item, flag) is before:
            self.expected.add(write)
        for name, value in _WRITES[command].items():
            setattr(item, name, value)
        self._count(write, requests, [item])

    def removed(self, write: str, item: JournalItem, requests: int) -> None:
        """Record an acknowledged deletion."""
        del self.items[item.id]
        self.expected.add(write)
        self.deleted.add(item.id)
        self._count(write, requests, [])

    def marking_all(self) -> None:
        """Record the start of a mark-all. A concurrent send may be marked or not."""
        self.mark_all_ended = float("inf")

    def marked_all(self, write: str, flag: str, category: str | None, ended: float, requests: int) -> None:
        """Record an acknowledged mark-all of `read` or `seen`, of all items or of one category."""
        self.mark_all_ended = ended
        meant = [item for item in self.items.values() if category in (None, item.category)]
        if any(getattr(item, flag) is False for item in meant):
            self.expected.add(write)
        for item in meant:
            # An item that was sent concurrently stays unknown.
            item.seen = item.seen is not None or None
            if flag == "read":
                item.read = item.read is not None or None
        self.mark_all_given_up |= requests > 1
        self._count(write, requests, meant)

    def forget(self, listed: list[Message]) -> None:
        """Forget all writes, and replace the items by those that the store lists."""
        self.items = {
            item["id"]: JournalItem(
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

    def _count(self, write: str, requests: int, touched: list[JournalItem]) -> None:
        if requests == 1:
            self.once.add(write)
        else:
            self.given_up.update(item.id for item in touched)
        for item in touched:
            if item.id in self.given_up:
                item.read = item.seen = item.archived = None
            elif self.mark_all_given_up:
                item.read = item.seen = None
