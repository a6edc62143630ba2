"""Long-running tasks on a real loop: they start again, rest longer each time, and end only when cancelled."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from gateway.runtime import tasks
from gateway.runtime.tasks import Outage, keep_running
from gateway.store.redis.problems import explained
from tests.logs import captured_log


@contextlib.asynccontextmanager
async def kept(work: Callable[[], Awaitable[None]]) -> AsyncIterator["asyncio.Task[None]"]:
    """Keep some work running for a block."""
    task = asyncio.create_task(keep_running("work", work))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rest for a moment only."""
    monkeypatch.setattr(tasks, "LEAST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(tasks, "MOST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(tasks, "RECOVERED_SECONDS", 0.05)


@pytest.mark.parametrize("end", ["it raises", "it returns", "what it waits for is cancelled"])
async def test_work_that_ends_is_started_again(end: str) -> None:
    starts = 0
    enough = asyncio.Event()

    async def work() -> None:
        nonlocal starts
        starts += 1
        if starts == 5:
            enough.set()
        if end == "it raises":
            raise ValueError("no")
        if end == "what it waits for is cancelled":
            raise asyncio.CancelledError

    async with kept(work), asyncio.timeout(10):
        await enough.wait()


async def test_an_outage_is_logged_once_and_its_end_once() -> None:
    starts = 0

    async def work() -> None:
        nonlocal starts
        starts += 1
        if starts < 5:
            raise explained("NOPERM User default has no permissions to run the 'fcall' command")
        await asyncio.Event().wait()

    with captured_log() as lines:
        async with kept(work), asyncio.timeout(10):
            while len(lines) < 2:
                await asyncio.sleep(0.005)
    assert [line["event"] for line in lines] == ["task_failed", "task_recovered"]
    assert "fcall" in lines[0]["problem"]
    assert lines[1]["failures"] == 4


async def test_a_task_that_is_cancelled_ends() -> None:
    async with kept(asyncio.Event().wait) as task:  # type: ignore[arg-type] # what it gives does not matter
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def test_what_works_says_nothing() -> None:
    with captured_log() as lines:
        Outage("failed", "recovered").end()
    assert not lines
