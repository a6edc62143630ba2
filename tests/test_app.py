"""Composition: a worker built from settings serves, and releases its resources."""

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

from gateway import app
from gateway.app import Worker
from gateway.runtime.random_ids import new_epoch
from gateway.settings import Settings
from tests.servers import RedisServer, free_port

SECRET_KEY = "a key that no other test uses, long enough"


def settings(url: str, data_dir: Path) -> Settings:
    """Return the settings of a worker on a Redis."""
    return Settings(redis_url=url, data_dir=data_dir, secret_key=SECRET_KEY)


async def test_a_worker_runs_its_parts_in_named_tasks(redis_server: RedisServer, tmp_path: Path) -> None:
    worker = Worker(settings(redis_server.url, tmp_path))
    async with worker.running():
        assert worker.subscriber.healthy
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert {"hub", "http-deadlines", "jobs", "store-watch", "sweeps", "formats", "active-users"} <= names
    left = {task.get_name() for task in asyncio.all_tasks()} - {asyncio.current_task().get_name()}  # type: ignore[union-attr] # a test is a task
    assert not {name for name in left if not name.startswith("Task-")}


def sockets() -> int:
    """Return how many sockets this process has open."""
    count = 0
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the descriptor of the directory that was just read
            count += os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:")
    return count


async def test_a_worker_that_stops_closes_its_connections(redis_server: RedisServer, tmp_path: Path) -> None:
    before = sockets()
    worker = Worker(settings(redis_server.url, tmp_path))
    async with worker.running():
        assert sockets() > before
    async with asyncio.timeout(10):
        while sockets() > before:
            await asyncio.sleep(0.01)


async def test_a_worker_starts_without_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "SUBSCRIPTION_SECONDS", 0.1)
    worker = Worker(settings(f"redis://127.0.0.1:{free_port()}", tmp_path))
    async with asyncio.timeout(30), worker.running():
        assert not worker.subscriber.healthy


def test_epochs_are_short_and_differ() -> None:
    epochs = {new_epoch() for _ in range(100)}
    assert len(epochs) == 100
    assert {len(epoch) for epoch in epochs} == {8}
