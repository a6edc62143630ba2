"""A rolling restart: the workers are replaced one at a time, and each new one serves before the old one drains."""

import time
from collections.abc import Callable

from gateway.server.worker_pool import WorkerPool
from gateway.server.worker_process import WorkerProcess
from gateway.telemetry.logs import log

SUCCESSOR_SECONDS = 30.0
"""The time that a new worker may take until it serves. After that the restart ends, and the old workers stay."""


class RollingRestart:
    """Replaces the workers of a pool after a call of `request`. Call `step` several times a second.

    `end_seconds` is the time that an old worker has to drain its connections and end.
    """

    def __init__(self, pool: WorkerPool, end_seconds: float, stopping: Callable[[], bool]):
        self._pool = pool
        self._end_seconds = end_seconds
        self._stopping = stopping
        self._requested = False
        self._to_replace: list[WorkerProcess] = []
        self._successor: WorkerProcess | None = None
        self._ending: list[WorkerProcess] = []

    @property
    def extra_workers(self) -> list[WorkerProcess]:
        """The workers outside the pool: old ones that are ending, and a new one that does not serve yet."""
        return [*self._ending, *([self._successor] if self._successor else [])]

    @property
    def extra_by_word(self) -> dict[str, WorkerProcess]:
        """The same workers by what they do. Only one is replaced at a time."""
        ending = {"ending": self._ending[0]} if self._ending else {}
        return ending | ({"starting": self._successor} if self._successor else {})

    def request(self) -> None:
        """Start a restart, or another one once the current one is done."""
        self._requested = True

    def step(self) -> None:
        """Do the next step of a restart, if it can be done now."""
        self._ending = [worker for worker in self._ending if not self._has_ended(worker)]
        if self._ending or self._stopping():
            return
        # A worker that has died was replaced already, or will be: `WorkerPool` starts it again.
        alive = self._pool.alive
        remaining = [worker for worker in self._to_replace if worker in alive]
        if self._to_replace and not remaining and self._successor is None:
            log.info(f"{self._pool.prefix}reloaded")
        self._to_replace = remaining
        if self._successor is not None:
            self._check_successor(self._successor)
        elif self._to_replace:
            self._start_successor()
        elif self._requested:
            self._requested = False
            self._to_replace = alive
            log.info(f"{self._pool.prefix}reloading", workers=len(alive))

    def _start_successor(self) -> None:
        try:
            self._successor = self._pool.start_worker()
        except OSError as problem:
            self._to_replace.clear()
            log.error(
                f"{self._pool.prefix}reload_failed",
                message=f"A new worker cannot be started: {problem}. The old ones stay.",
            )

    def _check_successor(self, successor: WorkerProcess) -> None:
        late = time.monotonic() - successor.started_at > SUCCESSOR_SECONDS
        if late or successor.process.poll() is not None:
            log.error(f"{self._pool.prefix}reload_failed", message="A new worker does not start: the old ones stay.")
            successor.process.kill()
            successor.process.wait()
            self._pool.release(successor)
            self._successor = None
            self._to_replace.clear()
        elif successor.becomes_ready():
            self._successor = None
            outgoing = successor  # not needed if the worker that it was to replace has died
            if self._to_replace:
                outgoing = self._to_replace[0]
                self._pool.replace(outgoing, successor)
            outgoing.end(self._end_seconds)
            self._ending.append(outgoing)

    def _has_ended(self, worker: WorkerProcess) -> bool:
        if worker.process.poll() is None:
            worker.kill_late()
            return False
        self._pool.release(worker)
        return True
