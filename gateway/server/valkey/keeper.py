"""Keeps the bundled Valkey running: starts it again when it has ended, after pauses that grow with each failure."""

import time
from collections.abc import Callable

from gateway.server.errors import (
    BundledValkeyError,
    DataDirectoryError,
    StartCancelledError,
    SupervisorError,
    UnrepairableError,
)
from gateway.server.restart_pauses import RestartPauses
from gateway.server.valkey.bundled import BundledValkey
from gateway.telemetry.logs import log

RECOVERED_SECONDS = 5.0
"""The time for which a server must run after failed starts to count as recovered."""


class ValkeyKeeper:
    """Keeps one server running. Call `start`, then `check` several times a second, and `stop` at the end."""

    def __init__(self, valkey: BundledValkey, stopping: Callable[[], bool]):
        """Create the keeper. `stopping` returns whether the gateway stops. The server is not started after that."""
        self._valkey = valkey
        self._stopping = stopping
        self._pauses = RestartPauses()
        self._started_at = 0.0
        self._restart_at: float | None = None
        self._failures = 0
        self.restarts = 0
        """How often the server was started again after it had ended."""

    @property
    def pid(self) -> int | None:
        """The process id of the server, None while it does not run."""
        return self._valkey.pid

    def start(self) -> None:
        """Start the server. Raises BundledValkeyError or DataDirectoryError."""
        self._valkey.start(self._stopping)
        self._started_at = time.monotonic()

    def stop(self) -> None:
        """Stop the server, which first writes its data to disk."""
        self._valkey.stop()

    def check(self) -> None:
        """Start the server again if it has ended and its pause is over.

        Raises SupervisorError when its data cannot be repaired.
        """
        if self._stopping():
            return
        now = time.monotonic()
        if self._restart_at is None:
            code = self._valkey.poll()
            if code is not None:
                self._schedule_restart(now, f"exit code {code}; last warnings: {self._valkey.last_warnings!r}")
            elif self._failures and now - self._started_at > RECOVERED_SECONDS:
                log.info("valkey_recovered", attempts=self._failures)
                self._failures = 0
                self._valkey.log_once(False)
        elif now >= self._restart_at:
            self._restart_at = None
            self._restart()

    def _restart(self) -> None:
        try:
            self.start()
            self.restarts += 1
        except StartCancelledError:
            return
        except UnrepairableError as problem:
            raise SupervisorError(str(problem)) from None
        except (BundledValkeyError, DataDirectoryError) as problem:
            self._started_at = time.monotonic()
            self._schedule_restart(self._started_at, str(problem))

    def _schedule_restart(self, now: float, reason: str) -> None:
        """Schedule the next start. Only the first of several failures in a row is logged."""
        pause = self._pauses.after(now - self._started_at)
        self._restart_at = now + pause
        self._failures += 1
        if self._failures == 1:
            log.error(
                "valkey_ended",
                message="Valkey ended unexpectedly. It is started again, after pauses that grow with each failure.",
                reason=reason,
                pause_seconds=pause,
            )
        else:
            self._valkey.log_once(True)
