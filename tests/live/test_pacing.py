"""Spreading work and reconnects over time."""

import asyncio

import pytest

from gateway.live.pacing import paced, retry_after_ms


@pytest.mark.parametrize(("count", "sleeps"), [(0, 0), (2, 0), (3, 1), (7, 2)])
async def test_other_tasks_run_after_each_full_batch(count: int, sleeps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    assert [item async for item in paced(range(count), 3, 0.5)] == list(range(count))
    assert slept == [0.5] * sleeps


def test_the_pauses_before_clients_reconnect_differ() -> None:
    pauses = {retry_after_ms() for _ in range(1000)}
    assert 200 <= min(pauses) < 300
    assert 1900 < max(pauses) <= 2000
