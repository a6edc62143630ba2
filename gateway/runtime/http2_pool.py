"""The connections of one credential over HTTP/2. Imported with the first request, because httpcore2 takes its time."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from socket import socket
from ssl import SSLContext

from httpcore2 import SOCKET_OPTION, AnyIOBackend, AsyncConnectionPool, AsyncNetworkStream

from gateway.runtime.outbound_connections import is_readable

MAX_CONNECTIONS = 4
"""A connection carries as many requests as the server allows, up to 100, so a second one is needed in turns only."""

IDLE_SECONDS = 300.0
"""How long an unused connection is kept. Middleboxes forget idle connections after 350 s or more, without a word."""


class _Plain(AsyncNetworkStream):
    """A connection before TLS. Unlike that of httpcore2, it is closed if the handshake is cancelled."""

    def __init__(self, stream: AsyncNetworkStream):
        self._stream = stream
        self.read, self.write, self.aclose = stream.read, stream.write, stream.aclose  # type: ignore[method-assign]
        self.get_extra_info = stream.get_extra_info  # type: ignore[method-assign]

    async def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature of httpcore2
    ) -> AsyncNetworkStream:
        """Return the connection with TLS."""
        try:
            return await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            await self._stream.aclose()
            raise


class _Sockets(AnyIOBackend):
    """Connects as AnyIO does, and knows the sockets."""

    def __init__(self) -> None:
        self.open: list[socket] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature of httpcore2
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Open a connection."""
        stream = await super().connect_tcp(host, port, timeout, local_address, socket_options)
        self.open = [each for each in self.open if each.fileno() >= 0]
        self.open.append(stream.get_extra_info("socket"))
        return _Plain(stream)


def _was_closed(connection: socket) -> bool:
    """Return whether an idle connection has something to read: the end of it, or a frame that announces its end."""
    return connection.fileno() >= 0 and is_readable(connection.fileno())


class Http2Pool:
    """A pool of connections. `in_use` is the number of requests that are under way."""

    def __init__(self, context: SSLContext):
        self.in_use = 0
        self._context = context
        self._open()

    def _open(self) -> None:
        self._sockets = _Sockets()
        self._connections = AsyncConnectionPool(
            ssl_context=self._context,
            http1=False,
            http2=True,
            max_connections=MAX_CONNECTIONS,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=self._sockets,
        )

    @asynccontextmanager
    async def used(self) -> AsyncIterator[AsyncConnectionPool]:
        """Yield the connections, for one request."""
        self.in_use += 1
        try:
            yield self._connections
        finally:
            self.in_use -= 1

    async def discard_closed(self) -> None:
        """Discard connections that the server closed while they were idle.

        Nobody reads an idle connection. So a request on a closed one would be written, and its outcome never known.
        """
        if not self.in_use and any(map(_was_closed, self._sockets.open)):
            closing = self._connections
            self._open()
            await closing.aclose()

    async def close(self) -> None:
        """Close all connections."""
        await self._connections.aclose()
