"""When a request leaves: what aiohttp does not tell, and what decides whether a failed request may be repeated.

Imported with the first request, because aiohttp takes a fifth of a second.
"""

import asyncio
import select
from contextvars import ContextVar
from dataclasses import dataclass

from aiohttp import ClientRequest, ClientResponse
from aiohttp.connector import Connection


class ConnectionGoneError(Exception):
    """The peer closed an idle connection before a request was written to it."""


@dataclass(slots=True)
class Progress:
    """How far a request is. `sent` is set before its first byte is written."""

    sent: bool = False


PROGRESS: ContextVar[Progress] = ContextVar("progress")
"""The progress of the request of this task."""


def is_readable(descriptor: int) -> bool:
    """Return whether a socket has something to read: data, or the end of the connection."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


class TracedRequest(ClientRequest):
    """A request that notes when it is written, and that is not written to a connection that was closed."""

    async def send(self, conn: Connection) -> ClientResponse:
        """Send the request. Raises ConnectionGoneError if nothing was written."""
        transport = conn.transport
        # The event loop may not have read yet that the peer has closed. It does so in the turn after the next.
        for _ in range(2):
            if transport is not None and is_readable(transport.get_extra_info("socket").fileno()):
                await asyncio.sleep(0)
        if transport is None or transport.is_closing():
            raise ConnectionGoneError
        PROGRESS.get().sent = True
        return await super().send(conn)
