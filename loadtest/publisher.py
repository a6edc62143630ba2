"""Requests over HTTP: a pool of keep-alive connections, and arrival at a constant rate.

A request is bytes. At a constant rate, request k is due at start + k / rate. If no connection is free, another one is
opened. At the limit of the pool the request waits. The wait is part of its latency, which counts from when it was due.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, cast

from loadtest.journal import EventJournal
from loadtest.ticker import Ticker

MOST_CONNECTIONS = 256
RESPONSE_SECONDS = 30.0
IDLE_SECONDS = 2.0
"""The longest idle time after which a connection is used again.

Servers close idle connections (the gateway after five seconds), and a request that is sent at that moment is lost.
"""


class _Connection(asyncio.Protocol):
    """A keep-alive connection with at most one request in progress."""

    def __init__(self, pool: "Pool"):
        self._pool = pool
        self._buffer = b""
        self.waiter: asyncio.Future[tuple[int, bytes]] | None = None
        self.transport: asyncio.Transport
        self.closed = False
        self.free_since = 0.0
        self.dropped = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result((0, str(exc or "the server closed").encode()))
        self._pool.remove_ended(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        response = parse_response(self._buffer)
        if response is not None and self.waiter is not None:
            self._buffer = b""
            waiter, self.waiter = self.waiter, None
            self._pool.release(self)
            if not waiter.done():
                waiter.set_result(response)


def parse_response(data: bytes) -> tuple[int, bytes] | None:
    """Return the status and the body of a complete response, None while it is incomplete."""
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        return None
    status = int(head[9:12])
    lower = head.lower()
    at = lower.find(b"content-length:")
    if at >= 0:
        end = lower.find(b"\r\n", at)
        length = int(lower[at + 15 : end if end >= 0 else None])
        return (status, body[:length]) if len(body) >= length else None
    if b"transfer-encoding: chunked" in lower:
        return (status, _unchunk(body)) if body.endswith(b"0\r\n\r\n") else None
    return (status, b"")


def _unchunk(body: bytes) -> bytes:
    parts = []
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        parts.append(body[:length])
        body = body[length + 2 :]
        if length == 0:
            break
    return b"".join(parts)


class Pool:
    """Keep-alive connections to one address."""

    def __init__(self, host: str, port: int, most: int = MOST_CONNECTIONS):
        self._address = (host, port)
        self._most = most
        self._count = 0
        self._free: list[_Connection] = []
        self._all: list[_Connection] = []
        self._waiting: deque[asyncio.Future[_Connection]] = deque()

    async def request(self, data: bytes, on_start: Callable[[], None] | None = None) -> tuple[int, bytes]:
        """Send a request, and return the status and the body. Status 0 means no response."""
        try:
            connection = await self._acquire()
        except OSError as problem:
            return 0, str(problem).encode()
        if on_start is not None:
            on_start()
        connection.waiter = waiter = asyncio.get_running_loop().create_future()
        connection.transport.write(data)
        try:
            return await asyncio.wait_for(waiter, RESPONSE_SECONDS)
        except TimeoutError:
            connection.transport.abort()
            return 0, b"no response in time"

    async def _acquire(self) -> _Connection:
        if self._free:
            if time.monotonic() - self._free[-1].free_since <= IDLE_SECONDS:
                return self._free.pop()
            self._drop_idle()
        if self._count < self._most:
            self._count += 1
            try:
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: _Connection(self), *self._address
                )
            except OSError:
                self._count -= 1
                raise
            self._all.append(connection)
            return connection
        waiter: asyncio.Future[_Connection] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        return await waiter

    def release(self, connection: _Connection) -> None:
        """Return a connection to the pool, or pass it to the next waiting request."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        connection.free_since = time.monotonic()
        self._free.append(connection)

    def _drop_idle(self) -> None:
        """Close all free connections, as even the one that was used last has been idle for too long."""
        for connection in self._free:
            connection.dropped = True
            connection.transport.abort()
        self._count -= len(self._free)
        self._free.clear()

    def remove_ended(self, connection: _Connection) -> None:
        """Remove a connection that ended.

        Fail a request that waits for a connection, so that it does not wait for ever.
        """
        if connection.dropped:
            return
        self._count -= 1
        if connection in self._free:
            self._free.remove(connection)
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(ConnectionError("the server closed"))
                return

    async def close(self) -> None:
        """Close every connection."""
        for connection in self._all:
            connection.transport.abort()
        await asyncio.sleep(0)


async def at_constant_rate(
    rate: float, count: int, start_one: Callable[[int, float], Coroutine[Any, Any, None]]
) -> None:
    """Start call k at start + k / rate, and wait until all calls have finished."""
    loop = asyncio.get_running_loop()
    start = time.perf_counter() + 0.01
    ticker = Ticker(rate, start)
    number = 0
    finished = loop.create_future()

    async with asyncio.TaskGroup() as tasks:

        def tick() -> None:
            nonlocal number
            for _ in range(min(ticker.due(), count - number)):
                tasks.create_task(start_one(number, start + number / rate))
                number += 1
            if number >= count and not finished.done():
                finished.set_result(None)

        loop.add_reader(ticker.descriptor, tick)
        try:
            await finished
        finally:
            loop.remove_reader(ticker.descriptor)
            ticker.close()


class Publisher:
    """Publishes marked events and records them in a journal."""

    def __init__(self, pool: Pool, make_request: Callable[[str, int], bytes], journal: EventJournal):
        self.pool = pool
        self._make_request = make_request
        self.journal = journal

    async def publish(self, user: str, scheduled: float | None = None) -> bool:
        """Publish one event, and return whether the server accepted it."""
        journal = self.journal
        number = journal.open(user, time.perf_counter() if scheduled is None else scheduled)
        data = self._make_request(user, number)
        status, body = await self.pool.request(data, lambda: journal.begun(number, time.perf_counter()))
        ok = 200 <= status < 300
        journal.responded(number, time.perf_counter(), ok)
        if not ok:
            journal.reasons[f"{status} {body[:100].decode(errors='replace')}"] += 1
        return ok
