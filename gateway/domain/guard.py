"""The guard of a user's call: its rate limit and its token, which are checked in the same atomic step as its work."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from gateway.domain.errors import DomainError
from gateway.domain.principal import User

RATE_WINDOW_SECONDS = 60


class RateKind(Enum):
    """The kinds of calls that have rate limits of their own."""

    READS = "reads"
    WRITES = "writes"


@dataclass(slots=True)
class Allowance:
    """How many calls of a kind are allowed in a window. The store sets `used` and `reset_seconds`."""

    kind: RateKind
    limit: int
    used: int = 0
    reset_seconds: int = 0

    @property
    def remaining(self) -> int:
        """Return how many calls are left in the window."""
        return max(0, self.limit - self.used)


class Guard(NamedTuple):
    """The checks of one call. A call without an allowance is not counted; one without a token cannot be revoked."""

    allowance: Allowance | None = None
    token_id: str = ""
    issued_at: int | None = None

    @property
    def uncounted(self) -> "Guard":
        """The guard of a further call of the store for the same request, which is counted once."""
        return Guard(None, self.token_id, self.issued_at)


UNGUARDED = Guard()
"""The guard of calls that no user makes: those of backends, and reads by the gateway itself."""


class UserDeletedError(DomainError):
    """The user was deleted. A caller that has the id from a cache must look the name up again."""

    def __init__(self, user: User):
        super().__init__(user.id)
        self.user = user


class TokenRevokedError(DomainError):
    """The caller's token was revoked."""


class RateLimitedError(DomainError):
    """The allowance is used up. `retry_after_seconds` is the time until the window ends."""

    def __init__(self, allowance: Allowance):
        super().__init__(f"{allowance.limit} {allowance.kind.value} a minute")
        self.allowance = allowance
        self.retry_after_seconds = max(1, allowance.reset_seconds)
