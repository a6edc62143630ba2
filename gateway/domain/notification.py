"""The states of an item, the transitions between them, and the filters of lists.

An item's state is three facts: seen, read, archived, each unset or the unix second it happened. Read implies seen;
archived is independent. The combination is the item's **bucket**, 0-7: bit 0 seen, bit 1 read, bit 2 archived.
The store keeps an ordered index per bucket, so that counts are cardinalities and a filter is a set of buckets.

The table here defines what each command does; the Lua functions only compare and set.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import product
from typing import NewType
from uuid import UUID

import msgspec

SEEN, READ, ARCHIVED = 1, 2, 4

# A read item is always seen, so buckets 2 and 6 (read, not seen) cannot occur.
BUCKETS = (0, 1, 3, 4, 5, 7)

ItemId = NewType("ItemId", bytes)
"""The id of an item as it is stored: the 16 bytes of a UUID."""

_UUID_DIGITS = 32

UNCATEGORIZED = "uncategorized"
"""The name that clients use for the category of items without one, which is stored as ""."""


def read_item_id(text: str) -> ItemId:
    """Return the item id in a text that `UUID` accepts. Raises ValueError for any other."""
    digits = text.replace("-", "")
    if len(digits) == _UUID_DIGITS:
        try:
            packed = bytes.fromhex(digits)  # takes a sixth of the time of `UUID` (measured)
        except ValueError:
            packed = b""
        if 2 * len(packed) == _UUID_DIGITS:  # it ignores white space
            return ItemId(packed)
    return ItemId(UUID(text).bytes)


class Write(Enum):
    """What a transition does to one fact: leave it, set it to now unless it is set, or clear it."""

    KEEP = "-"
    SET = "s"
    CLEAR = "c"

    def apply(self, value: int | None, now: int) -> int | None:
        """Return the fact's value after this write at `now` (unix seconds)."""
        if self is Write.KEEP:
            return value
        if self is Write.CLEAR:
            return None
        return now if value is None else value


@dataclass(frozen=True, slots=True)
class State:
    """The unix seconds at which an item was seen, read and archived; None for what has not happened."""

    seen_at: int | None = None
    read_at: int | None = None
    archived_at: int | None = None

    @property
    def bucket(self) -> int:
        """Return the combination as bits: seen 1, read 2, archived 4."""
        return (
            (SEEN if self.seen_at is not None else 0)
            | (READ if self.read_at is not None else 0)
            | (ARCHIVED if self.archived_at is not None else 0)
        )


@dataclass(frozen=True, slots=True)
class Transition:
    """What one command writes to each fact, and the name of its event."""

    event_name: str
    seen: Write = Write.KEEP
    read: Write = Write.KEEP
    archived: Write = Write.KEEP
    code: str = field(init=False, compare=False)
    """The writes to seen, read and archived as the Lua functions read them: `ss-` marks an item read."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", self.seen.value + self.read.value + self.archived.value)

    def apply(self, state: State, now: int) -> State:
        """Return the state after this transition at `now` (unix seconds). An equal state makes no event."""
        return replace(
            state,
            seen_at=self.seen.apply(state.seen_at, now),
            read_at=self.read.apply(state.read_at, now),
            archived_at=self.archived.apply(state.archived_at, now),
        )


class Command(Enum):
    """What a user can do to one item, besides deleting it."""

    READ = Transition("notifications/read", seen=Write.SET, read=Write.SET)
    UNREAD = Transition("notifications/unread", read=Write.CLEAR)
    SEEN = Transition("notifications/seen", seen=Write.SET)
    ARCHIVE = Transition("notifications/archive", archived=Write.SET)
    UNARCHIVE = Transition("notifications/unarchive", archived=Write.CLEAR)

    @property
    def transition(self) -> Transition:
        """Return the transition that the command causes."""
        return self.value


class BulkCommand(Enum):
    """What a user can do to every item that a filter matches."""

    READ_ALL = Transition("notifications/read/all", seen=Write.SET, read=Write.SET)
    SEEN_ALL = Transition("notifications/seen/all", seen=Write.SET)
    ARCHIVE_ALL = Transition("notifications/archive/all", archived=Write.SET)

    @property
    def transition(self) -> Transition:
        """Return the transition that the command causes."""
        return self.value


NEW_EVENT = "notifications/new"
DELETE_EVENT = "notifications/delete"


def _buckets_of(*flags: bool | None) -> tuple[int, ...]:
    """Return the buckets whose items match the flags read, seen and archived."""
    bits = tuple(zip(flags, (READ, SEEN, ARCHIVED), strict=True))
    return tuple(bucket for bucket in BUCKETS if all(flag in (None, bool(bucket & bit)) for flag, bit in bits))


_FLAG = (None, True, False)
_BUCKETS = {flags: _buckets_of(*flags) for flags in product(_FLAG, _FLAG, _FLAG)}
_BUCKET_DIGITS = {flags: "".join(map(str, buckets)) for flags, buckets in _BUCKETS.items()}


class Filter(msgspec.Struct, frozen=True):
    """Selects items of an inbox. A flag that is None, and empty categories or topics, match any item.

    Categories are stored names: "" for items without a category.
    """

    read: bool | None = None
    seen: bool | None = None
    archived: bool | None = None
    categories: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()

    @property
    def buckets(self) -> tuple[int, ...]:
        """Return the buckets whose items match the three flags."""
        return _BUCKETS[self.read, self.seen, self.archived]

    @property
    def bucket_digits(self) -> str:
        """Return the same as the Lua functions read it: a digit for each bucket."""
        return _BUCKET_DIGITS[self.read, self.seen, self.archived]

    def matches(self, state: State, category: str, topic: str) -> bool:
        """Return whether an item with this state, category and topic matches."""
        return (
            state.bucket in self.buckets
            and (not self.categories or category in self.categories)
            and (not self.topics or topic in self.topics)
        )

    def as_json(self) -> dict[str, object]:
        """Return the filter as bulk events carry it, without the parts that match any item."""
        flags = {"read": self.read, "seen": self.seen, "archived": self.archived}
        lists = {
            "categories": [name or UNCATEGORIZED for name in self.categories],
            "topics": list(self.topics),
        }
        return {key: value for key, value in {**flags, **lists}.items() if value not in (None, [])}


def stored_categories(names: Collection[str]) -> tuple[str, ...]:
    """Return the stored names of the categories of a query, each once, in the order given."""
    return tuple(dict.fromkeys("" if name == UNCATEGORIZED else name for name in names)) if names else ()
