"""Limits of projects."""

import pytest

from gateway.domain.limits import FOR_SENDING, NO_LIMITS, Limit, ProjectLimits, Used, reached, seconds_of_minute


def test_the_fields_are_named_as_the_limits() -> None:
    names = tuple(each.value for each in Limit)
    assert ProjectLimits._fields == Used._fields == names
    assert (NO_LIMITS.is_set, ProjectLimits(max_users=1).is_set) == (False, True)


@pytest.mark.parametrize(
    ("limits", "used", "adding", "expected"),
    [
        (NO_LIMITS, Used(9, 9, 9, 9), 1, None),
        (ProjectLimits(max_sends_per_minute=3), Used(max_sends_per_minute=2), 1, None),
        (ProjectLimits(max_sends_per_minute=3), Used(max_sends_per_minute=3), 1, Limit.SENDS_PER_MINUTE),
        (ProjectLimits(max_sends_per_month=3), Used(max_sends_per_month=2), 2, Limit.SENDS_PER_MONTH),
        (ProjectLimits(max_storage_bytes=100), Used(max_storage_bytes=99), 5, None),
        (ProjectLimits(max_storage_bytes=100), Used(max_storage_bytes=100), 1, Limit.STORAGE),
        (ProjectLimits(max_users=1), Used(max_users=9), 1, None),
    ],
)
def test_a_limit_is_reached_when_the_next_would_exceed_it(
    limits: ProjectLimits, used: Used, adding: int, expected: Limit | None
) -> None:
    assert reached(limits, used, FOR_SENDING, adding) is expected


def test_a_minute_has_an_end() -> None:
    assert [seconds_of_minute(each) for each in (0.0, 59.9, 60.0)] == [60, 1, 60]
