"""One worker process, from the side of the supervisor."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway.server import worker_process
from gateway.server.worker_process import WorkerProcess
from tests.server.workers import IGNORES_SIGTERM, NEVER_SERVES, SERVES, run_as_worker
from tests.servers import wait_for


@contextmanager
def started() -> Iterator[WorkerProcess]:
    """Run a worker until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        worker = WorkerProcess(dict(os.environ), sock.fileno())
        try:
            yield worker
        finally:
            worker.process.kill()
            worker.process.wait()
            worker.close()
            worker.close()


def test_a_worker_becomes_ready_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run_as_worker(monkeypatch, SERVES)
    with started() as worker:
        wait_for(worker.becomes_ready, "the worker to serve")
        assert worker.is_ready
        assert not worker.becomes_ready()


def test_a_worker_that_does_not_serve_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    run_as_worker(monkeypatch, NEVER_SERVES)
    with started() as worker:
        assert not worker.becomes_ready()
        worker.process.kill()
        worker.process.wait()
        assert not worker.becomes_ready()


def test_a_worker_that_is_terminated_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    run_as_worker(monkeypatch, SERVES)
    with started() as worker:
        wait_for(worker.becomes_ready, "the worker to serve")
        worker.kill_late()
        worker.end(10)
        assert worker.process.wait(10) == 0


def test_a_worker_that_ends_too_late_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    run_as_worker(monkeypatch, IGNORES_SIGTERM)
    with started() as worker:
        wait_for(worker.becomes_ready, "the worker to serve")
        worker.end(0)
        worker.kill_late()
        assert worker.process.wait(10) == -signal.SIGKILL


def test_a_worker_that_cannot_be_created_leaves_no_files_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "WORKER_COMMAND", ["/no/such/program"])
    before = len(os.listdir("/proc/self/fd"))
    with socket.create_server(("127.0.0.1", 0)) as sock, pytest.raises(OSError, match="No such file"):
        WorkerProcess({}, sock.fileno())
    assert len(os.listdir("/proc/self/fd")) == before
