"""The scheduler of work slices."""

import asyncio
import time

import pytest

from gateway.runtime.fair_scheduler import SLICES_SECONDS, FairScheduler


async def finished(scheduler: FairScheduler) -> int:
    """Wait until all slices have run, and return how many iterations of the event loop that took."""
    iterations = 0
    while scheduler:
        await asyncio.sleep(0)
        iterations += 1
        assert iterations < 10_000
    return iterations


async def test_slices_run_in_the_order_in_which_they_were_added() -> None:
    scheduler, done = FairScheduler(), list[int]()
    for number in range(5):
        scheduler.add(lambda number=number: done.append(number))  # type: ignore[misc] # mypy: a lambda's default
    assert done == []
    await finished(scheduler)
    assert done == [0, 1, 2, 3, 4]


async def test_a_slice_added_by_a_slice_runs_after_the_waiting_ones() -> None:
    scheduler, done = FairScheduler(), list[str]()

    def first_of_two() -> None:
        done.append("a1")
        scheduler.add(lambda: done.append("a2"))

    scheduler.add(first_of_two)
    scheduler.add(lambda: done.append("b"))
    await finished(scheduler)
    assert done == ["a1", "b", "a2"]


async def test_slices_yield_to_other_work_of_the_event_loop_once_their_time_is_used_up() -> None:
    scheduler, count = FairScheduler(), 5

    def use_the_time_up() -> None:
        until = time.perf_counter() + 1.5 * SLICES_SECONDS
        while time.perf_counter() < until:
            pass

    for _ in range(count):
        scheduler.add(use_the_time_up)
    assert await finished(scheduler) >= count


async def test_slices_after_one_that_fails_still_run() -> None:
    scheduler, done, reported = FairScheduler(), list[str](), list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))

    def fail() -> None:
        raise ValueError("broken")

    scheduler.add(fail)
    scheduler.add(lambda: done.append("after"))
    await finished(scheduler)
    assert done == ["after"]
    assert [str(problem) for problem in reported] == ["broken"]


@pytest.mark.parametrize("count", [0, 3])
async def test_its_length_is_the_number_of_slices_that_wait(count: int) -> None:
    scheduler = FairScheduler()
    for _ in range(count):
        scheduler.add(lambda: None)
    assert len(scheduler) == count
    await finished(scheduler)
