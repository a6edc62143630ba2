"""The connections of one credential over HTTP/2. Imported with the first request, because httpcore2 takes its time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from ssl import SSLContext

from h2.events import StreamReset
from httpcore2 import (
    SOCKET_OPTION,
    AnyIOBackend,
    AsyncConnectionPool,
    AsyncNetworkStream,
    NetworkError,
    ProtocolError,
    TimeoutException,
)

from gateway.runtime.http2_stream import Http2Stream, TlsBackendStream

MAX_CONNECTIONS = 4
"""A connection carries as many requests as the server allows, up to 100, so a second one is needed in turns only."""

IDLE_SECONDS = 300.0
"""How long an unused connection is kept. Middleboxes forget idle connections after 350 s or more, without a word."""


class _Backend(AnyIOBackend):
    """Connects as AnyIO does, and knows the connections."""

    def __init__(self, on_goaway: Callable[[], None]):
        self.streams: list[Http2Stream] = []
        self._on_goaway = on_goaway

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature of httpcore2
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Open a connection."""
        return TlsBackendStream(
            await super().connect_tcp(host, port, timeout, local_address, socket_options), self._with_tls
        )

    def _with_tls(self, stream: AsyncNetworkStream) -> AsyncNetworkStream:
        found = Http2Stream(stream, self._on_goaway)
        self.streams = [each for each in self.streams if not each.is_closed]
        self.streams.append(found)
        return found


class _Generation:
    """Connections that new requests take, until the server shuts one of them down."""

    def __init__(self, context: SSLContext, retire: "Callable[[_Generation], None]"):
        self.in_use = 0
        self._backend = _Backend(lambda: retire(self))
        self.connections = AsyncConnectionPool(
            ssl_context=context,
            http1=False,
            http2=True,
            max_connections=MAX_CONNECTIONS,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=self._backend,
        )

    async def is_over(self) -> bool:
        """Return whether the server has shut down a connection while it was idle."""
        return any([await each.is_over() for each in self._backend.streams if not each.is_closed])

    async def close(self) -> None:
        """Close all connections."""
        await self.connections.aclose()


class Http2Pool:
    """A pool of connections. `in_use` is the number of requests that are under way."""

    def __init__(self, context: SSLContext):
        self.in_use = 0
        self._context = context
        self._checking = asyncio.Lock()
        self._present = _Generation(context, self._retire)

    def _retire(self, generation: _Generation) -> None:
        """Open other connections for new requests. The requests under way keep theirs."""
        if generation is self._present:
            self._present = _Generation(self._context, self._retire)

    @asynccontextmanager
    async def used(self) -> AsyncIterator[AsyncConnectionPool]:
        """Yield connections for one request."""
        async with self._checking:
            # Nobody reads an idle connection. A request on one that the server has closed would be written, and its
            # outcome never known.
            present = self._present
            if not present.in_use and await present.is_over():
                self._retire(present)
                await present.close()
            generation = self._present
            generation.in_use += 1
            self.in_use += 1
        try:
            yield generation.connections
        except (NetworkError, ProtocolError, TimeoutException) as problem:
            # httpcore2 keeps a connection that has failed, which takes the place of another one, until it expires.
            if not (problem.args and isinstance(problem.args[0], StreamReset)):
                self._retire(generation)
            raise
        finally:
            generation.in_use -= 1
            self.in_use -= 1
            if generation is not self._present and not generation.in_use:
                await generation.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._present.close()
