"""The server of one worker: uvicorn's, with extra listeners while clients queue and a drain before it shuts down."""

import asyncio
import contextlib
import gc
import os
import socket
import time
from functools import partial

from starlette.types import ASGIApp

from gateway.server.http import HttpProtocol
from gateway.server.ingress import HttpIngress
from gateway.server.listeners import ExtraListeners
from gateway.server.uvicorn_internals import Config, ListeningServer
from gateway.settings import Settings

LAST_RESPONSES_SECONDS = 2.0
"""The time in which clients may send one more request on a keep-alive connection, unless the drain time is shorter."""


COLLECT_AFTER = 10_000
"""How many more objects than were freed are created before a garbage collection: some megabytes, if all are garbage.
By default it is 700, which concurrent requests reach without any garbage: 8 % of their cost (measured)."""


class WorkerServer(ListeningServer):
    """The server of one worker. Call `serve` or `run` with the sockets to listen on.

    uvicorn's own shutdown closes all connections at once, and all clients would reconnect at once. This one drains
    them first: each open inbox receives a time to reconnect, spread over the drain time.
    """

    def __init__(self, app: ASGIApp, ingress: HttpIngress, settings: Settings, ready_fd: int | None):
        """Create the server. Once it listens, it writes one byte to `ready_fd` and closes it."""
        super().__init__(_config(app, ingress, settings))
        self._ingress = ingress
        self._drain_seconds = settings.drain_seconds
        self._ready_fd = ready_fd
        self._extra_listeners: list[ExtraListeners] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, then exclude the objects that live as long as the process from garbage collection."""
        await super().startup(sockets)
        self._extra_listeners = [ExtraListeners(sock, self.listen) for sock in sockets or ()]
        gc.collect()
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER, 10, 10)
        if self._ready_fd is not None and self.started:
            with contextlib.suppress(OSError):  # the supervisor has died, and this worker is about to
                os.write(self._ready_fd, b"1")
            os.close(self._ready_fd)

    async def on_tick(self, counter: int) -> bool:
        """Open or close extra listeners. uvicorn calls this ten times a second."""
        for listeners in self._extra_listeners:
            await listeners.check()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting connections, drain those that are open, and let uvicorn shut down."""
        for listeners in self._extra_listeners:
            listeners.close()
        self.stop_accepting()
        started = time.monotonic()
        await self._ingress.drain(self._drain_seconds)
        # The next response on a keep-alive connection announces that the connection closes.
        until = started + min(self._drain_seconds, LAST_RESPONSES_SECONDS)
        while self.has_connections and time.monotonic() < until:
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)


def _config(app: ASGIApp, ingress: HttpIngress, settings: Settings) -> Config:
    return Config(
        app,
        http=partial(HttpProtocol, ingress),  # type: ignore[arg-type] # uvicorn needs no more than a factory
        ws="none",  # HttpProtocol hands the sockets of WebSockets over itself
        host=settings.host,
        port=settings.port,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        headers=[("X-Content-Type-Options", "nosniff")],
        proxy_headers=False,  # `gateway.domain.proxy` reads them
        timeout_graceful_shutdown=max(1, int(settings.drain_seconds)),
        backlog=4096,
    )
