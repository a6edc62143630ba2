"""Room: how many bytes of contents the requests of a process have at once."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator


class Room:
    """A number of bytes. Those who wait for some are served in their order."""

    def __init__(self, size: int):
        self._size = size
        self._used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @contextlib.asynccontextmanager
    async def of(self, size: int) -> AsyncIterator[None]:
        """Hold so many bytes for a block, at most all of the room. Wait until they are free; for none, do not wait."""
        size = min(size, self._size)
        if not size:
            yield
            return
        if self._waiting or self._used + size > self._size:
            await self._wait(size)
        else:
            self._used += size
        try:
            yield
        finally:
            self._used -= size
            self._serve()

    async def _wait(self, size: int) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was served at the same moment
                self._used -= size
            else:
                self._waiting.remove((size, turn))
            self._serve()
            raise

    def _serve(self) -> None:
        while self._waiting and self._used + self._waiting[0][0] <= self._size:
            size, turn = self._waiting.popleft()
            self._used += size
            turn.set_result(None)
