"""Violations of the promises, and the counts of each fault."""

from dataclasses import asdict, dataclass, field
from enum import Enum

MOST_KEPT = 1000
"""The number of violations that are kept, because a badly broken gateway may break a promise with every event."""


class ViolationKind(Enum):
    """The kind of a violation. The values are part of the JSON result."""

    LOST = "lost"
    DOUBLED = "doubled"
    STALLED = "stalled"
    EPOCH_CHANGED_UNTOLD = "epoch changed untold"
    RESUMED_ELSEWHERE = "resumed elsewhere"
    RESET_WITHOUT_NEED = "reset without need"
    WRONG_COUNTS = "wrong counts"
    UNLIKE_OTHERS = "unlike others"
    IMPOSSIBLE_EVENT = "impossible event"
    WRITE_LOST = "write lost"
    WRITE_DOUBLED = "write doubled"
    REFUSED = "refused"
    NEVER_ACKNOWLEDGED = "never acknowledged"
    INBOX_DIFFERS = "inbox differs"
    NOT_HEALED = "not healed"
    DELIVERY_LOST = "delivery lost"
    DELIVERY_DOUBLED = "delivery doubled"
    UNFINISHED = "delivery unfinished"
    NOT_CANCELLED = "delivery not cancelled"
    ID_CHANGED = "delivery's id changed"
    WRONG_LANE = "delivery in a wrong lane"
    TOKEN_LOST = "good token lost"
    TOKEN_KEPT = "dead token kept"


@dataclass(frozen=True)
class Violation:
    """A violation of a promise. `who` is a user, a device, a write or a topology."""

    kind: ViolationKind
    who: str
    detail: str
    fault: str
    seconds: float
    """Seconds since the start of the run."""

    def as_json(self) -> dict[str, object]:
        """Return the fields with the value of `kind`, for JSON."""
        return {**asdict(self), "kind": self.kind.value}

    def __str__(self) -> str:
        return f"{self.seconds:6.1f} s {self.fault}: {self.kind.value}: {self.who}: {self.detail}"


@dataclass
class FaultRecord:
    """The counts from the start of a fault until all devices had caught up."""

    fault: str
    topology: str
    started: float = 0.0
    seconds: float = 0.0
    sent: int = 0
    retried: int = 0
    delivered: int = 0
    connected: int = 0
    resumed: int = 0
    reset: int = 0
    recovery_seconds: float = 0.0
    violations: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
