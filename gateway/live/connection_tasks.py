"""Background tasks that connections wait for. A task that fails closes its connections, and no others."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from gateway.domain.errors import CloseCode
from gateway.live.connection import Connection
from gateway.live.pacing import retry_after_ms
from gateway.telemetry.logs import log


class ConnectionTasks:
    """Starts tasks in a task group, which must be entered before `spawn` is called: `async with tasks.running()`."""

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None

    def running(self) -> asyncio.TaskGroup:
        """Return a new task group for the tasks, for the caller to enter."""
        self._group = asyncio.TaskGroup()
        return self._group

    def spawn(self, work: Coroutine[Any, Any, None], connections: Sequence[Connection]) -> None:
        """Start a task that `connections` wait for. Raise RuntimeError if no task group is running."""
        if self._group is None:
            work.close()
            raise RuntimeError("the hub is not running")
        self._group.create_task(self.guard(work, connections))

    async def guard(self, work: Coroutine[Any, Any, None], connections: Sequence[Connection]) -> None:
        """Await work that `connections` wait for.

        If it raises, log the exception and close them, as they would wait for ever.
        """
        try:
            await work
        except Exception:
            log.exception("live_task_failed")
            for connection in connections:
                connection.perform(connection.session.close(CloseCode.INTERNAL_ERROR, retry_after_ms()))
