"""Workers are replaced one at a time, and each new one serves before the old one ends."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.server import rolling_restart, worker_process
from gateway.server.rolling_restart import RollingRestart
from gateway.server.worker_pool import WorkerPool
from tests.logs import captured_log
from tests.server.test_worker_pool import check_until, pool_of
from tests.server.workers import DIES, IGNORES_SIGTERM, NEVER_SERVES, SERVES, run_as_worker


@contextmanager
def serving(
    data_dir: Path, end_seconds: float = 10, count: int = 2
) -> Iterator[tuple[WorkerPool, RollingRestart, list[dict[str, Any]]]]:
    """Run a pool whose workers serve, with its restart and its log."""
    with pool_of(count, data_dir) as pool, captured_log() as lines:
        pool.start()
        check_until(pool, lambda: bool(lines))
        lines.clear()
        restart = RollingRestart(pool, end_seconds, lambda: False)
        try:
            yield pool, restart, lines
        finally:
            for worker in restart.extra_workers:
                worker.process.kill()
                worker.process.wait()
                pool.release(worker)


def step_until(restart: RollingRestart, condition: Callable[[], bool]) -> None:
    """Call `step` of a restart until a condition holds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        restart.step()
        time.sleep(0.01)


def test_every_worker_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_as_worker(monkeypatch, SERVES)
    with serving(tmp_path) as (pool, restart, lines):
        before = list(pool.workers)
        restart.request()
        step_until(restart, lambda: bool(lines) and lines[-1]["event"] == "reloaded")
        assert [line["event"] for line in lines] == ["reloading", "reloaded"]
        assert not set(before) & set(pool.workers)
        assert [worker.process.poll() for worker in before] == [0, 0]
        assert restart.extra_workers == []


@pytest.mark.parametrize("program", [DIES, NEVER_SERVES], ids=["dies", "never serves"])
def test_the_old_workers_stay_when_a_new_one_does_not_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    run_as_worker(monkeypatch, SERVES)
    monkeypatch.setattr(rolling_restart, "SUCCESSOR_SECONDS", 0.5)
    with serving(tmp_path) as (pool, restart, lines):
        before = list(pool.workers)
        run_as_worker(monkeypatch, program)
        restart.request()
        step_until(restart, lambda: bool(lines) and lines[-1]["event"] == "reload_failed")
        assert pool.workers == before
        assert [worker.process.poll() for worker in before] == [None, None]
        assert restart.extra_workers == []


def test_an_old_worker_that_does_not_end_in_time_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_as_worker(monkeypatch, IGNORES_SIGTERM)
    with serving(tmp_path, end_seconds=0, count=1) as (pool, restart, lines):
        restart.request()
        step_until(restart, lambda: bool(lines) and lines[-1]["event"] == "reloaded")
        assert len(pool.alive) == 1


def test_a_request_during_a_restart_begins_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_as_worker(monkeypatch, SERVES)
    with serving(tmp_path, count=1) as (_, restart, lines):
        restart.request()
        restart.step()
        restart.request()
        step_until(restart, lambda: [line["event"] for line in lines].count("reloaded") == 2)


def test_the_old_workers_stay_when_a_new_one_cannot_be_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_as_worker(monkeypatch, SERVES)
    with serving(tmp_path) as (pool, restart, lines):
        before = list(pool.workers)
        monkeypatch.setattr(worker_process, "WORKER_COMMAND", ["/no/such/program"])
        restart.request()
        step_until(restart, lambda: bool(lines) and lines[-1]["event"] == "reload_failed")
        assert pool.workers == before
        assert pool.alive == before
