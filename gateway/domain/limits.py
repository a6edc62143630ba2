"""The limits of a project: how many users it has, how much it stores, and how often it sends.

Limits are checked before anything is written. What is used is known within some seconds (`Used`), so a limit may be
exceeded by what several workers accept meanwhile.
"""

from enum import Enum
from typing import NamedTuple

MAX_LIMIT = 10**15
"""The largest limit. Larger ones are mistakes."""

WARN_SHARE = 0.8
"""From this share on, people are warned."""


class Limit(Enum):
    """The limits, by the names of the fields of a project."""

    USERS = "max_users"
    STORAGE = "max_storage_bytes"
    SENDS_PER_MINUTE = "max_sends_per_minute"
    SENDS_PER_MONTH = "max_sends_per_month"


FOR_SENDING = (Limit.SENDS_PER_MINUTE, Limit.SENDS_PER_MONTH, Limit.STORAGE)
"""The limits that a request to send must keep."""


class ProjectLimits(NamedTuple):
    """The limits of a project, 0 for none. The names are those of `Limit`."""

    max_users: int = 0
    max_storage_bytes: int = 0
    max_sends_per_minute: int = 0
    max_sends_per_month: int = 0

    def of(self, limit: Limit) -> int:
        """Return one of them, 0 for none."""
        return int(getattr(self, limit.value))

    @property
    def is_set(self) -> bool:
        """Return whether there is any limit."""
        return any(self)


NO_LIMITS = ProjectLimits()


class Used(NamedTuple):
    """What a project uses now, by limit. The names are those of `ProjectLimits`."""

    max_users: int = 0
    max_storage_bytes: int = 0
    max_sends_per_minute: int = 0
    max_sends_per_month: int = 0

    def of(self, limit: Limit) -> int:
        """Return what is used of a limit."""
        return int(getattr(self, limit.value))


def reached(limits: ProjectLimits, used: Used, kinds: tuple[Limit, ...], adding: int = 1) -> Limit | None:
    """Return the first of some limits that would be exceeded, None if all are kept.

    `adding` is how many more users or sends there would be. Storage is reached when it is used up.
    """
    for kind in kinds:
        most = limits.of(kind)
        if most and used.of(kind) + (0 if kind is Limit.STORAGE else adding - 1) >= most:
            return kind
    return None


def seconds_of_minute(unix: float) -> int:
    """Return how many seconds are left of the present minute: at least 1."""
    return max(1, 60 - int(unix) % 60)
