"""The timer wheel."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime.timer_wheel import SLOTS_PER_SECOND, TimerWheel

times = st.floats(0, 100)


@given(st.lists(times, max_size=30), st.lists(times, min_size=1, max_size=10))
def test_a_deadline_passes_once_never_early_and_at_most_a_slot_late(deadlines: list[float], ticks: list[float]) -> None:
    wheel: TimerWheel[int] = TimerWheel(0)
    for item, when in enumerate(deadlines):
        wheel.schedule(item, when)
    seen: list[int] = []
    for now in [*sorted(ticks), 200]:
        due = wheel.due(now)
        assert all(deadlines[item] <= now for item in due)
        seen += due
        late = [item for item, when in enumerate(deadlines) if item not in seen and when + 2 / SLOTS_PER_SECOND <= now]
        assert not late
    assert sorted(seen) == list(range(len(deadlines)))


def test_a_cancelled_deadline_never_passes() -> None:
    wheel: TimerWheel[str] = TimerWheel(0)
    wheel.cancel("a", wheel.schedule("a", 5))
    assert wheel.due(100) == []
    assert len(wheel) == 0


def test_a_new_deadline_replaces_the_previous_one() -> None:
    wheel: TimerWheel[str] = TimerWheel(0)
    wheel.schedule("a", 50, wheel.schedule("a", 5))
    assert wheel.due(10) == []
    assert wheel.due(60) == ["a"]


def test_a_deadline_in_the_past_is_due_at_the_next_tick() -> None:
    wheel: TimerWheel[str] = TimerWheel(100)
    wheel.due(100)
    wheel.schedule("a", 3)
    assert wheel.due(101) == ["a"]
    assert list(wheel) == []
