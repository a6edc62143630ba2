"""The parent process of `serve`: one listening socket, the bundled Valkey, N worker processes and those that deliver.

It imports no large library and serves no request. A worker that dies is started again, and so is Valkey, after pauses
that grow with each failure. On SIGTERM and SIGINT the workers drain their connections, then Valkey writes its data to
disk, then the gateway ends with exit code 0. SIGHUP replaces the workers one at a time, as after an upgrade. A SIGHUP
that is sent because the terminal was closed ends the gateway.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress

from gateway.server.data_directory import DataDirectory
from gateway.server.rolling_restart import RollingRestart
from gateway.server.valkey.bundled import BundledValkey
from gateway.server.valkey.keeper import ValkeyKeeper
from gateway.server.worker_pool import DeliveryPool, WorkerPool
from gateway.settings import Settings
from gateway.telemetry.logs import log
from gateway.telemetry.process_table import ProcessTable, ProcessTableFile

POLL_SECONDS = 0.1

STOP_GRACE_SECONDS = 10.0
"""The time beyond the drain time that a worker has to end before it is killed."""

_NO_SOCKETS: Mapping[str, socket.socket] = {}


class Supervisor:
    """Runs a gateway until a signal ends it. `settings` must contain the secret key that all workers share."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._data_directory = DataDirectory(settings.data_dir)
        self._valkey = ValkeyKeeper(BundledValkey(settings), self._stopping) if settings.embedded else None
        self._started_at = time.monotonic()
        self._stop_signal: int | None = None
        self._restart_requested = False
        self._has_terminal = _terminal_exists()
        self._helpers: list[subprocess.Popen[bytes]] = []

    def acquire_data(self) -> None:
        """Lock the data directory if the bundled Valkey is used. Raises DataDirectoryError."""
        if self._valkey is not None:
            self._data_directory.acquire()

    def start_store(self) -> None:
        """Start the bundled Valkey if it is used. Raises BundledValkeyError or DataDirectoryError."""
        if self._valkey is not None:
            self.acquire_data()
            self._valkey.start()

    def stop_store(self) -> None:
        """Stop the bundled Valkey if it is used."""
        if self._valkey is not None:
            self._valkey.stop()

    def look_after(self, helper: "subprocess.Popen[bytes]") -> None:
        """Manage a child process that another part of `serve` started: reap it, and end it with the gateway."""
        self._helpers.append(helper)

    def handle_signals(self) -> None:
        """Install the handlers of signals that stop or reload the gateway. Before `serve`, check `stop_requested`."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        # `nohup` makes the process ignore SIGHUP, which is kept.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._on_hangup)

    @property
    def stop_requested(self) -> bool:
        """Whether a signal to stop was received."""
        return self._stop_signal is not None

    def serve(self, sock: socket.socket, more_socks: Mapping[str, socket.socket] = _NO_SOCKETS) -> None:
        """Run the workers until SIGTERM or SIGINT, on one socket, and on those of `more_socks`, see `WorkerPool`.

        Raises SupervisorError when they cannot run.
        """
        pool = WorkerPool(self._settings, sock, self._started_at, self._stopping, more_socks)
        pools = [pool]
        if self._settings.delivery_workers:
            pools.append(DeliveryPool(self._settings, pool, self._started_at, self._stopping))
        end_seconds = self._settings.drain_seconds + STOP_GRACE_SECONDS
        restarts = [RollingRestart(each, end_seconds, self._stopping) for each in pools]
        table = ProcessTableFile(pool.metrics.path)
        try:
            for each in pools:
                if not self.stop_requested:
                    each.start()
            while not self.stop_requested:
                table.write(self._processes(pools, restarts))
                time.sleep(POLL_SECONDS)
                self._check(pools, restarts)
            log.info("stopping", signal=signal.Signals(self._stop_signal or signal.SIGTERM).name)
        finally:
            sock.close()
            for each_sock in more_socks.values():
                each_sock.close()
            workers = [worker for each in pools for worker in each.workers]
            workers += [worker for restart in restarts for worker in restart.extra_workers]
            _stop([*(worker.process for worker in workers), *self._helpers], end_seconds)
            pool.close()

    def _check(self, pools: list[WorkerPool], restarts: list[RollingRestart]) -> None:
        if self._valkey is not None:
            self._valkey.check()
        for pool in pools:
            pool.check()
        if self._restart_requested:
            self._restart_requested = False
            for restart in restarts:
                restart.request()
        for restart in restarts:
            restart.step()
        self._helpers = [helper for helper in self._helpers if helper.poll() is None]

    def _processes(self, pools: list[WorkerPool], restarts: list[RollingRestart]) -> ProcessTable:
        """Return the processes of this gateway, for its metrics."""
        processes = {"supervisor": os.getpid()}
        if self._valkey is not None and (pid := self._valkey.pid) is not None:
            processes["valkey"] = pid
        for pool, restart in zip(pools, restarts, strict=True):
            for number, worker in enumerate(pool.workers, 1):
                if worker.restart_at is None:
                    processes[f"{pool.kind}-{number}"] = worker.process.pid
            processes |= {f"{pool.kind}-{word}": each.process.pid for word, each in restart.extra_by_word.items()}
        started_again = {pool.kind: pool.restarts for pool in pools}
        if self._valkey is not None:
            started_again["valkey"] = self._valkey.restarts
        return ProcessTable(processes, {pool.kind: pool.count for pool in pools}, started_again)

    def _on_signal(self, number: int, frame: object) -> None:
        self._stop_signal = number

    def _on_hangup(self, number: int, frame: object) -> None:
        if self._has_terminal and not _terminal_exists():
            self._stop_signal = number
        else:
            self._restart_requested = True

    def _stopping(self) -> bool:
        return self.stop_requested


def _stop(processes: list["subprocess.Popen[bytes]"], seconds: float) -> None:
    """Terminate processes, and kill those that have not ended after some seconds."""
    for process in processes:
        with suppress(ProcessLookupError):
            process.terminate()
    deadline = time.monotonic() + seconds
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _terminal_exists() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
