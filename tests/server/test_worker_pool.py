"""A fixed number of workers, each of which is started again when it dies."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.server import restart_pauses, worker_pool, worker_process
from gateway.server.errors import SupervisorError
from gateway.server.worker_pool import EARLY_DEATHS, WorkerPool
from gateway.settings import Settings
from tests.logs import captured_log
from tests.server.workers import DIES, SERVES, run_as_worker


@contextmanager
def pool_of(count: int, data_dir: Path, stopping: Callable[[], bool] = lambda: False) -> Iterator[WorkerPool]:
    """Create a pool; end its workers after the block."""
    settings = Settings(workers=count, delivery_workers=0, data_dir=data_dir, secret_key="k" * 43)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        pool = WorkerPool(settings, sock, time.monotonic(), stopping)
        try:
            yield pool
        finally:
            for worker in pool.workers:
                worker.process.kill()
                worker.process.wait()
                pool.release(worker)
            pool.close()


def check_until(pool: WorkerPool, condition: Callable[[], bool]) -> None:
    """Check a pool until a condition holds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        pool.check()
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pauses before a restart very short."""
    monkeypatch.setattr(restart_pauses, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(restart_pauses, "MAX_PAUSE_SECONDS", 0.02)


def test_it_is_ready_when_all_workers_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_as_worker(monkeypatch, SERVES)
    with pool_of(2, tmp_path) as pool, captured_log() as lines:
        pool.start()
        check_until(pool, lambda: bool(lines))
        assert [line["event"] for line in lines] == ["ready"]
        assert all(worker.is_ready for worker in pool.workers)


def test_a_worker_that_dies_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_as_worker(monkeypatch, SERVES)
    with pool_of(2, tmp_path) as pool, captured_log() as lines:
        pool.start()
        check_until(pool, lambda: bool(lines))
        first, second = pool.workers
        first.process.kill()
        check_until(pool, lambda: len(lines) == 3)
        assert [line["event"] for line in lines] == ["ready", "worker_ended", "worker_recovered"]
        assert pool.workers[0] is not first
        assert pool.workers[1] is second
        assert pool.restarts == 1
        assert pool.alive == pool.workers


def test_the_start_fails_when_workers_die_early_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_as_worker(monkeypatch, DIES)
    with pool_of(1, tmp_path) as pool, captured_log() as lines:
        pool.start()
        with pytest.raises(SupervisorError, match="the workers die right after their start"):
            check_until(pool, lambda: False)
        assert len(lines) == EARLY_DEATHS - 1


def test_no_worker_is_started_again_while_the_gateway_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_as_worker(monkeypatch, DIES)
    with pool_of(1, tmp_path, lambda: True) as pool, captured_log() as lines:
        pool.start()
        pool.workers[0].process.wait(10)
        pool.check()
        assert pool.workers[0].restart_at is None
        assert lines == []


def test_the_start_fails_when_workers_cannot_be_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "WORKER_COMMAND", ["/no/such/program"])
    with pool_of(1, tmp_path) as pool, pytest.raises(SupervisorError, match="a worker cannot be started"):
        pool.start()


def test_a_worker_that_cannot_be_created_again_is_tried_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_as_worker(monkeypatch, SERVES)
    monkeypatch.setattr(worker_pool, "MAX_PAUSE_SECONDS", 0.02)
    with pool_of(1, tmp_path) as pool, captured_log() as lines:
        pool.start()
        check_until(pool, lambda: bool(lines))
        with monkeypatch.context() as broken:
            broken.setattr(worker_process, "WORKER_COMMAND", ["/no/such/program"])
            pool.workers[0].process.kill()
            check_until(pool, lambda: lines[-1]["event"] == "worker_not_started")
        check_until(pool, lambda: lines[-1]["event"] == "worker_recovered")


def test_workers_receive_the_settings_that_the_supervisor_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "/elsewhere")
    variables = ("INBOX_SECRET_KEY", "INBOX_DATA_DIR", "PROMETHEUS_MULTIPROC_DIR")
    out = tmp_path / "environment"
    run_as_worker(
        monkeypatch,
        f"import os, pathlib; pathlib.Path({str(out)!r}).write_text(repr([os.environ.get(v) for v in {variables}]))",
    )
    for count in (1, 2):
        with pool_of(count, tmp_path) as pool:
            pool.start()
            for worker in pool.workers:
                worker.process.wait(10)
            key, data_dir, metrics = eval(out.read_text())  # noqa: S307 - a list of strings that this test wrote
            assert (key, data_dir) == ("k" * 43, str(tmp_path))
            assert metrics != "/elsewhere"
            assert os.path.isdir(metrics)
        assert not os.path.isdir(metrics)
