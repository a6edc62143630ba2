"""How often the demo may be asked for something."""

import pytest

from gateway.api.demo.limits import MAX_COUNTED, WINDOW_SECONDS, DemoLimits, Limit
from gateway.domain.errors import ApiError

SENDS = Limit("notifications", 2, 3)


class Clock:
    """A clock that a test moves."""

    now = 5.0

    def __call__(self) -> float:
        return self.now


def test_a_caller_and_all_callers_are_limited_until_the_window_ends() -> None:
    clock = Clock()
    limits = DemoLimits(clock)
    for caller in ("a", "a", "b"):
        limits.count(SENDS, caller)
    clock.now += 20
    for caller in ("a", "b", "c"):
        with pytest.raises(ApiError) as refused:
            limits.count(SENDS, caller)
        assert (refused.value.status, refused.value.retry_after_seconds) == (429, 40)
    limits.count(Limit("visits", 1, 1), "a")
    clock.now += WINDOW_SECONDS
    limits.count(SENDS, "a")


def test_the_memory_for_callers_is_bounded() -> None:
    limits = DemoLimits(Clock())
    for number in range(3 * MAX_COUNTED):
        limits.count(Limit("visits", 1, 10 * MAX_COUNTED), str(number))
    assert len(limits._counts) <= MAX_COUNTED + 1
