"""Coroutines without a task: the same results as in a task, whatever they wait for."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime.driven import Arrival, Driver


class Kept(Driver[Any]):
    """A driver that keeps the end of its coroutine."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]):
        super().__init__(coroutine)
        self.end: list[Any] = []

    def returned(self, result: Any) -> None:
        """Keep the result."""
        self.end.append(result)

    def raised(self, failure: BaseException) -> None:
        """Keep the exception."""
        self.end.append(failure)

    async def ended(self) -> Any:
        """Return the end once it has come."""
        async with asyncio.timeout(10):
            while not self.end:
                await asyncio.sleep(0)
        (end,) = self.end
        return end


def driven(coroutine: Coroutine[Any, Any, Any]) -> Kept:
    """Begin a coroutine, and return its driver."""
    driver = Kept(coroutine)
    driver.advance()
    return driver


async def sum_of(arrivals: list[Arrival[int]]) -> int:
    """Return the sum of what arrives. An exception counts as 100."""
    total = 0
    for each in arrivals:
        try:
            total += await each
        except LookupError:
            total += 100
    return total


def deliver(arrival: Arrival[int], value: int) -> None:
    """Deliver a value, or an exception in place of 0."""
    if value:
        arrival.set_result(value)
    else:
        arrival.set_exception(LookupError())


async def test_a_coroutine_that_waits_for_nothing_ends_at_once() -> None:
    assert driven(sum_of([])).end == [0]


@given(st.permutations(range(5)), st.lists(st.integers(0, 3), min_size=5, max_size=5), st.integers(0, 5))
def test_a_driven_coroutine_and_a_task_return_the_same_in_whatever_order_replies_come(
    order: list[int], values: list[int], early: int
) -> None:
    async def run() -> tuple[Any, Any]:
        ends = []
        for begin in (driven, asyncio.create_task):
            arrivals = [Arrival[int]() for _ in order]
            for index in order[:early]:
                deliver(arrivals[index], values[index])
            running: Any = begin(sum_of(arrivals))
            await asyncio.sleep(0)
            for index in order[early:]:
                deliver(arrivals[index], values[index])
                arrivals[index].set_result(7)  # only the first delivery counts
            ends.append(await running.ended() if isinstance(running, Kept) else await running)
        return ends[0], ends[1]

    driven_end, task_end = asyncio.run(run())
    assert driven_end == task_end == sum(value or 100 for value in values)


async def test_a_reply_continues_the_coroutine_before_the_delivery_returns() -> None:
    arrival = Arrival[int]()
    driver = driven(sum_of([arrival]))
    assert not driver.end
    arrival.set_result(3)
    assert driver.end == [3]


@pytest.mark.parametrize("other", [lambda: asyncio.sleep(0), lambda: asyncio.sleep(0.001), lambda: asyncio.gather()])
async def test_a_coroutine_that_awaits_something_else_continues_in_a_task(other: Callable[[], Any]) -> None:
    first, last = Arrival[int](), Arrival[int]()
    found = []

    async def mixed() -> int:
        number = await first
        await other()
        async with asyncio.timeout(10):
            found.append(asyncio.current_task())
            return number + await last

    driver = driven(mixed())
    first.set_result(1)
    while not found:
        await asyncio.sleep(0)
    last.set_result(2)
    assert await driver.ended() == 3
    assert found[0] is not None


async def test_an_exception_of_an_awaited_future_is_raised_in_the_coroutine() -> None:
    future = asyncio.get_running_loop().create_future()

    async def careful() -> str:
        try:
            await future
        except LookupError:
            return "caught"
        return ""

    driver = driven(careful())
    future.set_exception(LookupError())
    assert await driver.ended() == "caught"


async def failing() -> None:
    """Raise an exception."""
    raise LookupError


async def failing_later() -> None:
    """Raise an exception in a task."""
    await asyncio.sleep(0)
    raise LookupError


@pytest.mark.parametrize("coroutine", [failing, failing_later])
async def test_an_exception_is_reported(coroutine: Callable[[], Coroutine[Any, Any, None]]) -> None:
    assert isinstance(await driven(coroutine()).ended(), LookupError)


async def forever_for_a_reply() -> None:
    """Wait for a reply that never comes."""
    await Arrival[None]()


async def forever_in_a_task() -> None:
    """Wait for an event that never comes."""
    await asyncio.Event().wait()


@pytest.mark.parametrize("coroutine", [forever_for_a_reply, forever_in_a_task])
@pytest.mark.parametrize("turns", [0, 2])
async def test_a_cancellation_ends_it_whatever_it_waits_for(
    coroutine: Callable[[], Coroutine[Any, Any, None]], turns: int
) -> None:
    driver = driven(coroutine())
    for _ in range(turns):
        await asyncio.sleep(0)
    driver.cancel()
    assert isinstance(await driver.ended(), asyncio.CancelledError)


async def test_a_cancellation_that_crosses_the_reply_does_nothing() -> None:
    arrival = Arrival[int]()
    driver = driven(sum_of([arrival]))
    driver.cancel()
    arrival.set_result(1)
    await asyncio.sleep(0)
    assert driver.end == [1]


async def test_a_coroutine_that_becomes_a_task_before_its_cancellation_is_cancelled_there() -> None:
    arrival = Arrival[int]()

    async def two_waits() -> None:
        await arrival
        await asyncio.Event().wait()

    driver = driven(two_waits())
    driver.cancel()
    arrival.set_result(1)
    assert isinstance(await driver.ended(), asyncio.CancelledError)


async def test_a_task_may_be_cancelled_while_it_awaits_an_arrival() -> None:
    arrival = Arrival[int]()
    task = asyncio.create_task(sum_of([arrival]))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    arrival.set_result(1)


async def test_a_coroutine_that_another_one_wakes_is_driven_too() -> None:
    inner, outer = Arrival[int](), Arrival[int]()
    other = driven(sum_of([inner]))

    async def waking() -> int:
        inner.set_result(1)
        return await outer

    driver = driven(waking())
    assert other.end == [1]
    outer.set_result(2)
    assert driver.end == [2]  # not in a later turn, as in a task
