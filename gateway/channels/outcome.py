"""What a provider made of a message: the outcome classes, which alone decide what happens next.

An adapter maps each response of its provider to one of these. `reason` is the provider's own code or a short text for
the trace. It never contains a token, an address, a secret or the text of a message.
"""

from dataclasses import dataclass
from enum import Enum

MAX_REASON = 200
"""How many characters of a reason are kept."""


class Scope(Enum):
    """Whom a provider throttles: one destination, or all that the lane sends."""

    DESTINATION = "destination"
    LANE = "lane"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The provider has accepted the message. `provider_id` is its id of it, "" if it has none."""

    provider_id: str = ""


@dataclass(frozen=True, slots=True)
class Handed:
    """The provider has taken the message, and tells the result later: ask for `receipt` after this many seconds."""

    receipt: str
    after: float


@dataclass(frozen=True, slots=True)
class Dead:
    """The token or the address will never work again. It is discarded."""

    reason: str


@dataclass(frozen=True, slots=True)
class Retry:
    """A failure that may pass. The next attempt follows the schedule, but no earlier than `after` seconds."""

    reason: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Throttled:
    """Too many messages. The attempt does not count; nothing more is sent in the scope for `after` seconds."""

    after: float
    scope: Scope = Scope.LANE
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """The configuration is at fault, so no message of the lane can go. The lane is parked.

    `is_doubted`: the destination may be at fault instead, which a user chooses. The lane is parked only when the
    destinations of several users fail so and none works. Until then it is a failure that may pass.
    """

    reason: str
    is_doubted: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider will never take this message, such as one that is too large."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request was sent, and no response came. The message may have been delivered."""

    reason: str


Outcome = Delivered | Handed | Dead | Retry | Throttled | Misconfigured | Refused | Unknown
