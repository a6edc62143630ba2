"""The supervisor: signals, its workers and its helpers, and how little it imports."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.server import restart_pauses
from gateway.server.listening_socket import listen
from gateway.server.supervisor import Supervisor
from gateway.server.worker_pool import EARLY_DEATHS
from gateway.settings import Settings
from tests.logs import captured_log
from tests.server.workers import DIES, SERVES, run_as_deliverer, run_as_worker
from tests.servers import wait_for

HEAVY = (
    *("asyncio", "msgspec", "redis", "valkey", "starlette", "uvicorn", "prometheus_client", "ssl", "cryptography"),
    *("aiohttp", "authlib", "email.message", "h2", "http.client", "jwt", "opentelemetry", "websockets"),
)


def test_it_imports_no_large_library() -> None:
    program = f"import sys, gateway.server.supervisor; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a gateway on a Redis that nothing connects to."""
    return Settings(
        redis_url="redis://127.0.0.1:1",
        data_dir=tmp_path,
        workers=2,
        delivery_workers=0,
        secret_key="k" * 43,
        drain_seconds=0.0,
    )


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Restore the signal handlers that a supervisor sets."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@contextmanager
def meanwhile(steps: Callable[[], None]) -> Iterator[None]:
    """Run steps in a thread while the block runs the supervisor, and stop the supervisor after them."""
    failures = list[BaseException]()

    def run() -> None:
        try:
            steps()
        except BaseException as failure:
            failures.append(failure)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()
    for failure in failures:
        raise failure


def serve(supervisor: Supervisor) -> None:
    """Run a supervisor with its signals, on a socket of its own."""
    supervisor.handle_signals()
    supervisor.serve(listen("127.0.0.1", 0, 25))


def children() -> set[str]:
    """Return the ids of this process's children, zombies included."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_it_serves_until_sigterm_and_ends_its_workers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run_as_worker(monkeypatch, SERVES)
    before = children()  # other tests may have started servers
    with captured_log() as lines:
        with meanwhile(lambda: wait_for(lambda: lines, "it to be ready")):
            serve(Supervisor(settings))
        assert [(line["event"], line.get("signal")) for line in lines] == [("ready", None), ("stopping", "SIGTERM")]
    assert children() == before


def test_sighup_replaces_the_workers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run_as_worker(monkeypatch, SERVES)
    with captured_log() as lines:

        def events() -> list[str]:
            return [line["event"] for line in lines]

        def reload() -> None:
            wait_for(lambda: "ready" in events(), "it to be ready")
            os.kill(os.getpid(), signal.SIGHUP)
            wait_for(lambda: "reloaded" in events(), "the reload")

        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with meanwhile(reload):
            serve(Supervisor(settings))
        assert events() == ["ready", "reloading", "reloaded", "stopping"]


def test_an_ignored_sighup_stays_ignored(settings: Settings) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    Supervisor(settings).handle_signals()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_a_signal_before_it_serves_starts_no_worker(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run_as_worker(monkeypatch, "raise SystemExit(1)")
    supervisor = Supervisor(settings)
    supervisor.handle_signals()
    assert not supervisor.stop_requested
    os.kill(os.getpid(), signal.SIGINT)
    assert supervisor.stop_requested
    with captured_log() as lines, socket.create_server(("127.0.0.1", 0)) as sock:
        supervisor.serve(sock)
    assert [line["event"] for line in lines] == ["stopping"]


def test_helpers_end_with_the_gateway(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run_as_worker(monkeypatch, SERVES)
    supervisor = Supervisor(settings)
    short = subprocess.Popen([sys.executable, "-c", ""])
    long = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    for helper in (short, long):
        supervisor.look_after(helper)
    with captured_log() as lines, meanwhile(lambda: wait_for(lambda: lines, "it to be ready")):
        serve(supervisor)
    assert long.poll() == -signal.SIGTERM
    assert short.poll() == 0


def test_without_the_bundled_valkey_no_data_directory_is_locked(settings: Settings) -> None:
    first, second = Supervisor(settings), Supervisor(settings)
    for supervisor in (first, second):
        started = time.monotonic()
        supervisor.acquire_data()
        supervisor.start_store()
        supervisor.stop_store()
        assert time.monotonic() - started < 10
    assert list(settings.data_dir.iterdir()) == []


def test_processes_that_deliver_run_beside_the_workers_and_are_replaced_by_a_reload(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_as_worker(monkeypatch, SERVES)
    run_as_deliverer(monkeypatch, SERVES)
    before = children()
    with captured_log() as lines:

        def events() -> list[str]:
            return [line["event"] for line in lines]

        def reload() -> None:
            wait_for(lambda: {"ready", "delivery_ready"} <= set(events()), "them to be ready")
            assert len(children() - before) == 4
            os.kill(os.getpid(), signal.SIGHUP)
            wait_for(lambda: {"reloaded", "delivery_reloaded"} <= set(events()), "the reload")

        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with meanwhile(reload):
            serve(Supervisor(replace(settings, delivery_workers=2)))
    assert not children() - before


def test_the_gateway_serves_while_processes_that_deliver_die_again_and_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restart_pauses, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(restart_pauses, "MAX_PAUSE_SECONDS", 0.02)
    run_as_worker(monkeypatch, SERVES)
    run_as_deliverer(monkeypatch, DIES)
    with captured_log() as lines:

        def deaths() -> int:
            return [line["event"] for line in lines].count("delivery_worker_ended")

        def steps() -> None:
            wait_for(lambda: "ready" in [line["event"] for line in lines] and deaths() > EARLY_DEATHS, "deaths")

        with meanwhile(steps):
            serve(Supervisor(replace(settings, delivery_workers=1)))
    assert lines[-1]["event"] == "stopping"
