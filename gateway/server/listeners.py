"""Extra listeners on a socket, while clients queue to connect.

libuv (since 1.45) accepts one connection from a listening socket in each iteration of its event loop. When thousands of
clients connect at once, each iteration is long, all clients wait in the kernel's queue, and a request to `/healthz`
waits behind them. A socket that is registered with the event loop several times accepts one connection per listener.
Measured with 10,000 clients that reconnect, 2,000 at a time: `/healthz` took up to 0.75 s with one listener and 0.14 s
with eight, all clients were connected after 2.3 s instead of 3.2 s, and each cost a quarter less CPU. But a client that
connects alone costs 5 µs more for each listener, so the extra ones are open only while clients queue.
"""

import asyncio
import contextlib
import selectors
import socket
from collections.abc import Awaitable, Callable

EXTRA_LISTENERS = 7

IDLE_CHECKS = 10
"""Consecutive checks without a queue after which the extra listeners are closed."""

OpenListener = Callable[[socket.socket], Awaitable[asyncio.AbstractServer]]


class ExtraListeners:
    """The extra listeners of one listening socket.

    Call `check` several times a second, and `close` at the end. `open_listener` starts to accept connections from a
    duplicate of the socket.
    """

    def __init__(self, sock: socket.socket, open_listener: OpenListener):
        self._sock = sock
        self._open_listener = open_listener
        self._queue = selectors.DefaultSelector()
        self._queue.register(sock, selectors.EVENT_READ)
        self._extra: list[asyncio.AbstractServer] = []
        self._idle_checks = 0

    def __len__(self) -> int:
        return len(self._extra)

    async def check(self) -> None:
        """Open the extra listeners if clients queue, and close them once none has queued for `IDLE_CHECKS` checks."""
        if self._queue.select(0):
            self._idle_checks = 0
            with contextlib.suppress(OSError):  # the limit of open files is reached: fewer listeners must suffice
                while len(self._extra) < EXTRA_LISTENERS:
                    self._extra.append(await self._open_listener(self._sock.dup()))
        elif self._extra:
            self._idle_checks += 1
            if self._idle_checks >= IDLE_CHECKS:
                self._close_extra()

    def close(self) -> None:
        """Close the extra listeners. `check` must not be called again."""
        self._queue.close()
        self._close_extra()

    def _close_extra(self) -> None:
        for server in self._extra:
            server.close()
        self._extra = []
