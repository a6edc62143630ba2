"""Long-running tasks on a real event loop: they are started again, and end only when cancelled."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from gateway.runtime import tasks
from gateway.runtime.tasks import Outage, background_tasks, keep_running
from gateway.store.redis.problems import store_error
from tests.logs import captured_log


@contextlib.asynccontextmanager
async def kept(work: Callable[[], Awaitable[None]]) -> AsyncIterator["asyncio.Task[None]"]:
    """Keep work running until the block ends."""
    task = asyncio.create_task(keep_running("work", work))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pauses before a restart very short."""
    monkeypatch.setattr(tasks, "MIN_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(tasks, "MAX_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(tasks, "RECOVERED_SECONDS", 0.05)


@pytest.mark.parametrize("end", ["it raises", "it returns", "what it awaits is cancelled"])
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
        if end == "what it awaits is cancelled":
            raise asyncio.CancelledError

    async with kept(work), asyncio.timeout(10):
        await enough.wait()


async def test_an_outage_is_logged_once_and_its_end_once() -> None:
    starts = 0

    async def work() -> None:
        nonlocal starts
        starts += 1
        if starts < 5:
            raise store_error("NOPERM User default has no permissions to run the 'fcall' command")
        await asyncio.Event().wait()

    with captured_log() as lines:
        async with kept(work), asyncio.timeout(10):
            while len(lines) < 2:
                await asyncio.sleep(0.005)
    assert [line["event"] for line in lines] == ["task_failed", "task_recovered"]
    assert "fcall" in lines[0]["problem"]
    assert lines[1]["failures"] == 4


def test_the_text_of_an_exception_that_nobody_expected_is_not_logged() -> None:
    with captured_log() as lines:
        Outage("failed", "recovered", task="a").begin(KeyError("a secret"))
        Outage("failed", "recovered", task="b").begin(OSError("no room on the disk"))
    assert [(line["task"], line["problem"]) for line in lines] == [
        ("a", "KeyError"),
        ("b", "OSError: no room on the disk"),
    ]


async def test_a_task_that_is_cancelled_ends() -> None:
    async with kept(asyncio.Event().wait) as task:  # type: ignore[arg-type] # its result is ignored
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def test_end_without_an_outage_logs_nothing() -> None:
    with captured_log() as lines:
        Outage("failed", "recovered").end()
    assert not lines


async def test_background_tasks_run_until_the_block_ends() -> None:
    running: set[str] = set()

    async def work(name: str) -> None:
        running.add(name)
        try:
            await asyncio.Event().wait()
        finally:
            running.remove(name)

    async with background_tasks({"a": lambda: work("a"), "b": lambda: work("b")}), asyncio.timeout(10):
        while running != {"a", "b"}:
            await asyncio.sleep(0)
        assert {"a", "b"} <= {task.get_name() for task in asyncio.all_tasks()}
    assert running == set()


async def test_background_tasks_end_when_the_block_raises() -> None:
    ended = False

    async def work() -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            ended = True

    with contextlib.suppress(ValueError):
        async with background_tasks({"work": work}):
            await asyncio.sleep(0)
            raise ValueError("broken")
    assert ended
