"""The recipients of a notification, and the outcome for each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from gateway.domain.principal import User


@dataclass(frozen=True, slots=True)
class Delivery:
    """One recipient of a notification.

    `profile` has the user attributes that the request sets. `fresh` is whether the user was read from the directory
    just now, so that its names may overwrite those in the user's record.
    """

    user: User
    profile: Mapping[str, Any] = field(default_factory=dict)
    fresh: bool = True

    def after(self, earlier: "Delivery | None") -> "Delivery":
        """Return one recipient for two mentions of a user: all attributes are set, and names come from a fresh one."""
        if earlier is None:
            return self
        newer = earlier if earlier.fresh and not self.fresh else self
        return Delivery(newer.user, {**earlier.profile, **self.profile}, newer.fresh)


class Outcome(Enum):
    """The outcome of one delivery. Values are those of the Lua function `create`, and the first three are stored."""

    DUPLICATE = 0
    """The recipient has the item, or had it."""
    CREATED = 1
    MUTED = 2
    """The recipient's preferences or subscriptions keep it out of the inbox."""
    BROKEN = 3
    """The data of the recipient cannot be read; only where the caller asked not to fail for that."""
