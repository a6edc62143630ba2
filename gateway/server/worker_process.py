"""One worker process, from the side of the supervisor."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress

from gateway.server.child_process import begin_child

WORKER_COMMAND = [sys.executable, "-m", "gateway", "worker"]
DELIVERY_COMMAND = [sys.executable, "-m", "gateway", "deliver"]

_NO_SOCKETS: Mapping[str, int] = {}


class WorkerProcess:
    """One worker process, or one that delivers. Call `close` once it has ended."""

    def __init__(self, environment: Mapping[str, str], fd: int | None, more_fds: Mapping[str, int] = _NO_SOCKETS):
        """Start the worker on the listening socket `fd`, or without one a process that delivers.

        `more_fds` are other listening sockets, by the option of the worker.
        Raises OSError when the process cannot be created.
        """
        self.started_at = time.monotonic()
        self.kill_at: float | None = None
        """When a worker that was terminated and is still running is killed, in monotonic seconds."""
        self.restart_at: float | None = None
        """When another worker is started in place of this one, which has died; None while it is alive."""
        self.is_ready = False
        self._ready, ready_write = os.pipe()
        os.set_blocking(self._ready, False)
        command = DELIVERY_COMMAND if fd is None else [*WORKER_COMMAND, "--fd", str(fd)]
        for option, more in more_fds.items():
            command = [*command, option, str(more)]
        inherited = [each for each in (fd, *more_fds.values(), ready_write) if each is not None]
        try:
            self.process = subprocess.Popen(
                [*command, "--ready-fd", str(ready_write)],
                env=environment,
                pass_fds=inherited,
                stdin=subprocess.DEVNULL,
                preexec_fn=begin_child,  # no other thread of this process holds a lock that this needs
            )
        except OSError:
            os.close(self._ready)
            raise
        finally:
            os.close(ready_write)

    def becomes_ready(self) -> bool:
        """Return whether the worker has begun to serve since the last call."""
        if self.is_ready:
            return False
        with suppress(BlockingIOError, OSError):
            self.is_ready = os.read(self._ready, 1) != b""
        return self.is_ready

    def end(self, seconds: float) -> None:
        """Terminate the worker, which then drains its connections; after this time `kill_late` kills it."""
        self.kill_at = time.monotonic() + seconds
        self.process.terminate()

    def kill_late(self) -> None:
        """Kill the worker if it was terminated and its time to end is over."""
        if self.kill_at is not None and time.monotonic() > self.kill_at:
            self.process.kill()

    def close(self) -> None:
        """Close the pipe on which the worker reports that it serves."""
        if self._ready >= 0:
            os.close(self._ready)
            self._ready = -1
