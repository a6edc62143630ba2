"""Closing a connection whose client may still be sending (RFC 9112, section 9.6).

Closing a socket that has unread bytes resets the connection, and the client may lose the response. So the gateway
half-closes the connection after its last response. It then discards what the client sends until the client closes the
connection, sends too much, or misses the deadline.
"""

import asyncio

from gateway.server.uvicorn_internals import HoldableFlowControl

MAX_LINGERING_BYTES = 16 * 1024 * 1024
"""The bytes that are discarded before the connection is aborted: twice the largest body."""

LINGERING_PAUSE_SECONDS = 0.01
"""The pause between two reads, each of which returns up to a quarter megabyte."""


class LingeringClose:
    """Discards what a client sends after its last response. Call `begin`, then `discard` for all that is received."""

    def __init__(self, transport: asyncio.Transport, flow: HoldableFlowControl):
        self._transport = transport
        self._flow = flow
        self._left_bytes = MAX_LINGERING_BYTES

    def begin(self) -> None:
        """Half-close the connection, and continue to read."""
        self._flow.release()
        try:
            self._transport.write_eof()
        except OSError:  # the client has closed the connection, and `connection_lost` is about to be called
            self._transport.abort()

    def discard(self, size: int) -> None:
        """Count bytes that were received, and pause before the next read."""
        self._left_bytes -= size
        if self._left_bytes < 0:
            self._transport.abort()
        else:
            # Without the pause, one iteration of the event loop may read 8 MB of each such connection.
            self._flow.hold()
            asyncio.get_running_loop().call_later(LINGERING_PAUSE_SECONDS, self._read_on)

    def _read_on(self) -> None:
        if not self._transport.is_closing():
            self._flow.release()
