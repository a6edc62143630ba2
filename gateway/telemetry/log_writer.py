"""Log lines on their way to a file descriptor: a bounded buffer, and a thread that empties it.

Whoever logs never waits and never sees an error, whatever is behind the descriptor: a full disk, a pipe whose reader is
gone or has stalled. A thread, because a descriptor that others share (a terminal, a pipe of several workers) must not
be made non-blocking, and because `poll` cannot promise that a write to such a pipe will not block.

A line that cannot be written stays in the buffer and is tried again. While the buffer is full new lines are dropped
and counted; once it flows, a line in their place says how many. An eighth of the buffer is for urgent lines only: a
flood of requests must not push out an error.
"""

import os
import select
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress

MAX_BUFFER_BYTES = 4 * 1024 * 1024
"""Some 15,000 lines of the access log, which is three seconds of a worker's highest rate."""

BATCH_SECONDS = 0.1
"""How long lines may wait for others to share a write with: to wake the thread and write costs 200 µs. An urgent line
does not wait."""

RETRY_SECONDS = 1.0
"""Between attempts to write while the descriptor refuses."""

CLOSE_SECONDS = 1.0
"""How long the end of the process waits for a reader that has stalled."""

_MAX_WRITE_BYTES = 64 * 1024


class _Signal:
    """An event that `wait` uses up. Unlike threading.Event its `set` runs no Python code under a lock, so that a
    finalizer or a signal handler that logs at any moment cannot block itself.
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
    """The buffer and its thread, for one descriptor. `write` may be called from any thread; call `close` at the end."""

    def __init__(self, descriptor: int, report: Callable[[int], bytes], most_bytes: int = MAX_BUFFER_BYTES):
        """Create it. `report` encodes the line that says how many lines were dropped."""
        self.on_dropped: Callable[[], object] = lambda: None
        """Called once for each dropped line, in the thread that wrote it."""

        self._descriptor = descriptor
        self._report = report
        self._most_bytes = most_bytes
        self._usual_bytes = most_bytes * 7 // 8
        # Reentrant: a garbage collection inside the lock may run a finalizer that logs.
        self._lock = threading.RLock()
        self._lines: list[bytes] = []
        self._bytes = 0  # of all lines that are not written yet
        self._dropped = 0
        self._flows = False  # the thread is about to take what is in the buffer
        self._wake = _Signal()
        self._urgent = _Signal()
        self._closing = False
        self._abandoned = False
        self._thread: threading.Thread | None = None

    def write(self, line: bytes, *, urgent: bool = False) -> None:
        """Put one line, with its newline, into the buffer; drop and count it if that is full."""
        with self._lock:
            size = self._bytes + len(line)
            if size < self._usual_bytes and self._flows and not urgent:
                # Nearly every line of a server under load: another one has woken the thread.
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
        """Wait until everything is written, or can't be, for at most so long. What comes later may be lost."""
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
            return size <= self._most_bytes
        # Once lines were dropped the buffer is emptied first, or each few lines would need a report of their own.
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
            except RuntimeError:  # there are too many; the next line tries again
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
        """Join lines into writes that do not mix with those of other processes on the same pipe."""
        most = self._most_at_once()
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

    def _most_at_once(self) -> int:
        try:
            mode = os.fstat(self._descriptor).st_mode
        except OSError:
            return _MAX_WRITE_BYTES
        return select.PIPE_BUF if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else _MAX_WRITE_BYTES

    def _put(self, data: bytes) -> None:
        """Write all of it, however long that takes; give up only when the process ends."""
        rest = memoryview(data)
        while rest and not self._abandoned:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                self._await_reader()  # somebody else made the descriptor non-blocking
            except OSError:
                if self._closing:
                    self._abandoned = True
                self._urgent.wait(RETRY_SECONDS)

    def _await_reader(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        poll.poll(RETRY_SECONDS * 1000)
