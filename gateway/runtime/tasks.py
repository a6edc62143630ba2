"""Long-running background tasks. A task that fails is started again, after a pause that grows with each failure.

So a temporary fault, such as a restart of Redis, ends no task for good.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from gateway.telemetry.faults import log_fault
from gateway.telemetry.logs import log
from gateway.telemetry.metrics import TASK_FAILURES

MIN_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 10.0
"""Bounds of the pause between a failure and the next start. It doubles with each failure."""

RECOVERED_SECONDS = 5.0
"""The time that a task has to run after a failure to count as recovered."""


class Outage:
    """Logs the beginning of an outage once, and its end once. `context` is part of both lines."""

    def __init__(self, failed: str, recovered: str, **context: Any):
        """Create it. `failed` and `recovered` are the names of the two log events."""
        self._failed = failed
        self._recovered = recovered
        self._context = context
        self._since: float | None = None
        self._failures = 0

    @property
    def lasts(self) -> bool:
        """Whether an outage has begun and not ended."""
        return self._since is not None

    def begin(self, problem: BaseException) -> None:
        """Count a failure. The first failure of an outage is logged."""
        self._failures += 1
        if self._since is not None:
            return
        self._since = time.monotonic()
        detail = getattr(problem, "detail", None)  # a store error describes the store; others are faults of the gateway
        if detail is None and not isinstance(problem, OSError):
            log_fault(self._failed, problem, **self._context)
        else:
            log.error(self._failed, **self._context, problem=detail or f"{type(problem).__name__}: {problem}")

    def end(self) -> None:
        """End the outage, and log its duration and the number of its failures. Without an outage, do nothing."""
        if self._since is None:
            return
        seconds = round(time.monotonic() - self._since, 1)
        log.warning(self._recovered, **self._context, seconds=seconds, failures=self._failures)
        self._since, self._failures = None, 0


@asynccontextmanager
async def background_tasks(work: Mapping[str, Callable[[], Awaitable[None]]]) -> AsyncIterator[None]:
    """Keep each function of `work` running until the block ends. The key is the name of its task."""
    tasks = [asyncio.create_task(keep_running(name, run), name=name) for name, run in work.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def keep_running(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run work that should never end until this task is cancelled. Work that returns or raises is started again."""
    outage = Outage("task_failed", "task_recovered", task=name)
    pause = MIN_PAUSE_SECONDS
    while True:
        started = time.monotonic()
        recovery = asyncio.get_running_loop().call_later(RECOVERED_SECONDS, outage.end)
        try:
            await work()
            raise RuntimeError("it ended")
        except asyncio.CancelledError as cancelled:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            outage.begin(cancelled)  # something that the work awaited was cancelled, not this task
        except Exception as problem:
            outage.begin(problem)
        finally:
            recovery.cancel()
        TASK_FAILURES.labels(name).inc()
        if time.monotonic() - started > RECOVERED_SECONDS:
            pause = MIN_PAUSE_SECONDS
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(2 * pause, MAX_PAUSE_SECONDS)
