"""What must not happen, and where it did."""

from dataclasses import asdict, dataclass, field
from enum import Enum

MOST_KEPT = 1000
"""A gateway that is badly broken breaks a promise with every event."""


class Kind(Enum):
    """Which promise was broken."""

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


@dataclass(frozen=True)
class Violation:
    """One breach. `who` is a user or one of its devices."""

    kind: Kind
    who: str
    detail: str
    fault: str
    seconds: float
    """Since the start of the run."""

    def as_json(self) -> dict[str, object]:
        """Give it as JSON."""
        return {**asdict(self), "kind": self.kind.value}

    def __str__(self) -> str:
        return f"{self.seconds:6.1f} s {self.fault}: {self.kind.value}: {self.who}: {self.detail}"


@dataclass
class Record:
    """What happened in the window of one fault."""

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
