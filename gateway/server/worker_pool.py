"""The processes of one gateway of one kind: a fixed number, each of which is started again when it dies.

There are two kinds: the workers, and the processes that deliver. The gateway serves without the latter, so that their
deaths never end it.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping

from gateway.server.errors import SupervisorError
from gateway.server.restart_pauses import MAX_PAUSE_SECONDS, RestartPauses
from gateway.server.worker_process import WorkerProcess
from gateway.settings import Settings, secret_file, variable
from gateway.telemetry.logs import log
from gateway.telemetry.metrics_directory import MetricsDirectory

EARLY_SECONDS = 5.0
EARLY_DEATHS = 5
"""The start has failed if no worker has ever served, and this many in a row died within EARLY_SECONDS."""

_NO_SOCKETS: Mapping[str, socket.socket] = {}


class WorkerPool:
    """The workers on one listening socket. Call `start`, then `check` several times a second, then `close`."""

    prefix = ""
    """Begins the names of log lines about the processes."""

    kind = "gateway"
    """Begins the names of the processes in metrics."""

    _more_fds: Mapping[str, int] = {}
    """The listening sockets of the dashboard and of metrics if they have their own, by the option of the worker."""

    def __init__(
        self,
        settings: Settings,
        sock: socket.socket,
        started_at: float,
        stopping: Callable[[], bool],
        more_socks: Mapping[str, socket.socket] = _NO_SOCKETS,
    ):
        """Create the pool without workers. Raises SupervisorError when there is no room for the workers' metrics.

        `started_at` is when the gateway began to start, in monotonic seconds. `stopping` returns whether the gateway is
        stopping. No worker is started after that. `more_socks` are the listening sockets of the dashboard and of
        metrics if they have their own, by the option of the worker.
        """
        self.metrics = _metrics_directory(settings)
        self._prepare(settings, settings.workers, sock.fileno(), started_at, stopping)
        self._more_fds = {option: each.fileno() for option, each in more_socks.items()}

    def _prepare(
        self,
        settings: Settings,
        count: int,
        fd: int | None,
        started_at: float,
        stopping: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._count = count
        self._fd = fd
        self._started_at = started_at
        self._stopping = stopping
        self._pauses = RestartPauses()
        self._early_deaths = 0
        self._served = False
        self.restarts = 0
        self._environment = _environment(settings, self.metrics)
        self.workers: list[WorkerProcess] = []

    @property
    def count(self) -> int:
        """The number of workers that are to run."""
        return self._count

    @property
    def alive(self) -> list[WorkerProcess]:
        """The workers that have not died."""
        return [worker for worker in self.workers if worker.restart_at is None]

    def start(self) -> None:
        """Start all workers. Raises SupervisorError."""
        for _ in range(self._count):
            try:
                self.workers.append(self.start_worker())
            except OSError as problem:
                raise SupervisorError(f"a worker cannot be started: {problem}") from None

    def start_worker(self) -> WorkerProcess:
        """Start a worker that does not belong to the pool yet. Raises OSError."""
        return WorkerProcess(self._environment, self._fd, self._more_fds)

    def replace(self, old: WorkerProcess, new: WorkerProcess) -> None:
        """Put a worker that `start_worker` started in the place of another one."""
        self.workers[self.workers.index(old)] = new

    def release(self, worker: WorkerProcess) -> None:
        """Release what was kept for a worker that has ended."""
        worker.close()
        self.metrics.forget(worker.process.pid)

    def check(self) -> None:
        """Log workers that have begun to serve, and replace those that have died. Raises SupervisorError."""
        self._log_ready()
        now = time.monotonic()
        for index, worker in enumerate(self.workers):
            code = worker.process.poll()
            if code is None or self._stopping():
                continue
            if worker.restart_at is None:
                self._schedule_restart(worker, code, now)
            elif now >= worker.restart_at:
                try:
                    self.workers[index] = self.start_worker()
                    self.restarts += 1
                except OSError as problem:  # too little memory, or too many processes
                    worker.restart_at = now + MAX_PAUSE_SECONDS
                    log.error(f"{self.prefix}worker_not_started", reason=str(problem), pause_seconds=MAX_PAUSE_SECONDS)

    def close(self) -> None:
        """Remove the workers' metrics. All workers must have ended."""
        self.metrics.remove()

    def _log_ready(self) -> None:
        for worker in self.workers:
            if worker.becomes_ready() and self._served:
                log.info(f"{self.prefix}worker_recovered", worker=worker.process.pid)
        if not self._served and self.workers and all(worker.is_ready for worker in self.workers):
            self._served = True
            self._report_ready(round(time.monotonic() - self._started_at, 2))

    def _report_ready(self, seconds: float) -> None:
        log.info("ready", host=self._settings.host, port=self._settings.port, seconds=seconds)

    def _report_early_deaths(self) -> None:
        raise SupervisorError("the workers die right after their start: see the messages above")

    def _schedule_restart(self, worker: WorkerProcess, code: int, now: float) -> None:
        lived = now - worker.started_at
        self._early_deaths = self._early_deaths + 1 if lived < EARLY_SECONDS else 0
        if self._early_deaths >= EARLY_DEATHS and not self._served:
            self._report_early_deaths()
        pause = self._pauses.after(lived)
        worker.restart_at = now + pause
        log.error(
            f"{self.prefix}worker_ended",
            worker=worker.process.pid,
            code=code,
            lived_seconds=round(lived, 1),
            pause_seconds=pause,
        )
        self.release(worker)


class DeliveryPool(WorkerPool):
    """The processes that deliver, beside the workers of a pool, whose metrics they share."""

    prefix = "delivery_"
    kind = "delivery"

    def __init__(self, settings: Settings, beside: WorkerPool, started_at: float, stopping: Callable[[], bool]):
        """Create the pool without processes."""
        self.metrics = beside.metrics
        self._prepare(settings, settings.delivery_workers, None, started_at, stopping)

    def close(self) -> None:
        """Do nothing: the metrics belong to the pool of the workers."""

    def _report_ready(self, seconds: float) -> None:
        log.info("delivery_ready", processes=self._count, seconds=seconds)

    def _report_early_deaths(self) -> None:
        self._early_deaths = 0


def _metrics_directory(settings: Settings) -> MetricsDirectory:
    try:
        return MetricsDirectory(settings.data_dir.absolute())
    except OSError as problem:
        raise SupervisorError(f"there is no room for metrics in {settings.data_dir}: {problem}") from None


def _environment(settings: Settings, metrics: MetricsDirectory) -> dict[str, str]:
    """Return the environment of the workers: this process's, with the settings that this process decided."""
    environment = {
        **os.environ,
        variable("secret_key"): settings.secret_key,
        variable("data_dir"): str(settings.data_dir.absolute()),
        variable("host"): settings.host,
        variable("port"): str(settings.port),
        # In place of a directory that the environment sets, which may contain metrics of other programs.
        "PROMETHEUS_MULTIPROC_DIR": str(metrics.path),
    }
    environment.pop(secret_file("secret_key"), None)
    return environment
