"""A notification in the shape of v2, made from an item as the store returns it."""

import msgspec

from gateway.api.core.schema import Hash, Time, Uuid
from gateway.domain.times import rfc3339
from gateway.store.redis.problems import decoding


class V2Notification(msgspec.Struct):
    """A notification in one user's inbox. A time is null until the event has happened.

    `updated_at` is the latest of the other times. `discarded_at` is always null: a discarded notification is not shown.
    """

    id: Uuid
    user_id: Uuid
    title: str
    content: str | None
    action_url: str | None
    category: str | None
    topic: str | None
    custom_attributes: Hash | None
    created_at: Time
    updated_at: Time
    sent_at: Time | None
    seen_at: Time | None
    read_at: Time | None
    archived_at: Time | None
    discarded_at: Time | None


class _Recipient(msgspec.Struct):
    id: str


class Item(msgspec.Struct):
    """An item as the store returns it, see `gateway.api.v1.items`. Times are unix seconds."""

    id: str
    recipient: _Recipient
    title: str
    content: str | None = None
    action_url: str | None = None
    category: str = ""
    topic: str | None = None
    custom_attributes: msgspec.Raw = msgspec.Raw(b"null")
    sent_at: int | None = None
    seen_at: int | None = None
    read_at: int | None = None
    archived_at: int | None = None

    @property
    def updated_at(self) -> int:
        """Return the second of the latest change that the item shows."""
        return max(self.sent_at or 0, self.seen_at or 0, self.read_at or 0, self.archived_at or 0)


_decode = msgspec.json.Decoder(Item).decode


def decode_item(encoded: bytes) -> Item:
    """Return an item that the store returned. Raises StoreDataError."""
    with decoding("a notification"):
        return _decode(encoded)


def shown(item: Item) -> dict[str, object]:
    """Return an item in the shape of v2."""
    sent_at = rfc3339(item.sent_at or 0)
    return {
        "id": item.id,
        "user_id": item.recipient.id,
        "title": item.title,
        "content": item.content,
        "action_url": item.action_url,
        "category": item.category or None,
        "topic": item.topic,
        "custom_attributes": item.custom_attributes,
        "created_at": sent_at,
        "updated_at": rfc3339(item.updated_at),
        "sent_at": sent_at,
        "seen_at": _time(item.seen_at),
        "read_at": _time(item.read_at),
        "archived_at": _time(item.archived_at),
        "discarded_at": None,
    }


def _time(unix: int | None) -> str | None:
    return rfc3339(unix) if unix is not None else None
