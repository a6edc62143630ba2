"""Tasks that run operations, one after another.

A task that ends costs its registration, its removal from two sets and a callback: 0.5 µs with warm caches, and 5 to
10 % of a request (measured). So a task that has run an operation waits for the next one, up to a number of them.
"""

import asyncio

from gateway.api.core.endpoint import Endpoint
from gateway.server.direct import DirectCycle

WAITING_TASKS = 64
"""How many tasks may wait for an operation: 100 KB. Under load, the operations of one iteration need about as many."""

Running = set["asyncio.Task[None]"]
"""The tasks that run an operation now. uvicorn waits for them, and cancels them, when the server stops."""

_Waiter = asyncio.Future[tuple[DirectCycle, Endpoint, Running]]


class OperationTasks:
    """The tasks of one worker."""

    def __init__(self) -> None:
        self._waiting: list[tuple[asyncio.Task[None], _Waiter]] = []

    def run(self, cycle: DirectCycle, endpoint: Endpoint, running: Running) -> None:
        """Run the cycle of a request in the next iteration of the event loop, in a task that is in `running`."""
        while self._waiting:
            task, waiter = self._waiting.pop()
            if not waiter.done():  # it is cancelled when the event loop ends
                running.add(task)
                waiter.set_result((cycle, endpoint, running))
                return
        running.add(asyncio.get_running_loop().create_task(self._run(cycle, endpoint, running)))

    async def _run(self, cycle: DirectCycle, endpoint: Endpoint, running: Running) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None, "this runs in a task"
        while True:
            try:
                await cycle.run(endpoint)
            finally:
                running.discard(task)
            if len(self._waiting) >= WAITING_TASKS or task.cancelling():
                return
            waiter: _Waiter = loop.create_future()
            self._waiting.append((task, waiter))
            del cycle  # it refers to the connection
            cycle, endpoint, running = await waiter
