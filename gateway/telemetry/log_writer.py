"""Writes log lines to a file descriptor: a bounded buffer, and a thread that empties it.

Code that logs never waits and never receives an error, whatever the descriptor is: a file on a full disk, a pipe whose
reader has stalled or closed it. This needs a thread for two reasons. A descriptor that other processes share (a
terminal, a pipe of several workers) must not be made non-blocking. And `poll` cannot guarantee that a write to such a
pipe does not block.

A line that cannot be written stays in the buffer, and the write is tried again. While the buffer is full, new lines are
dropped and counted; once it empties, a line in their place reports how many. An eighth of the buffer is reserved for
urgent lines, so that a flood of requests does not displace an error.
"""

import os
import select
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress

MAX_BUFFER_BYTES = 4 * 1024 * 1024
"""Room for some 15,000 lines of the access log, which is three seconds at the highest rate of a worker."""

BATCH_SECONDS = 0.1
"""The time that a line may wait for others, to be written together: waking the thread and writing costs 200 µs. Urgent
lines are written at once."""

RETRY_SECONDS = 1.0
"""The pause between attempts to write while they fail."""

CLOSE_SECONDS = 1.0
"""The time that a process waits at its end for a reader that has stalled."""

_MAX_WRITE_BYTES = 64 * 1024


class _Signal:
    """An event that `wait` clears.

    Unlike that of threading.Event, its `set` runs no Python code under a lock. So a finalizer or a signal handler,
    which may log at any moment, cannot deadlock with the code that it interrupts.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        if self._lock.locked():
            with suppress(RuntimeError):  # another thread set it meanwhile
                self._lock.release()

    def wait(self, seconds: float = -1) -> None:
        self._lock.acquire(timeout=seconds)


class LogWriter:
    """A buffer and its thread, for one descriptor. `write` may be called from any thread; call `close` at the end."""

    def __init__(self, descriptor: int, report: Callable[[int], bytes], max_bytes: int = MAX_BUFFER_BYTES):
        """Create it. `report` returns the line that reports how many lines were dropped."""
        self.on_dropped: Callable[[], object] = lambda: None
        """Called for each dropped line, in the thread that called `write`."""

        self._descriptor = descriptor
        self._report = report
        self._max_bytes = max_bytes
        self._usual_bytes = max_bytes * 7 // 8
        # Reentrant: a garbage collection inside the lock may run a finalizer that logs.
        self._lock = threading.RLock()
        self._lines: list[bytes] = []
        self._bytes = 0  # the size of all lines that are not written yet
        self._dropped = 0
        self._flows = False  # whether the thread is awake and about to empty the buffer
        self._wake = _Signal()
        self._urgent = _Signal()
        self._closing = False
        self._abandoned = False
        self._thread: threading.Thread | None = None

    def write(self, line: bytes, *, urgent: bool = False) -> None:
        """Add a line, which includes its newline, to the buffer. Drop and count it if the buffer is full."""
        with self._lock:
            size = self._bytes + len(line)
            if size < self._usual_bytes and self._flows and not urgent:
                # Under load this is nearly every line: an earlier one has woken the thread.
                self._lines.append(line)
                self._bytes = size
                return
            accepted = not self._abandoned and self._has_room(size, urgent) and self._has_thread()
            if accepted:
                self._add_report()
                self._add(line)
            else:
                self._dropped += 1
            self._flows = accepted and not self._dropped
        if accepted:
            if urgent:
                self._urgent.set()
            self._wake.set()
        else:
            self.on_dropped()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Wait until everything is written or cannot be, for `seconds` at most. Later lines may be lost."""
        deadline = time.monotonic() + seconds
        self._closing = True
        self._urgent.set()
        self._wake.set()
        while self._bytes > 0 and time.monotonic() < deadline:
            time.sleep(0.002)
        self._abandoned = self._bytes > 0

    # -- inside

    def _has_room(self, size: int, urgent: bool) -> bool:
        if urgent:
            return size <= self._max_bytes
        # After a line was dropped the buffer is emptied first, or every few lines would need a report of their own.
        return not self._dropped and size <= self._usual_bytes

    def _add(self, line: bytes) -> None:
        self._lines.append(line)
        self._bytes += len(line)

    def _add_report(self) -> None:
        if self._dropped:
            count, self._dropped = self._dropped, 0
            self._add(self._report(count))

    def _has_thread(self) -> bool:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="log_writer", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # there are too many threads; the next line tries again
                return False
            self._thread = thread
        return True

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._urgent.wait(BATCH_SECONDS)
            while lines := self._take():
                for part in self._parts(lines):
                    self._put(part)
                    with self._lock:
                        self._bytes -= len(part)

    def _take(self) -> list[bytes]:
        with self._lock:
            if not self._lines:
                self._add_report()
            lines, self._lines = self._lines, []
            self._flows = bool(lines) and not self._dropped and not self._abandoned
        return lines

    def _parts(self, lines: list[bytes]) -> list[bytes]:
        """Join lines into writes that are not interleaved with those of other processes on the same pipe."""
        most = self._max_write_bytes()
        parts: list[bytes] = []
        batch: list[bytes] = []
        size = 0
        for line in lines:
            if batch and size + len(line) > most:
                parts.append(b"".join(batch))
                batch, size = [], 0
            batch.append(line)
            size += len(line)
        if batch:
            parts.append(b"".join(batch))
        return parts

    def _max_write_bytes(self) -> int:
        try:
            mode = os.fstat(self._descriptor).st_mode
        except OSError:
            return _MAX_WRITE_BYTES
        return select.PIPE_BUF if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else _MAX_WRITE_BYTES

    def _put(self, data: bytes) -> None:
        """Write all of the data, however long that takes. Give up only when the process ends."""
        rest = memoryview(data)
        while rest and not self._abandoned:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                self._await_reader()  # another process made the descriptor non-blocking
            except OSError:
                if self._closing:
                    self._abandoned = True
                self._urgent.wait(RETRY_SECONDS)

    def _await_reader(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        poll.poll(RETRY_SECONDS * 1000)
