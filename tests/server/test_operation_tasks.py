"""Tasks that run operations one after another."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from starlette.responses import Response

from gateway.api.core.endpoint import Endpoint
from gateway.api.core.requests import ApiRequest
from gateway.server import operation_tasks
from gateway.server.operation_tasks import OperationTasks, Running
from tests.server.test_direct import Cycle, created


class Tasks:
    """The tasks under test, and the task that each operation ran in."""

    def __init__(self) -> None:
        self.tasks = OperationTasks()
        self.running: Running = set()
        self.used: list[asyncio.Task[Any] | None] = []

    def start(self, respond: Callable[[ApiRequest], Any] = created) -> Cycle:
        """Start an operation."""

        async def noted(request: ApiRequest) -> Response:
            self.used.append(asyncio.current_task())
            response: Response = await respond(request)
            return response

        cycle = Cycle(b"content")
        self.tasks.run(cycle.cycle, cast(Endpoint, noted), self.running)
        return cycle

    async def finish(self) -> None:
        """Wait until no operation runs."""
        while self.running:
            await asyncio.sleep(0)


async def test_a_task_runs_the_next_operation_when_it_has_finished_one() -> None:
    tasks = Tasks()
    for _ in range(3):
        cycle = tasks.start()
        assert len(tasks.running) == 1
        await tasks.finish()
        assert cycle.transport.written.endswith(b"content")
    assert len(tasks.used) == 3
    assert len(set(tasks.used)) == 1


async def test_operations_at_the_same_time_have_a_task_each() -> None:
    tasks = Tasks()
    cycles = [tasks.start() for _ in range(3)]
    await tasks.finish()
    assert len(set(tasks.used)) == 3
    assert all(cycle.responses == 1 for cycle in cycles)


async def test_only_so_many_tasks_wait_for_another_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operation_tasks, "WAITING_TASKS", 2)
    tasks = Tasks()
    for _ in range(5):
        tasks.start()
    await tasks.finish()
    await asyncio.sleep(0)
    assert sorted(task.done() for task in tasks.used if task is not None) == [False, False, True, True, True]


async def test_a_task_that_the_server_cancelled_runs_nothing_else() -> None:
    async def forever(request: ApiRequest) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    tasks = Tasks()
    tasks.start(forever)
    await asyncio.sleep(0)
    (cancelled,) = tasks.running
    cancelled.cancel()
    await tasks.finish()
    tasks.start()
    await tasks.finish()
    assert tasks.used[0] is not tasks.used[1]


async def test_a_waiting_task_that_ends_with_the_event_loop_is_not_used_again() -> None:
    tasks = Tasks()
    tasks.start()
    await tasks.finish()
    (waiting,) = tasks.used
    assert waiting is not None
    waiting.cancel()
    cycle = tasks.start()
    await tasks.finish()
    assert cycle.responses == 1
    assert tasks.used[1] is not waiting
