"""The recipients of a notification, and the outcome for each."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec

from gateway.domain.principal import User


class Delivery(msgspec.Struct, frozen=True):
    """One recipient of a notification.

    `profile` has the user attributes that the request sets. `fresh` is true if the user was just read from the
    directory, so that its names may overwrite those in the user's record.
    """

    user: User
    profile: Mapping[str, Any] = {}
    fresh: bool = True

    def after(self, earlier: "Delivery | None") -> "Delivery":
        """Return this delivery merged with an earlier one to the same user. The names are those of a fresh one."""
        if earlier is None:
            return self
        newer = earlier if earlier.fresh and not self.fresh else self
        return Delivery(newer.user, {**earlier.profile, **self.profile}, newer.fresh)


class Outcome(Enum):
    """The outcome of one delivery. Values are those of the Lua functions; the first three are stored."""

    DUPLICATE = 0
    """The recipient has the item, or has deleted it."""
    CREATED = 1
    MUTED = 2
    """The recipient's preferences or subscriptions exclude the item from the inbox."""
    DELETED = 3
    """The recipient was deleted. Returned only by `create_each`."""
    BROKEN = 4
    """The recipient's data cannot be read. Returned only with `skip_broken`."""


read_outcome = {outcome.value: outcome for outcome in Outcome}.__getitem__
"""Returns the outcome of a value, in a tenth of the time of `Outcome` (measured). Raises KeyError."""
