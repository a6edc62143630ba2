"""Work that peers make by the byte, a slice at a time, so that nobody else waits for long."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

TURN_SECONDS = 0.001
"""How long slices may take of each turn of the loop, together."""


class Turns:
    """Slices of work of many peers, in the order in which they asked. A slice should take far less than a turn."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def later(self, work: Callable[[], None]) -> None:
        """Do a slice of work when its turn has come."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._run)
        self._waiting.append(work)

    def _run(self) -> None:
        until = time.perf_counter() + TURN_SECONDS
        try:
            while self._waiting and time.perf_counter() < until:
                # It stays in line until it is done, so that one that asks for another turn starts no second run.
                self._waiting[0]()
                self._waiting.popleft()
        except BaseException:
            self._waiting.popleft()
            raise
        finally:
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._run)
