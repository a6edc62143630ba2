"""Responses that wait for their clients to read them, and the memory that they hold together.

A client may read slowly. A client that requests many large responses, and reads a few bytes of each from time to time,
could hold any amount of memory. When all pending responses together hold too much, responses of the client that holds
the most are cut off, the longest pending first, until the rest is within the bound.
"""

import asyncio
from collections import defaultdict
from typing import NamedTuple, Protocol

from gateway.telemetry.metrics import RESPONSES_GIVEN_UP

MAX_PENDING_BYTES = 128 * 1024 * 1024
"""The bytes that the pending responses of one worker may hold; as much as the request bodies that are arriving."""

GRACE_SECONDS = 1.0
"""The time before which a response is never cut off. Most clients read even a large response within this time."""

CHECK_INTERVAL_SECONDS = 0.1
"""The least time between two checks of all pending responses. A check takes some milliseconds."""


class ResponseConnection(Protocol):
    """A connection whose client has yet to read a response."""

    @property
    def transport(self) -> asyncio.Transport:
        """The connection's transport."""


class _Response(NamedTuple):
    client: str
    size: int
    since: float


class PendingResponses:
    """The pending responses of one worker. Times are monotonic seconds."""

    def __init__(self, max_bytes: int = MAX_PENDING_BYTES) -> None:
        self._max_bytes = max_bytes
        self._responses: dict[ResponseConnection, _Response] = {}
        self._held_bytes = 0
        self._checked_at = 0.0

    def add(self, connection: ResponseConnection, client: str, now: float) -> None:
        """Count the bytes in a connection's write buffer for a client, which is named by its address.

        Call `remove` once the client has read them or the connection is closed.
        """
        self.remove(connection)
        size = connection.transport.get_write_buffer_size()
        self._responses[connection] = _Response(client, size, now)
        self._held_bytes += size
        if self._held_bytes > self._max_bytes and now - self._checked_at >= CHECK_INTERVAL_SECONDS:
            self._checked_at = now
            self._give_up_some(now)

    def remove(self, connection: ResponseConnection) -> None:
        """Stop counting a connection's bytes, if they are counted."""
        response = self._responses.pop(connection, None)
        if response is not None:
            self._held_bytes -= response.size

    def _give_up_some(self, now: float) -> None:
        connections: defaultdict[str, list[ResponseConnection]] = defaultdict(list)
        held: defaultdict[str, int] = defaultdict(int)
        for connection, response in self._responses.items():
            # Part of it may have been read since it was counted.
            size = connection.transport.get_write_buffer_size()
            self._responses[connection] = response._replace(size=size)
            connections[response.client].append(connection)
            held[response.client] += size
        self._held_bytes = sum(held.values())
        for client in connections:
            connections[client].reverse()  # the longest pending is the last
        while self._held_bytes > self._max_bytes:
            client = max(held, key=held.__getitem__)
            if not connections[client] or now - self._responses[connections[client][-1]].since < GRACE_SECONDS:
                break
            connection = connections[client].pop()
            held[client] -= self._responses[connection].size
            self.remove(connection)
            RESPONSES_GIVEN_UP.inc()
            connection.transport.abort()
