"""How much of an inbox is kept."""

from typing import NamedTuple


class ItemRetention(NamedTuple):
    """What a project keeps of each user's inbox: the newest `items` of them, and those sent in the last `seconds`.

    0 is no bound. Of the two bounds the stricter one decides.
    """

    items: int = 0
    seconds: int = 0

    @property
    def bounded(self) -> bool:
        """Whether anything is ever removed."""
        return bool(self.items or self.seconds)

    def overridden(self, items: int | None, seconds: int | None) -> "ItemRetention":
        """Return these bounds but for those that are given."""
        return ItemRetention(self.items if items is None else items, self.seconds if seconds is None else seconds)


KEEP_ALL = ItemRetention()
"""The default: nothing is removed that nobody asked to remove."""

DEFAULT = "default"
"""What a project has in place of a bound to follow the gateway's settings."""

MOST_ITEMS = 1_000_000_000
MOST_SECONDS = 100 * 365 * 24 * 3600
"""The largest bounds that a project can have: more is a mistake, such as milliseconds."""
