"""Requests over keep-alive connections, each with at most one request in progress."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

from loadtest.publisher import at_constant_rate, parse_response

Requests = Iterator[bytes]
"""The endless requests of one connection."""

RESPONSE_SECONDS = 30.0


class KeepAliveConnections:
    """Keep-alive connections to one address.

    `statuses` counts the responses by status, with 0 for a closed connection.
    """

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.connections: list[_Connection] = []
        self.sends_next = False
        """Whether each response is followed by the next request of its connection."""
        self.in_progress = 0
        self._all_done = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def opened(cls, host: str, port: int, requests: Sequence[Requests]) -> AsyncIterator["KeepAliveConnections"]:
        """Open a connection for each item of `requests`, for a block."""
        self, loop = cls(), asyncio.get_running_loop()
        try:
            for each in requests:
                _, connection = await loop.create_connection(lambda each=each: _Connection(self, each), host, port)  # type: ignore[misc] # bound now
                self.connections.append(connection)
            yield self
        finally:
            for connection in self.connections:
                connection.transport.abort()
            await asyncio.sleep(0)

    async def back_to_back(self, seconds: float) -> int:
        """Send one request after the other on each connection for some time. Return how many were sent."""
        before, self.sends_next = self.statuses.total(), True
        for connection in self.connections:
            connection.send()
        await asyncio.sleep(seconds)
        self.sends_next = False
        await self._until_done()
        return self.statuses.total() - before

    async def at_rate(self, rate: float, seconds: float) -> int:
        """Send requests at a constant rate, on one connection after the other. Return how many were sent."""
        before = self.statuses.total()

        async def one(number: int, due: float) -> None:
            self.connections[number % len(self.connections)].send()

        await at_constant_rate(rate, max(1, int(rate * seconds)), one)
        await self._until_done()
        return self.statuses.total() - before

    async def _until_done(self) -> None:
        self._all_done.clear()
        if self.in_progress:
            await asyncio.wait_for(self._all_done.wait(), RESPONSE_SECONDS)

    def finished(self, connection: "_Connection", status: int) -> None:
        """Count a response, and send the next request of its connection if `sends_next` is true."""
        self.statuses[status] += 1
        self.in_progress -= 1
        if self.sends_next and status:
            connection.send()
        elif not self.in_progress:
            self._all_done.set()


class _Connection(asyncio.Protocol):
    def __init__(self, owner: KeepAliveConnections, requests: Requests):
        self._owner = owner
        self._requests = requests
        self._buffer = b""
        self._in_progress = False
        self._unsent = 0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        while self._in_progress:
            self._finish(0)

    def send(self) -> None:
        """Send the next request, once the response to the previous one has arrived."""
        self._owner.in_progress += 1
        self._unsent += 1
        self._send_next()

    def _send_next(self) -> None:
        if self._unsent and not self._in_progress:
            self._in_progress = True
            self._unsent -= 1
            self.transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        response = parse_response(self._buffer)
        if response is not None:
            self._buffer = b""
            self._finish(response[0])

    def _finish(self, status: int) -> None:
        self._in_progress = False
        self._send_next()
        self._owner.finished(self, status)
