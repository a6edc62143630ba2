"""A model of an inbox in plain Python, built on the domain's table. The Lua functions must agree with it."""

from dataclasses import dataclass, field
from typing import Any

from gateway.domain.notification import ARCHIVED, READ, SEEN, BulkCommand, Command, Filter, State
from gateway.domain.retention import KEEP_ALL, ItemRetention
from gateway.store.deliveries import Outcome
from gateway.store.trimming import Trimmed

TRIMMED_BY_CREATE = 3


@dataclass
class Item:
    """One notification; `sent_at` in unix seconds."""

    id: str
    category: str
    topic: str
    sent_at: int
    state: State = field(default_factory=State)


@dataclass
class Inbox:
    """One user's items, newest first, and the events that changed them."""

    items: list[Item] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def create(
        self,
        notification_id: str,
        category: str,
        topic: str,
        now: int,
        remember: bool = False,
        subscribed: bool = True,
        muted: bool = False,
        keep: ItemRetention = KEEP_ALL,
    ) -> Outcome:
        if self.find(notification_id):
            return Outcome.DUPLICATE
        if notification_id in self.outcomes:
            return self.outcomes[notification_id]
        if not subscribed:
            return Outcome.MUTED
        if muted:
            if remember:
                self.outcomes[notification_id] = Outcome.MUTED
            return Outcome.MUTED
        sent_at = max([now, *(item.sent_at for item in self.items), self.newest_sent])
        self.newest_sent = sent_at
        item = Item(notification_id, category, topic, sent_at)
        self.items.insert(0, item)
        self._append("notifications/new", item)
        self.trim(now, keep, TRIMMED_BY_CREATE)
        return Outcome.CREATED

    newest_sent: int = 0

    def change(self, notification_id: str, command: Command, now: int) -> bool:
        item = self.find(notification_id)
        if item is None:
            return False
        after = command.transition.apply(item.state, now)
        if after != item.state:
            item.state = after
            self._append(command.transition.event_name, item)
        return True

    def change_all(self, matching: Filter, command: BulkCommand, now: int) -> int:
        changed = 0
        for item in self.matching(matching):
            after = command.transition.apply(item.state, now)
            changed += after != item.state
            item.state = after
        if changed:
            self._append(command.transition.event_name, None)
        return changed

    def delete(self, notification_id: str) -> bool:
        item = self.find(notification_id)
        if item is None:
            return False
        self.items.remove(item)
        self.outcomes[notification_id] = Outcome.DUPLICATE
        self._append("notifications/delete", item)
        return True

    def trim(self, now: int, keep: ItemRetention, most: int) -> Trimmed:
        removed = 0
        while self.items and (
            (keep.items and len(self.items) > keep.items)
            or (keep.seconds and now - self.items[-1].sent_at > keep.seconds)
        ):
            if removed == most:
                return Trimmed(removed, True)
            self.delete(self.items[-1].id)
            removed += 1
        return Trimmed(removed, False)

    def find(self, notification_id: str) -> Item | None:
        return next((item for item in self.items if item.id == notification_id), None)

    def matching(self, wanted: Filter) -> list[Item]:
        return [item for item in self.items if wanted.matches(item.state, item.category, item.topic)]

    def counts(self, wanted: Filter) -> tuple[int, int]:
        items = self.matching(wanted)
        unread = sum(not item.state.bucket & READ for item in items)
        unseen = sum(not item.state.bucket & SEEN for item in items)
        return unread, unseen

    def _append(self, name: str, item: Item | None) -> None:
        unread, unseen = self.counts(Filter())
        unarchived = self.counts(Filter(archived=False))
        self.log.append(
            {
                "name": name,
                "id": item.id if item else None,
                "state": item.state if item else None,
                "counts": (unread, unseen, *unarchived),
            }
        )


assert ARCHIVED == 4, "the bucket's bits are part of the store's format"
