"""A queue of work slices, so that no peer's work blocks the event loop for long.

Some work grows with the number of small units that a peer sends: the chunks of a request body, the frames of a
WebSocket. A connection does a slice of the work and queues the rest here.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

SLICES_SECONDS = 0.001
"""The time that all slices together may take in one iteration of the event loop."""


class FairScheduler:
    """Runs slices of work in the order in which they were added (first in, first out).

    A slice should take far less than `SLICES_SECONDS`: it is never interrupted.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def add(self, work: Callable[[], None]) -> None:
        """Queue a slice of work."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._run)
        self._waiting.append(work)

    def __len__(self) -> int:
        return len(self._waiting)

    def _run(self) -> None:
        until = time.perf_counter() + SLICES_SECONDS
        try:
            while self._waiting and time.perf_counter() < until:
                # The slice stays in the queue while it runs, so that `add` within it does not schedule a second run.
                self._waiting[0]()
                self._waiting.popleft()
        except BaseException:
            self._waiting.popleft()
            raise
        finally:
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._run)
