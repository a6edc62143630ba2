"""Taking connections: one in each turn of the loop, or several while clients queue.

libuv takes one connection a turn from a listening socket (since 1.45). When thousands come at once a turn is long, all
wait in the kernel's queue, and who asks `/healthz` behind them. A socket that is listened to several times gives one to
each listener. Measured with 10,000 who come back, 2,000 at a time: `/healthz` took up to 0.75 s with one door and 0.14
with eight, all were back in 2.3 s instead of 3.2, and each cost a quarter less. But who comes alone pays 5 µs for each
door, so all but the first are open only while clients wait.
"""

import asyncio
import contextlib
import selectors
import socket
from collections.abc import Awaitable, Callable

MORE = 7
CALM_CHECKS = 10
"""Checks without anybody waiting after which one door is enough again."""

Open = Callable[[socket.socket], Awaitable[asyncio.AbstractServer]]


class Doors:
    """The further listeners of a socket that has one. `check` it some times a second, and `close` it."""

    def __init__(self, sock: socket.socket, open_one: Open):
        self._sock = sock
        self._open = open_one
        self._waiting = selectors.DefaultSelector()
        self._waiting.register(sock, selectors.EVENT_READ)
        self._more: list[asyncio.AbstractServer] = []
        self._calm = 0

    @property
    def count(self) -> int:
        """How many doors there are, the first included."""
        return 1 + len(self._more)

    async def check(self) -> None:
        """Open more doors if clients wait; close them when nobody has for a while."""
        if self._waiting.select(0):
            self._calm = 0
            with contextlib.suppress(OSError):  # no more files may be open: those doors must do
                while len(self._more) < MORE:
                    self._more.append(await self._open(self._sock.dup()))
        elif self._more:
            self._calm += 1
            if self._calm >= CALM_CHECKS:
                self._close_more()

    def close(self) -> None:
        """Close all but the first, for good."""
        self._waiting.close()
        self._close_more()

    def _close_more(self) -> None:
        for server in self._more:
            server.close()
        self._more = []
