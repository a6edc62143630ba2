"""An inbox that is derived from events alone, as a client does."""

from collections.abc import Iterable, Sequence
from typing import Any

Message = dict[str, Any]

_FLAGS = {"read": "read_at", "seen": "seen_at", "archived": "archived_at"}


class Replica:
    """An inbox derived from a list, newest first, and the events after it. It must equal the list of the REST API."""

    def __init__(self, listed: Sequence[Message] = ()) -> None:
        self._items = {str(item["id"]): dict(item) for item in reversed(listed)}

    def __contains__(self, notification_id: str) -> bool:
        return notification_id in self._items

    @property
    def items(self) -> list[Message]:
        """All items, newest first."""
        return list(reversed(self._items.values()))

    @property
    def counts(self) -> Message:
        """The counts that an event must carry now."""
        unarchived = [item for item in self._items.values() if item["archived_at"] is None]
        return {**_counts(self._items.values()), "unarchived": _counts(unarchived)}

    def apply(self, event: Message) -> None:
        """Apply an event. Raise KeyError for an event about an item that does not exist."""
        data = event["data"]
        match event["name"]:
            case "notifications/delete":
                del self._items[data["id"]]
            case name if name in _WRITTEN_TO_ALL:
                written = _WRITTEN_TO_ALL[name]
                for item in self._items.values():
                    if _matches(item, data["filters"]):
                        item.update({key: data["at"] for key in written if item[key] is None})
            case "notifications/new":
                self._items[data["id"]] = dict(data["notification"])
            case _:
                self._items[data["id"]].update(data["notification"])


_WRITTEN_TO_ALL = {
    "notifications/read/all": ("seen_at", "read_at"),
    "notifications/seen/all": ("seen_at",),
    "notifications/archive/all": ("archived_at",),
}


def _counts(items: Iterable[Message]) -> Message:
    found = list(items)
    return {
        "unread_count": sum(item["read_at"] is None for item in found),
        "unseen_count": sum(item["seen_at"] is None for item in found),
    }


def _matches(item: Message, filters: Message) -> bool:
    flags = all((item[_FLAGS[name]] is not None) == value for name, value in filters.items() if name in _FLAGS)
    category = (item["category"] or "uncategorized") in filters.get("categories", [item["category"] or "uncategorized"])
    topic = item["topic"] in filters.get("topics", [item["topic"]])
    return flags and category and topic
