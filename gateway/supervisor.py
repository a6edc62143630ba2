"""The parent process of `serve`: one listening socket, the bundled Valkey, N workers.

It imports nothing heavy and serves nothing. A worker that dies is started again; so is Valkey. SIGTERM and SIGINT
let the workers say goodbye, then Valkey write its file, then end with exit code 0. SIGHUP replaces the workers one at a
time, as after an upgrade: each new one serves before the old one says goodbye, and if it does not, the old ones stay.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from gateway.embedded import DataDirectory, EmbeddedError, EmbeddedValkey, die_with_parent
from gateway.settings import Settings, variable

POLL_SECONDS = 0.1
RESTART_SECONDS = 0.5
EARLY_SECONDS = 5.0
EARLY_DEATHS = 5
"""A worker that dies this often within EARLY_SECONDS of its start will not get better: give up."""

STOP_GRACE_SECONDS = 10.0

SUCCESSOR_SECONDS = 30.0
"""How long a worker that is to replace another may take to serve."""


class SupervisorError(Exception):
    """The gateway cannot go on. The message says why."""


SILENT_HEARTBEATS = 2.5
"""A peer that acknowledges nothing for so many heartbeats has vanished."""


def listen(host: str, port: int, heartbeat_seconds: float) -> socket.socket:
    """Open the socket that all workers accept from. Raises SupervisorError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        sock = socket.socket(family)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Accepted sockets have it from this one, which costs nothing for each: who vanished without a word stops
            # acknowledging, and the kernel ends the connection.
            silence_ms = int(SILENT_HEARTBEATS * heartbeat_seconds * 1000)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silence_ms)
        sock.bind((host, port))
        sock.listen(4096)
    except OSError as problem:
        raise SupervisorError(
            f"cannot listen on {host}:{port}: {problem.strerror or problem}. Use --port or INBOX_PORT for another."
        ) from None
    sock.set_inheritable(True)
    return sock


class _Worker:
    """One worker process, when it was started, and when it was told to end."""

    def __init__(self, environment: Mapping[str, str], fd: int):
        self.started_at = time.monotonic()
        self.ends_before: float | None = None
        self._ready, told = os.pipe()
        os.set_blocking(self._ready, False)
        arguments = [sys.executable, "-m", "gateway", "worker", "--fd", str(fd), "--ready-fd", str(told)]
        try:
            self.process = subprocess.Popen(
                arguments,
                env=environment,
                pass_fds=[fd, told],
                stdin=subprocess.DEVNULL,
                # If we are killed, the port must be free at once.
                preexec_fn=lambda: die_with_parent(signal.SIGKILL),  # safe: we have one thread
            )
        finally:
            os.close(told)

    def is_ready(self) -> bool:
        """Whether it says that it serves; once it did, it is not to be asked again."""
        with suppress(BlockingIOError):
            return os.read(self._ready, 1) != b""
        return False

    def end(self, seconds: float) -> None:
        """Tell it to say goodbye, for which it has this long."""
        self.ends_before = time.monotonic() + seconds
        self.process.terminate()

    def close(self) -> None:
        """Let go of what it would tell us; it ended."""
        os.close(self._ready)


class Supervisor:
    """Runs everything until a signal. `settings` must carry the secret key that all workers share."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._data_directory = DataDirectory(settings.data_dir)
        self._valkey = EmbeddedValkey(settings) if settings.embedded else None
        self._workers: list[_Worker] = []
        # A rolling restart: who is still to be replaced, by whom, and who is on the way out.
        self._to_replace: list[_Worker] = []
        self._successor: _Worker | None = None
        self._leaving: list[_Worker] = []
        self._early_deaths = 0
        self._stopping = False
        self._restart_asked = False
        self._metrics_dir: Path | None = None
        self._environment = dict(os.environ)

    def start_store(self) -> None:
        """Start the bundled Valkey if it is to be used. Raises EmbeddedError."""
        if self._valkey is not None:
            self._data_directory.acquire()
            self._valkey.start()

    def stop_store(self) -> None:
        """Stop the bundled Valkey."""
        if self._valkey is not None:
            self._valkey.stop()

    def serve(self, sock: socket.socket) -> None:
        """Run the workers until SIGTERM or SIGINT. Raises SupervisorError when they cannot run."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGHUP, self._on_restart)
        self._environment |= self._worker_environment()
        try:
            self._workers = [self._start_worker(sock) for _ in range(self._settings.workers)]
            while not self._stopping:
                time.sleep(POLL_SECONDS)
                self._revive_valkey()
                self._revive_workers(sock)
                self._replace_workers(sock)
        finally:
            sock.close()
            self._stop_workers()
            if self._metrics_dir is not None:
                shutil.rmtree(self._metrics_dir, ignore_errors=True)

    def _on_signal(self, number: int, frame: object) -> None:
        self._stopping = True

    def _on_restart(self, number: int, frame: object) -> None:
        self._restart_asked = True

    def _worker_environment(self) -> dict[str, str]:
        environment = {
            variable("secret_key"): self._settings.secret_key,
            variable("data_dir"): str(self._settings.data_dir.absolute()),
            variable("host"): self._settings.host,
            variable("port"): str(self._settings.port),
        }
        if self._settings.workers > 1:
            # Files of an earlier run that was killed would be counted in.
            self._metrics_dir = self._settings.data_dir.absolute() / f"metrics-{self._settings.port}"
            shutil.rmtree(self._metrics_dir, ignore_errors=True)
            self._metrics_dir.mkdir(parents=True)
            environment["PROMETHEUS_MULTIPROC_DIR"] = str(self._metrics_dir)
        return environment

    def _start_worker(self, sock: socket.socket) -> _Worker:
        return _Worker(self._environment, sock.fileno())

    def _revive_valkey(self) -> None:
        if self._valkey is not None and self._valkey.poll() is not None and not self._stopping:
            print("Valkey ended unexpectedly; starting it again", file=sys.stderr, flush=True)  # noqa: T201
            try:
                self._valkey.start()
            except EmbeddedError as problem:
                raise SupervisorError(str(problem)) from None

    def _revive_workers(self, sock: socket.socket) -> None:
        for index, worker in enumerate(self._workers):
            code = worker.process.poll()
            if code is None or self._stopping:
                continue
            early = time.monotonic() - worker.started_at < EARLY_SECONDS
            self._early_deaths = self._early_deaths + 1 if early else 0
            if self._early_deaths >= EARLY_DEATHS:
                raise SupervisorError("the workers die right after their start: see the messages above")
            print(  # noqa: T201 - the supervisor has no log of its own
                f"worker {worker.process.pid} ended with code {code}; starting another",
                file=sys.stderr,
                flush=True,
            )
            self._forget(worker)
            time.sleep(RESTART_SECONDS)
            self._workers[index] = self._start_worker(sock)

    def _replace_workers(self, sock: socket.socket) -> None:
        """Take the next step of a rolling restart, if one was asked for."""
        self._leaving = [worker for worker in self._leaving if not self._has_left(worker)]
        if self._leaving or self._stopping:
            return
        # One that died has been replaced already.
        self._to_replace = [worker for worker in self._to_replace if worker in self._workers]
        if self._successor is not None:
            self._await_successor(self._successor)
        elif self._to_replace:
            self._successor = self._start_worker(sock)
        elif self._restart_asked:
            self._restart_asked = False
            self._to_replace = list(self._workers)

    def _await_successor(self, successor: _Worker) -> None:
        late = time.monotonic() - successor.started_at > SUCCESSOR_SECONDS
        if late or successor.process.poll() is not None:
            print("a new worker does not start: the old ones stay", file=sys.stderr, flush=True)  # noqa: T201
            successor.process.kill()
            successor.process.wait()
            self._forget(successor)
            self._successor = None
            self._to_replace.clear()
        elif successor.is_ready():
            self._successor = None
            outgoing = successor
            if self._to_replace:
                outgoing = self._to_replace.pop(0)
                self._workers[self._workers.index(outgoing)] = successor
            outgoing.end(self._settings.drain_seconds + STOP_GRACE_SECONDS)
            self._leaving.append(outgoing)

    def _has_left(self, worker: _Worker) -> bool:
        if worker.process.poll() is None:
            if worker.ends_before is not None and time.monotonic() > worker.ends_before:
                worker.process.kill()
            return False
        self._forget(worker)
        return True

    def _forget(self, worker: _Worker) -> None:
        """Drop a dead worker's live gauges, as prometheus_client's mark_process_dead does."""
        worker.close()
        for path in self._metrics_dir.glob(f"gauge_live*_{worker.process.pid}.db") if self._metrics_dir else ():
            path.unlink(missing_ok=True)

    def _stop_workers(self) -> None:
        workers = [*self._workers, *self._leaving, *([self._successor] if self._successor else [])]
        for worker in workers:
            with suppress(ProcessLookupError):
                worker.process.terminate()
        deadline = time.monotonic() + self._settings.drain_seconds + STOP_GRACE_SECONDS
        for worker in workers:
            try:
                worker.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
