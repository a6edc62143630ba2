"""Deadlines of connections, with items that record when they are called."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from gateway.live.deadlines import CLOSE_SECONDS, Deadlines
from tests.logs import captured_log

NEVER = 1e9


class Item:
    """An object with a deadline."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.deadline_slot: int | None = None
        self.transport: asyncio.Transport = asyncio.Transport()
        self.called = asyncio.Event()
        self.computed = 0

    def next_deadline(self, now: float, unix_now: float) -> float | None:
        """Return a deadline after the given time."""
        self.computed += 1
        return None if self.seconds is None else now + self.seconds

    def on_deadline(self, now: float) -> None:
        """Record that the deadline has passed."""
        self.called.set()


@contextlib.asynccontextmanager
async def running(deadlines: Deadlines[Item]) -> AsyncIterator[None]:
    """Run the deadlines for a block."""
    task = asyncio.create_task(deadlines.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_connection_is_called_when_its_deadline_passes_and_then_has_none() -> None:
    deadlines, soon, later = Deadlines[Item](25), Item(0), Item(NEVER)
    deadlines.schedule(soon)
    deadlines.schedule(later)
    async with running(deadlines), asyncio.timeout(10):
        await soon.called.wait()
    assert not later.called.is_set()
    assert list(deadlines) == [later]


async def test_a_closed_connection_keeps_its_deadline() -> None:
    deadlines, item = Deadlines[Item](25), Item(NEVER)
    deadlines.schedule(item)
    slot, item.seconds = item.deadline_slot, None
    deadlines.schedule(item)
    assert (item.deadline_slot, len(deadlines)) == (slot, 1)


async def test_a_new_deadline_replaces_the_previous_one() -> None:
    deadlines, item = Deadlines[Item](25), Item(NEVER)
    deadlines.schedule(item)
    deadlines.schedule_abort(item)
    assert len(deadlines) == 1
    assert item.deadline_slot is not None
    assert item.deadline_slot < (time.monotonic() + CLOSE_SECONDS + 1) * 4


async def test_first_heartbeats_are_spread_and_never_later_than_the_connections_deadline() -> None:
    deadlines, items, urgent = Deadlines[Item](100), [Item(NEVER) for _ in range(200)], Item(1)
    for item in (*items, urgent):
        deadlines.schedule_first_heartbeat(item)
    now = time.monotonic() * 4
    slots = [item.deadline_slot - now for item in items if item.deadline_slot is not None]
    assert 70 < min(slots) < max(slots) < 410
    assert max(slots) - min(slots) > 200
    assert urgent.deadline_slot is not None
    assert urgent.deadline_slot - now < 10


async def test_a_deadline_that_is_cancelled_does_not_pass() -> None:
    deadlines, item = Deadlines[Item](25), Item(0)
    deadlines.cancel(item)
    deadlines.schedule(item)
    deadlines.cancel(item)
    assert len(deadlines) == 0


async def test_every_deadline_is_computed_again_when_the_clock_jumps(monkeypatch: pytest.MonkeyPatch) -> None:
    deadlines, item, jumped, real = Deadlines[Item](25), Item(NEVER), [0.0], time.time
    monkeypatch.setattr(time, "time", lambda: real() + jumped[0])
    deadlines.schedule(item)
    with captured_log() as lines:
        async with running(deadlines), asyncio.timeout(10):
            await asyncio.sleep(0)
            jumped[0] = 3600
            while item.computed < 2:
                await asyncio.sleep(0.01)
    assert [line["event"] for line in lines] == ["clock_jumped"]
    assert len(deadlines) == 1
