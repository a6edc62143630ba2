"""The verdict on one delivery: what the gateway promises of it, compared with the attempts that arrived."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from gateway.domain.delivery import DeliveryState
from loadtest.check.deliveries.attempts import Attempt, DeliveryKey, Result
from loadtest.check.violations import ViolationKind

_LOST = (DeliveryState.FAILED, DeliveryState.REFUSED, DeliveryState.DEAD)

_MAY_HAVE_ARRIVED = (Result.ACCEPTED, Result.UNANSWERED)

Fault = tuple[ViolationKind, str]


class Fate(Enum):
    """What must become of a delivery."""

    ARRIVES = "arrives"
    """It reaches the user, or its state says why that is not known."""
    CANCELLED = "cancelled"
    """It must not be sent, because the item was read before."""
    EITHER = "either"
    """The item was read about when the delivery was due."""


@dataclass(frozen=True)
class Expected:
    """A delivery that must come of an accepted request. `provider_repeats`: whether an unknown attempt is repeated."""

    key: DeliveryKey
    fate: Fate
    provider_repeats: bool
    is_dead: bool = False


def has_ended(state: DeliveryState | None) -> bool:
    """Return whether a provider has the message, or will never get it. The result of a text message is told later."""
    return state is not None and (state.is_final or state is DeliveryState.HANDED)


def judge(
    expected: Expected,
    attempts: Sequence[Attempt],
    state: DeliveryState | None,
    *,
    may_repeat: bool,
    may_vanish: bool = False,
) -> Iterator[Fault]:
    """Yield the broken promises on a delivery, whose recorded state is `state`.

    `may_repeat`: whether an attempt may be repeated although the provider accepted it, because what the worker noted
    of it may have been lost with the worker or with Redis.
    `may_vanish`: whether an attempt may have ended before the provider received it, and the worker cannot know that.
    """
    if not has_ended(state):
        yield ViolationKind.UNFINISHED, f"{state and state.name} after {_shown(attempts)}"
        return
    assert state is not None
    results = [attempt.result for attempt in attempts]
    if not results and may_vanish and state is DeliveryState.UNKNOWN and not expected.provider_repeats:
        return
    yield from _fits(expected, results, state)
    yield from _repeats(expected, attempts, may_repeat)


def _fits(expected: Expected, results: Sequence[Result], state: DeliveryState) -> Iterator[Fault]:
    arrived = [result for result in results if result in _MAY_HAVE_ARRIVED]
    shown = ", ".join(result.value for result in results) or "no attempt"
    if expected.fate is Fate.CANCELLED and (arrived or state is not DeliveryState.SKIPPED):
        yield ViolationKind.NOT_CANCELLED, f"{state.name} after {shown}, although the item was read before"
    elif state is DeliveryState.SKIPPED and (arrived or expected.fate is Fate.ARRIVES):
        yield ViolationKind.DELIVERY_LOST, f"skipped after {shown}"
    elif state in (DeliveryState.DELIVERED, DeliveryState.HANDED) and Result.ACCEPTED not in results:
        yield ViolationKind.DELIVERY_LOST, f"delivered, says the gateway, after {shown}"
    elif state in _LOST and not expected.is_dead:
        yield ViolationKind.DELIVERY_LOST, f"{state.name} after {shown}"
    elif state is DeliveryState.UNKNOWN and not results:
        yield ViolationKind.DELIVERY_LOST, "unknown, although nothing was sent"


def _repeats(expected: Expected, attempts: Sequence[Attempt], may_repeat: bool) -> Iterator[Fault]:
    results = [attempt.result for attempt in attempts]
    if len({attempt.ids for attempt in attempts}) > 1:
        yield ViolationKind.ID_CHANGED, f"its repetitions have other ids: {[sorted(each.ids) for each in attempts]}"
    sent_again = [earlier for earlier in results[:-1] if earlier in _MAY_HAVE_ARRIVED]
    if sent_again and not expected.provider_repeats:
        yield ViolationKind.DELIVERY_DOUBLED, f"sent again after it may have arrived: {_shown(attempts)}"
    elif Result.ACCEPTED in sent_again and not may_repeat:
        yield ViolationKind.DELIVERY_DOUBLED, f"sent again after it was accepted: {_shown(attempts)}"


def _shown(attempts: Sequence[Attempt]) -> str:
    first = attempts[0].at if attempts else 0.0
    return ", ".join(f"{each.result.value} at {each.at - first:.1f} s" for each in attempts) or "no attempt"
