"""Loops over connections that leave time for everything else."""

import asyncio

import pytest

from gateway.live.pacing import paced


@pytest.mark.parametrize(("count", "sleeps"), [(0, 0), (2, 0), (3, 1), (7, 2)])
async def test_other_tasks_run_after_each_full_batch(count: int, sleeps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    assert [item async for item in paced(range(count), 3, 0.5)] == list(range(count))
    assert slept == [0.5] * sleeps
