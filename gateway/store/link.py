"""One connection to one Redis server that all calls of a worker share; replies are matched in order.

Redis runs one command at a time anyway, so a pool of connections only adds to the cost of a call. Opened when first
needed, and again after a loss.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from redis.asyncio.connection import AbstractConnection

from gateway.store.wire import Wire, WireLostError


class LinkTimeoutError(Exception):
    """Redis did not answer in time. What was asked may still happen."""


class _Exchange(Wire):
    """One opened connection, and who waits for its replies."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: deque[tuple[asyncio.Future[Any], float]] = deque()
        self.lost = False
        self.watched = False
        self.heard_at = 0.0

    def on_pause(self) -> None:
        self.heard_at = self._loop.time()

    def on_reply(self, reply: Any) -> None:
        future, _ = self.pending.popleft()
        if not future.done():
            future.set_result(reply)

    def on_lost(self) -> None:
        self.give_up(WireLostError("the connection was lost"))

    def give_up(self, problem: Exception) -> None:
        self.lost = True
        self.abort()
        while self.pending:
            future, _ = self.pending.popleft()
            if not future.done():
                future.set_exception(problem)
                future.exception()  # taken note of, should nobody wait any more


class Link:
    """A shared connection. `make_connection` gives an unopened one of redis-py's, for its address and credentials."""

    def __init__(self, make_connection: Callable[[], AbstractConnection], timeout_seconds: float):
        self._make_connection = make_connection
        self._timeout = timeout_seconds
        self._exchange: _Exchange | None = None
        self._opening: asyncio.Task[_Exchange] | None = None

    async def request(self, *commands: bytes) -> list[Any]:
        """Send packed commands together; give their replies, in order, ReplyErrors among them.

        Raises WireLostError when the connection broke or could not be opened, LinkTimeoutError when there was no
        answer in time.
        """
        exchange = self._exchange
        if exchange is None or exchange.lost:
            exchange = await self._open()
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not exchange.watched:
            exchange.watched = True
            loop.call_at(now + self._timeout, self._check, exchange)
        futures = [loop.create_future() for _ in commands]
        exchange.pending.extend((future, now) for future in futures)
        exchange.send(commands[0] if len(commands) == 1 else b"".join(commands))
        return [await future for future in futures]

    def close(self) -> None:
        """Drop the connection; the next request opens another."""
        if self._exchange is not None:
            self._exchange.give_up(WireLostError("the connection was closed"))

    async def _open(self) -> _Exchange:
        """Open the connection, once for all who wait for it."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._opened(), name="redis-connect")
            self._opening.add_done_callback(_take_note)
        # A caller that is cancelled must not take the others' connection along.
        return await asyncio.shield(self._opening)

    async def _opened(self) -> _Exchange:
        exchange = _Exchange()
        try:
            await exchange.open(self._make_connection(), self._timeout)
            self._exchange = exchange
        finally:
            self._opening = None
        return exchange

    def _check(self, exchange: _Exchange) -> None:
        """Give up a connection whose oldest request waits for too long: a hung Redis raises nothing."""
        if not exchange.pending:
            exchange.watched = False
            return
        loop = asyncio.get_running_loop()
        # Who waits behind many others waits as long as answers come.
        due = max(exchange.pending[0][1], exchange.heard_at) + self._timeout
        if due > loop.time():
            loop.call_at(due, self._check, exchange)
            return
        # Requests after it may have been on time, but on this connection their answers come behind it.
        exchange.give_up(LinkTimeoutError("no answer in time"))


def _take_note(task: "asyncio.Task[_Exchange]") -> None:
    if not task.cancelled():
        task.exception()  # whoever waited has it; all of them may be gone
