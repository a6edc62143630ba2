"""What follows from outcomes, as properties of every sequence of them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from gateway.delivery.policy import (
    MAX_AFTER_SECONDS,
    MAX_ATTEMPTS,
    PATIENT_SECONDS,
    Rules,
    pauses_lane,
    speaks_against,
    speaks_for,
    wait_after,
)
from gateway.domain.delivery import DeliveryState

LONG = 1e9
RULES = st.builds(Rules, st.sampled_from(Schedule), st.booleans())
SPREAD = st.floats(0, 1)
SECONDS = st.floats(0, 1e7)

PASSING = st.one_of(
    st.builds(Retry, st.just("503"), st.none() | SECONDS),
    st.builds(Unknown, st.just("timeout")),
    st.builds(Throttled, SECONDS, st.sampled_from(Scope)),
    st.builds(Misconfigured, st.just("InvalidProviderToken"), st.booleans()),
)
ENDING = st.sampled_from((Delivered("1"), Dead("Unregistered"), Refused("PayloadTooLarge")))


@given(RULES, st.lists(st.tuples(PASSING | ENDING, SPREAD), max_size=40), st.floats(0, 1e6))
def test_every_delivery_ends_within_its_attempts_and_its_time(
    rules: Rules, outcomes: list[tuple[Outcome, float]], left: float
) -> None:
    attempts, clock = 0, 0.0
    for outcome, spread in outcomes:
        verdict = rules.verdict(outcome, attempts + 1, left - clock, spread)
        assert verdict.state.is_final is (verdict.wait is None)
        assert attempts <= verdict.attempts <= attempts + 1 <= MAX_ATTEMPTS
        if verdict.wait is None:
            return
        assert 0 <= verdict.wait < left - clock
        attempts, clock = verdict.attempts, clock + verdict.wait


@given(RULES, SPREAD)
def test_eight_failures_end_it(rules: Rules, spread: float) -> None:
    attempts = 0
    while (verdict := rules.verdict(Retry("503"), attempts + 1, LONG, spread)).wait is not None:
        attempts = verdict.attempts
    assert (verdict.state, verdict.attempts) == (DeliveryState.FAILED, MAX_ATTEMPTS)


@given(st.lists(SPREAD, min_size=7, max_size=7))
def test_the_prompt_schedule_ends_within_30_minutes_and_the_patient_one_within_35_hours(spreads: list[float]) -> None:
    for schedule, hours in ((Schedule.PROMPT, 0.5), (Schedule.PATIENT, 35.0)):
        waits = [wait_after(schedule, attempts, spread) for attempts, spread in enumerate(spreads, 1)]
        assert sum(wait for wait in waits if wait is not None) <= hours * 3600
        assert wait_after(schedule, MAX_ATTEMPTS, 0.5) is None


def test_the_patient_schedule_is_that_of_svix() -> None:
    waits = [wait_after(Schedule.PATIENT, attempts, 0.5) for attempts in range(1, MAX_ATTEMPTS)]
    assert waits == [5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600] == list(PATIENT_SECONDS)


def test_the_waits_of_the_prompt_schedule_grow() -> None:
    waits = [wait_after(Schedule.PROMPT, attempts, 1.0) or 0 for attempts in range(1, MAX_ATTEMPTS)]
    assert all(later == 2 * earlier for earlier, later in pairwise(waits))


@given(RULES, st.integers(1, MAX_ATTEMPTS), SECONDS, st.sampled_from(Scope))
def test_a_throttled_attempt_is_not_counted(rules: Rules, attempt: int, after: float, scope: Scope) -> None:
    verdict = rules.verdict(Throttled(after, scope), attempt, LONG, 0.5)
    assert verdict.attempts == attempt - 1
    assert verdict.wait is not None
    assert verdict.wait >= min(after, MAX_AFTER_SECONDS)


@given(RULES, st.integers(1, MAX_ATTEMPTS - 1), SECONDS)
def test_a_retry_after_is_honoured_up_to_a_day(rules: Rules, attempt: int, after: float) -> None:
    verdict = rules.verdict(Retry("503", after), attempt, LONG, 0.5)
    assert verdict.wait is not None
    assert verdict.wait >= min(after, MAX_AFTER_SECONDS)


def test_an_unknown_outcome_is_repeated_only_where_that_harms_nobody() -> None:
    repeated = Rules(Schedule.PROMPT, repeats_unknown=True).verdict(Unknown("cut"), 1, LONG, 0.5)
    assert (repeated.state, repeated.may_have_sent) == (DeliveryState.RETRY, True)
    ended = Rules(Schedule.PROMPT, repeats_unknown=False).verdict(Unknown("cut"), 1, LONG, 0.5)
    assert (ended.state, ended.wait, ended.may_have_sent) == (DeliveryState.UNKNOWN, None, True)


def test_the_last_attempt_without_an_answer_ends_as_unknown_and_not_as_failed() -> None:
    verdict = Rules(Schedule.PATIENT, repeats_unknown=True).verdict(Unknown("cut"), MAX_ATTEMPTS, LONG, 0.5)
    assert verdict.state is DeliveryState.UNKNOWN


def test_a_message_that_was_handed_over_waits_for_its_receipt() -> None:
    verdict = Rules(Schedule.PROMPT, repeats_unknown=True).verdict(Handed("r1", 900), 1, LONG, 0.5)
    assert (verdict.state, verdict.wait, verdict.provider_id) == (DeliveryState.HANDED, 900, "r1")


def test_a_wrong_configuration_spends_no_attempt() -> None:
    verdict = Rules(Schedule.PROMPT, repeats_unknown=True).verdict(Misconfigured("403"), 1, LONG, 0.5)
    assert (verdict.state, verdict.attempts) == (DeliveryState.RETRY, 0)


def test_a_doubt_about_the_configuration_is_a_failure_that_may_pass() -> None:
    verdict = Rules(Schedule.PROMPT, repeats_unknown=True).verdict(Misconfigured("403", is_doubted=True), 8, LONG, 0.5)
    assert (verdict.state, verdict.attempts, verdict.reason) == (DeliveryState.FAILED, 8, "403")


@pytest.mark.parametrize(
    ("outcome", "for_it", "against_it"),
    [
        (Delivered(), True, False),
        (Handed("r", 1), True, False),
        (Dead("410"), True, False),
        (Refused("413"), True, False),
        (Retry("503"), False, True),
        (Unknown("cut"), False, True),
        (Throttled(1), False, False),
        (Misconfigured("403"), False, False),
        (Misconfigured("403", is_doubted=True), False, False),
    ],
)
def test_the_breaker_counts_failures_of_the_provider_alone(outcome: Outcome, for_it: bool, against_it: bool) -> None:
    assert (speaks_for(outcome), speaks_against(outcome)) == (for_it, against_it)


def test_only_a_throttled_lane_pauses() -> None:
    assert pauses_lane(Throttled(1, Scope.LANE))
    assert not pauses_lane(Throttled(1, Scope.DESTINATION))
    assert not pauses_lane(Retry("503", 1))
