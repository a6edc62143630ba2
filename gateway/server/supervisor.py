"""The parent process of `serve`: one listening socket, the bundled Valkey, N workers.

It imports nothing heavy and serves nothing. A worker that dies is started again; so is Valkey, again and again with
growing pauses if need be. SIGTERM and SIGINT let the workers say goodbye, then Valkey write its file, then end with
exit code 0. SIGHUP replaces the workers one at a time, as after an upgrade: each new one serves before the old one says
goodbye, and if it does not, the old ones stay. A SIGHUP that comes because the terminal is gone ends the gateway.
"""

import errno
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress

from gateway.server.append_only_file import UnrepairableError
from gateway.server.bundled_valkey import CancelledError, EmbeddedError, EmbeddedValkey, die_with_parent
from gateway.server.data_directory import DataDirectory, DataDirectoryError
from gateway.settings import Settings, variable
from gateway.telemetry.logs import log
from gateway.telemetry.metrics_directory import MetricsDirectory

POLL_SECONDS = 0.1
EARLY_SECONDS = 5.0
EARLY_DEATHS = 5
"""When no worker ever served, and they die this often within EARLY_SECONDS of their start, the start has failed."""

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
"""Before what died is started again: twice as long each time, until it lives for longer than this."""

STOP_GRACE_SECONDS = 10.0

FEW_FILES = 10_000
"""What a worker needs for as many connections as one is usually given."""

SUCCESSOR_SECONDS = 30.0
"""How long a worker that is to replace another may take to serve."""


class SupervisorError(Exception):
    """The gateway cannot go on. The message says why."""


SILENT_HEARTBEATS = 2.5
"""A peer that acknowledges nothing for so many heartbeats has vanished."""


def listen(host: str, port: int, heartbeat_seconds: float) -> socket.socket:
    """Open the socket that all workers accept from. Raises SupervisorError."""
    sock = None
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
    except (OSError, UnicodeError, OverflowError) as problem:
        if sock is not None:
            sock.close()
        raise SupervisorError(_not_listening(host, port, problem)) from None
    sock.set_inheritable(True)
    return sock


def _not_listening(host: str, port: int, problem: Exception) -> str:
    reason = getattr(problem, "strerror", None) or str(problem)
    remedy = "Use --host or INBOX_HOST for an address of this machine."
    if getattr(problem, "errno", None) == errno.EADDRINUSE:
        remedy = "Use --port or INBOX_PORT for another."
    elif isinstance(problem, PermissionError):
        remedy = "Ports under 1024 need a privilege: use --port or INBOX_PORT for another."
    shown = f"[{host}]" if ":" in host else host
    return f"cannot listen on {shown}:{port}: {reason}. {remedy}"


def raise_file_limit() -> None:
    """Allow this process and its children as many open files as the system lets us; log it when that is few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS allows fewer than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    if soft != resource.RLIM_INFINITY and soft < FEW_FILES:
        log.warning(
            "few_open_files",
            limit=soft,
            message=f"A worker can have {soft} files open, and each connection takes one: raise the hard limit "
            "(`ulimit -Hn`, LimitNOFILE= of systemd, --ulimit of docker).",
        )


WORKER_COMMAND = [sys.executable, "-m", "gateway", "worker"]


class _Pauses:
    """How long to wait before something that died is started again."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE_SECONDS

    def after(self, lived_seconds: float) -> float:
        """Return the pause after a life of so long."""
        if lived_seconds > LONGEST_PAUSE_SECONDS:
            self._next = FIRST_PAUSE_SECONDS
        pause = self._next
        self._next = min(2 * pause, LONGEST_PAUSE_SECONDS)
        return pause


class _Worker:
    """One worker process, when it was started, and when it was told to end."""

    def __init__(self, environment: Mapping[str, str], fd: int):
        self.started_at = time.monotonic()
        self.ends_before: float | None = None
        self.restart_at: float | None = None
        """When another is to take its place, once it died."""

        self.is_ready = False
        self._ready, told = os.pipe()
        os.set_blocking(self._ready, False)
        arguments = [*WORKER_COMMAND, "--fd", str(fd), "--ready-fd", str(told)]
        try:
            self.process = subprocess.Popen(
                arguments,
                env=environment,
                pass_fds=[fd, told],
                stdin=subprocess.DEVNULL,
                preexec_fn=begin_child,  # our other threads hold no lock that this needs
            )
        except OSError:
            os.close(self._ready)
            raise
        finally:
            os.close(told)

    def gets_ready(self) -> bool:
        """Whether it said, since the last time it was asked, that it serves."""
        if self.is_ready:
            return False
        with suppress(BlockingIOError, OSError):
            self.is_ready = os.read(self._ready, 1) != b""
        return self.is_ready

    def end(self, seconds: float) -> None:
        """Tell it to say goodbye, for which it has this long."""
        self.ends_before = time.monotonic() + seconds
        self.process.terminate()

    def close(self) -> None:
        """Let go of what it would tell us; it ended."""
        if self._ready >= 0:
            os.close(self._ready)
            self._ready = -1


def begin_child() -> None:
    """Set up a child process of ours, before it runs its program. For `preexec_fn`."""
    # If we are killed, the port must be free at once.
    die_with_parent(signal.SIGKILL)
    # A terminal sends these to the whole group; it is for us to tell our children, which may not be listening yet.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Supervisor:
    """Runs everything until a signal. `settings` must carry the secret key that all workers share."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._data_directory = DataDirectory(settings.data_dir)
        self._valkey = EmbeddedValkey(settings) if settings.embedded else None
        self._valkey_started_at = 0.0
        self._valkey_restart_at: float | None = None
        self._valkey_pauses = _Pauses()
        self._valkey_failures = 0
        self._workers: list[_Worker] = []
        self._worker_pauses = _Pauses()
        # A rolling restart: who is still to be replaced, by whom, and who is on the way out.
        self._to_replace: list[_Worker] = []
        self._successor: _Worker | None = None
        self._leaving: list[_Worker] = []
        self._early_deaths = 0
        self._served = False
        self._started_at = time.monotonic()
        self._stop_signal: int | None = None
        self._restart_asked = False
        self._has_terminal = _terminal_is_there()
        self._metrics: MetricsDirectory | None = None
        self._environment = dict(os.environ)
        self._helpers: list[subprocess.Popen[bytes]] = []

    def acquire_data(self) -> None:
        """Lock the data directory if the bundled Valkey is to be used. Raises DataDirectoryError."""
        if self._valkey is not None:
            self._data_directory.acquire()

    def start_store(self) -> None:
        """Start the bundled Valkey if it is to be used. Raises EmbeddedError, UnrepairableError, DataDirectoryError."""
        if self._valkey is not None:
            self.acquire_data()
            self._valkey.start(self._is_stopping)
            self._valkey_started_at = time.monotonic()

    def stop_store(self) -> None:
        """Stop the bundled Valkey."""
        if self._valkey is not None:
            self._valkey.stop()

    def look_after(self, helper: "subprocess.Popen[bytes]") -> None:
        """Await the end of a process that another part of `serve` started, and end it with us."""
        self._helpers.append(helper)

    def handle_signals(self) -> None:
        """Let signals end or reload the gateway from now on. Until `serve` runs, `stop_asked` tells of them."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        # `nohup` and whoever else had it ignored wants it ignored.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._on_hangup)

    @property
    def stop_asked(self) -> bool:
        """Whether a signal told the gateway to end."""
        return self._stop_signal is not None

    def serve(self, sock: socket.socket) -> None:
        """Run the workers until SIGTERM or SIGINT. Raises SupervisorError when they cannot run."""
        self._environment = self._worker_environment()
        try:
            if not self.stop_asked:
                self._start_workers(sock)
            while not self.stop_asked:
                time.sleep(POLL_SECONDS)
                self._revive_valkey()
                self._note_ready()
                self._revive_workers(sock)
                self._replace_workers(sock)
                self._helpers = [helper for helper in self._helpers if helper.poll() is None]
            log.info("stopping", signal=signal.Signals(self._stop_signal or signal.SIGTERM).name)
        finally:
            sock.close()
            self._stop_workers()
            if self._metrics is not None:
                self._metrics.remove()

    # -- signals

    def _on_signal(self, number: int, frame: object) -> None:
        self._stop_signal = number

    def _on_hangup(self, number: int, frame: object) -> None:
        if self._has_terminal and not _terminal_is_there():
            self._stop_signal = number
        else:
            self._restart_asked = True

    def _is_stopping(self) -> bool:
        return self.stop_asked

    # -- Valkey

    def _revive_valkey(self) -> None:
        if self._valkey is None or self.stop_asked:
            return
        now = time.monotonic()
        if self._valkey_restart_at is None:
            if self._valkey.poll() is not None:
                self._plan_valkey(now, f"it ended with code {self._valkey.poll()}; it said {self._valkey.last_words!r}")
            elif self._valkey_failures and now - self._valkey_started_at > EARLY_SECONDS:
                log.info("valkey_recovered", attempts=self._valkey_failures)
                self._valkey_failures = 0
                self._valkey.say_once(False)
        elif now >= self._valkey_restart_at:
            self._valkey_restart_at = None
            try:
                self._valkey.start(self._is_stopping)
                self._valkey_started_at = time.monotonic()
            except CancelledError:
                return
            except UnrepairableError as problem:
                raise SupervisorError(str(problem)) from None
            except (EmbeddedError, DataDirectoryError) as problem:
                self._valkey_started_at = time.monotonic()
                self._plan_valkey(self._valkey_started_at, str(problem))

    def _plan_valkey(self, now: float, reason: str) -> None:
        """Plan its next start, and say that once for all the attempts that fail alike."""
        pause = self._valkey_pauses.after(now - self._valkey_started_at)
        self._valkey_restart_at = now + pause
        self._valkey_failures += 1
        if self._valkey_failures == 1:
            log.error(
                "valkey_ended",
                message="Valkey ended unexpectedly; it is started again, with growing pauses while that fails.",
                reason=reason,
                pause_seconds=pause,
            )
        elif self._valkey is not None:
            self._valkey.say_once(True)

    # -- workers

    def _worker_environment(self) -> dict[str, str]:
        environment = {
            **self._environment,
            variable("secret_key"): self._settings.secret_key,
            variable("data_dir"): str(self._settings.data_dir.absolute()),
            variable("host"): self._settings.host,
            variable("port"): str(self._settings.port),
        }
        # One that is set already would mix in the files of other programs.
        environment.pop("PROMETHEUS_MULTIPROC_DIR", None)
        if self._settings.workers > 1:
            try:
                self._metrics = MetricsDirectory(self._settings.data_dir.absolute())
            except OSError as problem:
                raise SupervisorError(f"there is no room for metrics in {self._settings.data_dir}: {problem}") from None
            environment["PROMETHEUS_MULTIPROC_DIR"] = str(self._metrics.path)
        return environment

    def _start_workers(self, sock: socket.socket) -> None:
        for _ in range(self._settings.workers):
            try:
                self._workers.append(self._start_worker(sock))
            except OSError as problem:
                raise SupervisorError(f"a worker cannot be started: {problem}") from None

    def _start_worker(self, sock: socket.socket) -> _Worker:
        return _Worker(self._environment, sock.fileno())

    def _note_ready(self) -> None:
        for worker in self._workers:
            if worker.gets_ready() and self._served:
                log.info("worker_recovered", worker=worker.process.pid)
        if not self._served and self._workers and all(worker.is_ready for worker in self._workers):
            self._served = True
            seconds = round(time.monotonic() - self._started_at, 2)
            log.info("ready", host=self._settings.host, port=self._settings.port, seconds=seconds)

    def _revive_workers(self, sock: socket.socket) -> None:
        now = time.monotonic()
        for index, worker in enumerate(self._workers):
            code = worker.process.poll()
            if code is None or self.stop_asked:
                continue
            if worker.restart_at is None:
                self._plan_worker(worker, code, now)
            elif now >= worker.restart_at:
                try:
                    self._workers[index] = self._start_worker(sock)
                except OSError as problem:  # no memory, or too many processes
                    worker.restart_at = now + LONGEST_PAUSE_SECONDS
                    log.error("worker_not_started", reason=str(problem), pause_seconds=LONGEST_PAUSE_SECONDS)

    def _plan_worker(self, worker: _Worker, code: int, now: float) -> None:
        lived = now - worker.started_at
        self._early_deaths = self._early_deaths + 1 if lived < EARLY_SECONDS else 0
        if self._early_deaths >= EARLY_DEATHS and not self._served:
            raise SupervisorError("the workers die right after their start: see the messages above")
        pause = self._worker_pauses.after(lived)
        worker.restart_at = now + pause
        log.error(
            "worker_ended", worker=worker.process.pid, code=code, lived_seconds=round(lived, 1), pause_seconds=pause
        )
        self._forget(worker)

    # -- a rolling restart

    def _replace_workers(self, sock: socket.socket) -> None:
        """Take the next step of a rolling restart, if one was asked for."""
        self._leaving = [worker for worker in self._leaving if not self._has_left(worker)]
        if self._leaving or self.stop_asked:
            return
        # One that died has been replaced already, or will be.
        alive = [worker for worker in self._workers if worker.restart_at is None]
        remaining = [worker for worker in self._to_replace if worker in alive]
        if self._to_replace and not remaining and self._successor is None:
            log.info("reloaded")
        self._to_replace = remaining
        if self._successor is not None:
            self._await_successor(self._successor)
        elif self._to_replace:
            self._start_successor(sock)
        elif self._restart_asked:
            self._restart_asked = False
            self._to_replace = alive
            log.info("reloading", workers=len(alive))

    def _start_successor(self, sock: socket.socket) -> None:
        try:
            self._successor = self._start_worker(sock)
        except OSError as problem:
            self._to_replace.clear()
            log.error("reload_failed", message=f"A new worker cannot be started: {problem}. The old ones stay.")

    def _await_successor(self, successor: _Worker) -> None:
        late = time.monotonic() - successor.started_at > SUCCESSOR_SECONDS
        if late or successor.process.poll() is not None:
            log.error("reload_failed", message="A new worker does not start: the old ones stay.")
            successor.process.kill()
            successor.process.wait()
            self._forget(successor)
            self._successor = None
            self._to_replace.clear()
        elif successor.gets_ready():
            self._successor = None
            outgoing = successor
            if self._to_replace:
                outgoing = self._to_replace[0]
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

    # -- the end

    def _forget(self, worker: _Worker) -> None:
        worker.close()
        if self._metrics is not None:
            self._metrics.forget(worker.process.pid)

    def _stop_workers(self) -> None:
        workers = [*self._workers, *self._leaving, *([self._successor] if self._successor else [])]
        processes = [*(worker.process for worker in workers), *self._helpers]
        for process in processes:
            with suppress(ProcessLookupError):
                process.terminate()
        deadline = time.monotonic() + self._settings.drain_seconds + STOP_GRACE_SECONDS
        for process in processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _terminal_is_there() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
