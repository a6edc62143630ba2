"""Long-running tasks: one that fails starts again after a growing pause, so that a fault which heals ends nothing."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from gateway.telemetry.logs import log
from gateway.telemetry.metrics import TASK_FAILURES

LEAST_PAUSE_SECONDS = 0.1
MOST_PAUSE_SECONDS = 10.0
"""Between a failure and the next start: twice as long each time."""

RECOVERED_SECONDS = 5.0
"""How long a task has to run after a failure to be taken for recovered."""


class Outage:
    """Logs once that something fails, and once that it works again. `context` is part of both lines."""

    def __init__(self, failed: str, recovered: str, **context: Any):
        self._failed = failed
        self._recovered = recovered
        self._context = context
        self._since: float | None = None
        self._failures = 0

    @property
    def lasts(self) -> bool:
        """Whether what is watched fails now."""
        return self._since is not None

    def begin(self, problem: BaseException) -> None:
        """Take note of a failure; the first of an outage is logged."""
        self._failures += 1
        if self._since is not None:
            return
        self._since = time.monotonic()
        told = getattr(problem, "detail", None)  # what is known of the store; anything else is a mistake of ours
        expected = told is not None or isinstance(problem, OSError)
        log.error(
            self._failed,
            **self._context,
            problem=told or f"{type(problem).__name__}: {problem}",
            exc_info=None if expected else problem,
        )

    def end(self) -> None:
        """Take note that it works again."""
        if self._since is None:
            return
        seconds = round(time.monotonic() - self._since, 1)
        log.warning(self._recovered, **self._context, seconds=seconds, failures=self._failures)
        self._since, self._failures = None, 0


async def keep_running(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run what should never end, again whenever it does, until cancelled."""
    outage = Outage("task_failed", "task_recovered", task=name)
    pause = LEAST_PAUSE_SECONDS
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
            outage.begin(cancelled)  # something that it waited for was cancelled, not the task itself
        except Exception as problem:
            outage.begin(problem)
        finally:
            recovery.cancel()
        TASK_FAILURES.labels(name).inc()
        if time.monotonic() - started > RECOVERED_SECONDS:
            pause = LEAST_PAUSE_SECONDS
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(2 * pause, MOST_PAUSE_SECONDS)
