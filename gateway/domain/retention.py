"""How many items of an inbox are kept, and for how long."""

from typing import NamedTuple


class ItemRetention(NamedTuple):
    """The bounds of each inbox of a project: the newest `items` are kept, of those sent in the last `seconds`.

    A bound of 0 keeps everything.
    """

    items: int = 0
    seconds: int = 0

    @property
    def bounded(self) -> bool:
        """Return whether items are removed at all."""
        return bool(self.items or self.seconds)

    def overridden(self, items: int | None, seconds: int | None) -> "ItemRetention":
        """Return these bounds, replaced by those that are given."""
        if items is None and seconds is None:
            return self
        return ItemRetention(self.items if items is None else items, self.seconds if seconds is None else seconds)


KEEP_ALL = ItemRetention()
"""The default: items are removed only on request."""

DEFAULT = "default"
"""The value of a bound, in requests and on the command line, that makes a project follow the gateway's settings."""

MAX_ITEMS = 1_000_000_000
MAX_SECONDS = 100 * 365 * 24 * 3600
"""The largest bounds that a project can have. Larger ones are mistakes, such as milliseconds."""
