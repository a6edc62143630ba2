"""What a call in a user's name must pass, in the same atomic step as its work: rate, and a token that still counts."""

from dataclasses import dataclass
from enum import Enum

from gateway.domain.errors import DomainError
from gateway.domain.principal import User

RATE_WINDOW_SECONDS = 60


class RateKind(Enum):
    """What is counted apart."""

    READS = "reads"
    WRITES = "writes"


@dataclass(slots=True)
class Allowance:
    """How often a kind of call is allowed in a window; the store fills in what is used of it."""

    kind: RateKind
    limit: int
    used: int = 0
    reset_seconds: int = 0

    @property
    def remaining(self) -> int:
        """How many calls are left in the window."""
        return max(0, self.limit - self.used)


@dataclass(frozen=True, slots=True)
class Guard:
    """The checks of one call. Without an allowance it is not counted; without a token there is none to revoke."""

    allowance: Allowance | None = None
    token_id: str = ""
    issued_at: int | None = None


UNGUARDED = Guard()
"""For calls in nobody's name: a backend's, and the hub's own reads."""


class UserDeletedError(DomainError):
    """The user was deleted; whoever remembers the id must look the name up again."""

    def __init__(self, user: User):
        super().__init__(user.id)
        self.user = user


class TokenRevokedError(DomainError):
    """The caller's token was revoked."""


class RateLimitedError(DomainError):
    """The allowance is used up. `retry_after_seconds` is when the window ends."""

    def __init__(self, allowance: Allowance):
        super().__init__(f"{allowance.limit} {allowance.kind.value} a minute")
        self.allowance = allowance
        self.retry_after_seconds = max(1, allowance.reset_seconds)
