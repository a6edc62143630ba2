"""The memory budget of request bodies."""

import threading

import pytest

from gateway.api.core.body_budget import BODIES_AT_ONCE, BodyBudget, Share
from gateway.domain.errors import ApiError, ErrorCode

ADA, JOE = Share("user ada", 100), Share("user joe", 100)


def test_an_owner_holds_no_more_than_its_share_and_another_is_not_affected() -> None:
    budget = BodyBudget(1000)
    budget.open([ADA]).grow(60)
    with pytest.raises(ApiError) as refused:
        budget.open([ADA]).grow(41)
    assert (refused.value.code, refused.value.retry_after_seconds) == (ErrorCode.TOO_MANY_BODIES, 1)
    budget.open([JOE]).grow(100)
    assert budget.held == 160


def test_all_owners_together_hold_no_more_than_the_budget() -> None:
    budget = BodyBudget(10)
    budget.open([Share("a", 1000)]).grow(BODIES_AT_ONCE * 10)
    with pytest.raises(ApiError) as refused:
        budget.open([Share("b", 1000)]).grow(1)
    assert refused.value.code is ErrorCode.OVERLOADED


def test_a_refused_part_is_counted_for_no_owner() -> None:
    budget = BodyBudget(1000)
    with pytest.raises(ApiError):
        budget.open([JOE, ADA]).grow(101)
    assert budget.held == 0
    budget.open([JOE]).grow(100)


def test_what_a_reservation_counts_is_released_once() -> None:
    budget = BodyBudget(1000)
    reservation = budget.open([ADA])
    reservation.grow(60)
    reservation.grow(40)
    reservation.release()
    reservation.release()
    assert budget.held == 0
    budget.open([ADA]).grow(100)


async def test_slow_work_runs_in_another_thread() -> None:
    assert await BodyBudget(1000).in_thread(threading.get_ident) != threading.get_ident()
