"""A timer wheel: the deadlines of many items on one timer.

A timer per connection would cost memory, and each would wake the event loop. Here each quarter second has a set of
items, its slot. One periodic call of `due` empties the slots whose time has passed.
"""

from collections.abc import Iterator
from typing import Generic, TypeVar

SLOTS_PER_SECOND = 4

T = TypeVar("T")


class TimerWheel(Generic[T]):
    """Items with one deadline each. Times are monotonic seconds; a deadline is up to a quarter second late."""

    def __init__(self, now: float):
        self._slots: dict[int, set[T]] = {}
        self._next = int(now * SLOTS_PER_SECOND)

    def schedule(self, item: T, when: float, previous: int | None = None) -> int:
        """Set the deadline of an item and return its slot, which `cancel` needs.

        `previous` is the slot of the item's deadline that this one replaces.
        """
        if previous is not None:
            self.cancel(item, previous)
        slot = max(int(when * SLOTS_PER_SECOND) + 1, self._next)
        self._slots.setdefault(slot, set()).add(item)
        return slot

    def cancel(self, item: T, slot: int) -> None:
        """Remove the deadline of an item from the slot that `schedule` returned."""
        items = self._slots.get(slot)
        if items is not None:
            items.discard(item)

    def due(self, now: float) -> list[T]:
        """Remove and return every item whose deadline has passed."""
        items: list[T] = []
        last = int(now * SLOTS_PER_SECOND)
        for slot in range(self._next, last + 1):
            items += self._slots.pop(slot, ())
        self._next = max(self._next, last + 1)
        return items

    def __iter__(self) -> Iterator[T]:
        for items in list(self._slots.values()):
            yield from tuple(items)

    def __len__(self) -> int:
        return sum(map(len, self._slots.values()))
