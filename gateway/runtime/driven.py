"""Coroutines that run without a task, and the awaitable that they wait for.

A request waits for little besides replies of Redis. A task and a future for it would take five turns through the event
loop: to begin, to continue after each reply, and to report its end. A `Driver` begins its coroutine at once, and the
arrival of a reply continues it at once: 7 of the 50 µs that a request took (measured). A coroutine that awaits anything
else continues in a task from there on.

A driven coroutine has no current task until then. So `asyncio.timeout` and `asyncio.TaskGroup` cannot be used before
the first wait for something else than an Arrival.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class _Driving:
    """Whether the code that runs now was called by a driver and not by a task."""

    now = False


class Arrival(Generic[T]):
    """A value or an exception that arrives once. It is awaited once at most, by a task or by a driven coroutine."""

    __slots__ = ("_failure", "_resume", "_value", "has_come")

    def __init__(self) -> None:
        self.has_come = False
        self._value: T | None = None
        self._failure: Exception | None = None
        self._resume: Callable[[], None] | None = None

    def set_result(self, value: T) -> None:
        """Deliver the value. A driven coroutine continues before this returns. Do nothing after the first delivery."""
        if not self.has_come:
            self._value = value
            self._come()

    def set_exception(self, failure: Exception) -> None:
        """Deliver an exception as `set_result` delivers a value."""
        if not self.has_come:
            self._failure = failure
            self._come()

    def call_when_here(self, resume: Callable[[], None] | None) -> None:
        """Have a function called on arrival, instead of the one before."""
        self._resume = resume

    def _come(self) -> None:
        self.has_come = True
        resume, self._resume = self._resume, None
        if resume is not None:
            resume()

    def __await__(self) -> Generator[Any, Any, T]:
        if not self.has_come:
            if _Driving.now:
                yield self
            else:
                future = asyncio.get_running_loop().create_future()
                self._resume = partial(_wake, future)
                yield from future
        if self._failure is not None:
            raise self._failure
        return self._value  # type: ignore[return-value] # a value has come


class Driver(ABC, Generic[T]):
    """Runs one coroutine. A subclass processes its end."""

    __slots__ = ("_awaited", "_coroutine", "_task")

    def __init__(self, coroutine: Coroutine[Any, Any, T]):
        self._coroutine = coroutine
        self._awaited: Arrival[Any] | None = None
        self._task: asyncio.Task[T] | None = None

    @abstractmethod
    def returned(self, result: T) -> None:
        """Process the result of the coroutine. Must not raise."""

    @abstractmethod
    def raised(self, failure: BaseException) -> None:
        """Process an exception of the coroutine, or its cancellation. Must not raise."""

    def advance(self) -> None:
        """Begin or continue the coroutine, until it waits or ends."""
        self._step(self._coroutine.send, None)

    def cancel(self, msg: Any = None) -> None:
        """Raise CancelledError in the coroutine in the next iteration of the event loop, as the method of a task."""
        if self._task is not None:
            self._task.cancel(msg)
        else:
            asyncio.get_running_loop().call_soon(self._cancel_now)

    def _step(self, step: Callable[[Any], Any], argument: Any) -> None:
        before, _Driving.now = _Driving.now, True
        try:
            awaited = step(argument)
        except StopIteration as end:
            _Driving.now = before
            self.returned(end.value)
        except BaseException as failure:
            _Driving.now = before
            self.raised(failure)
        else:
            _Driving.now = before
            if type(awaited) is Arrival:
                self._awaited = awaited
                awaited.call_when_here(self.advance)
            else:
                self._continue_in_task(awaited)

    def _cancel_now(self) -> None:
        if self._task is not None:
            self._task.cancel()
        elif self._awaited is not None and not self._awaited.has_come:
            self._awaited.call_when_here(None)
            self._step(self._coroutine.throw, asyncio.CancelledError())

    def _continue_in_task(self, awaited: Any) -> None:
        self._awaited = None
        self._task = asyncio.get_running_loop().create_task(_continued(self._coroutine, awaited))
        self._task.add_done_callback(self._task_ended)

    def _task_ended(self, task: "asyncio.Task[T]") -> None:
        if task.cancelled():
            self.raised(asyncio.CancelledError())
        elif (failure := task.exception()) is not None:
            self.raised(failure)
        else:
            self.returned(task.result())


async def _continued(coroutine: Coroutine[Any, Any, T], awaited: Any) -> T:
    """Run a coroutine to its end that has begun and waits for `awaited`, a future or a bare `yield`."""
    return await _Rest(coroutine, awaited)


class _Rest(Generic[T]):
    """The rest of a coroutine that waits. To be awaited in a task, whose wake-ups it passes on."""

    __slots__ = ("_awaited", "_coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, T], awaited: Any):
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, T]:
        try:
            while True:
                try:
                    sent = yield self._awaited
                except BaseException as thrown:
                    self._awaited = self._coroutine.throw(thrown)
                else:
                    self._awaited = self._coroutine.send(sent)
        except StopIteration as end:
            result: T = end.value
            return result


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
