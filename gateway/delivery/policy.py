"""What follows from the outcome of an attempt: the next state of a message, and when it is tried again.

Everything here is a pure function. `spread` is a random number from 0 to 1, so that attempts that failed together are
not repeated together.
"""

from dataclasses import dataclass

from gateway.channels.outcome import (
    Dead,
    Delivered,
    Handed,
    Misconfigured,
    Outcome,
    Refused,
    Retry,
    Scope,
    Throttled,
    Unknown,
)
from gateway.channels.provider import Schedule
from gateway.domain.delivery import DeliveryState

MAX_ATTEMPTS = 8
"""How often a message is tried, in both schedules."""

PROMPT_FIRST_SECONDS = 14.0
"""The longest wait before the second attempt of PROMPT. Each further one is twice as long: all 7 are 30 minutes."""

LEAST_PROMPT_SECONDS = 1.0
"""The shortest wait. With full jitter alone, some attempts would be repeated at once."""

PATIENT_SECONDS = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 36000.0)
"""The waits before the attempts after the first one, as Svix has them: about 28 hours in all."""

PATIENT_SPREAD = 0.2
"""By which share a wait of PATIENT is longer or shorter."""

MAX_AFTER_SECONDS = 24 * 3600.0
"""The longest Retry-After that is honoured."""

LEAST_THROTTLED_SECONDS = 0.05
"""The shortest pause after a provider throttled, so that a lane does not spin."""

PARKED_SECONDS = 1.0
"""How long a message waits whose lane was parked. The lane decides when it is tried: once it is served again."""

_WORKS = (Delivered, Handed, Dead, Refused)
"""Outcomes that only a provider that works has."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from an outcome.

    `wait` is the time until the next attempt, or until the result is asked for, in seconds; None if the message has
    ended. `attempts` is how many are spent.
    """

    state: DeliveryState
    attempts: int
    wait: float | None = None
    reason: str = ""
    provider_id: str = ""
    may_have_sent: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """How the messages of a provider are repeated. With `repeats_unknown`, also those whose outcome is unknown."""

    schedule: Schedule
    repeats_unknown: bool

    def verdict(self, outcome: Outcome, attempts: int, left: float, spread: float) -> Verdict:
        """Return what follows from an outcome.

        `attempts` counts this attempt and those before it. `left` are the seconds until the message expires.
        """
        match outcome:
            case Delivered(provider_id):
                return Verdict(DeliveryState.DELIVERED, attempts, provider_id=provider_id)
            case Handed(receipt, after):
                return Verdict(DeliveryState.HANDED, attempts, max(after, 0.0), provider_id=receipt)
            case Dead(reason):
                return Verdict(DeliveryState.DEAD, attempts, reason=reason)
            case Refused(reason):
                return Verdict(DeliveryState.REFUSED, attempts, reason=reason)
            case Throttled(_, _, reason):
                return _uncounted(attempts, pause_of(outcome), left, reason or "throttled")
            case Misconfigured(reason, is_doubted=True):
                return self._again(attempts, 0.0, left, spread, reason, unknown=False)
            case Misconfigured(reason):
                return _uncounted(attempts, PARKED_SECONDS, left, reason)
            case Unknown(reason):
                if not self.repeats_unknown:
                    return Verdict(DeliveryState.UNKNOWN, attempts, reason=reason, may_have_sent=True)
                return self._again(attempts, 0.0, left, spread, reason, unknown=True)
            case Retry(reason, after):
                return self._again(attempts, min(after or 0.0, MAX_AFTER_SECONDS), left, spread, reason, unknown=False)

    def _again(self, attempts: int, least: float, left: float, spread: float, reason: str, *, unknown: bool) -> Verdict:
        """Return the verdict of a failure that may pass."""
        wait = wait_after(self.schedule, attempts, spread)
        if wait is None or max(wait, least) >= left:
            ended = DeliveryState.UNKNOWN if unknown else DeliveryState.FAILED
            return Verdict(ended, attempts, reason=reason, may_have_sent=unknown)
        return Verdict(DeliveryState.RETRY, attempts, max(wait, least), reason, may_have_sent=unknown)


def wait_after(schedule: Schedule, attempts: int, spread: float) -> float | None:
    """Return the seconds to wait after a number of failed attempts, None if there are no more."""
    if attempts >= MAX_ATTEMPTS:
        return None
    if schedule is Schedule.PROMPT:
        return max(LEAST_PROMPT_SECONDS, spread * PROMPT_FIRST_SECONDS * 2.0 ** (attempts - 1))
    return PATIENT_SECONDS[attempts - 1] * (1 + PATIENT_SPREAD * (2 * spread - 1))


def pause_of(outcome: Throttled) -> float:
    """Return for how many seconds nothing is sent after a provider throttled."""
    return min(max(outcome.after, LEAST_THROTTLED_SECONDS), MAX_AFTER_SECONDS)


def pauses_lane(outcome: Outcome) -> bool:
    """Return whether the provider throttles the whole lane."""
    return isinstance(outcome, Throttled) and outcome.scope is Scope.LANE


def has_arrived(outcome: Outcome | None) -> bool:
    """Return whether an outcome shows that the configuration and the destination work."""
    return isinstance(outcome, Delivered | Handed)


def speaks_for(outcome: Outcome) -> bool:
    """Return whether an outcome shows that the provider works."""
    return isinstance(outcome, _WORKS)


def speaks_against(outcome: Outcome) -> bool:
    """Return whether an outcome is a failure of the provider, which the breaker of the lane counts."""
    return isinstance(outcome, Retry | Unknown)


def _uncounted(attempts: int, wait: float, left: float, reason: str) -> Verdict:
    """Return the verdict of an attempt that does not count."""
    if wait >= left:
        return Verdict(DeliveryState.FAILED, attempts - 1, reason=reason)
    return Verdict(DeliveryState.RETRY, attempts - 1, wait, reason)
