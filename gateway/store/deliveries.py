"""Who is to get a notification, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from gateway.domain.principal import User


@dataclass(frozen=True, slots=True)
class Delivery:
    """One recipient of a notification.

    `profile` are user attributes that this request sets. `fresh` says that the directory was asked just now, so
    that its names may overwrite what the inbox remembers of the user.
    """

    user: User
    profile: Mapping[str, Any] = field(default_factory=dict)
    fresh: bool = True

    def after(self, earlier: "Delivery | None") -> "Delivery":
        """Join two mentions of a user to one recipient: all their attributes count, and names not from a cache."""
        if earlier is None:
            return self
        newer = earlier if earlier.fresh and not self.fresh else self
        return Delivery(newer.user, {**earlier.profile, **self.profile}, newer.fresh)


class Outcome(Enum):
    """What became of one delivery."""

    DUPLICATE = 0
    CREATED = 1
    MUTED = 2
    BROKEN = 3
    """What is stored of the recipient cannot be read; for who asked not to fail by that."""
