"""What waits for a peer that takes less than it is sent, and whether it makes progress.

A slow line and a peer that does not read look alike from here: the write buffer is full. The system knows how much the
other side has confirmed. Linux says so for each socket; elsewhere only a buffer that got shorter shows progress.
"""

import asyncio
import socket
import struct
import sys
import time
from typing import NamedTuple

MISSED_EVENTS = 16
"""How many events a peer may miss without taking a single byte of what waits, before it is a slow reader. Several come
in one round trip of a slow line; a peer that does not read at all should not be waited for."""

_LINUX = sys.platform == "linux"

_TCP_INFO = struct.Struct("=24xI 16xI 8xI 60xQ 16xI")
"""`struct tcp_info` of linux/tcp.h, up to what is read of it."""


class _TcpInfo(NamedTuple):
    unacked_packets: int
    last_data_sent_ms: int
    last_ack_received_ms: int
    acked_bytes: int
    unsent_bytes: int


class Backlog:
    """What waits for one peer whose write buffer is over its bound."""

    __slots__ = ("_taken", "missed", "since")

    def __init__(self) -> None:
        self.since = time.monotonic()
        """When the buffer became full, or progress was last seen."""
        self.missed = 0
        """How many events came since then that the peer would have got if it had kept up."""
        self._taken: int | None = None

    def progressed(self, transport: asyncio.Transport, now: float) -> bool:
        """Return whether the peer took anything since this was last asked; the first time, False."""
        before, self._taken = self._taken, taken_bytes(transport)
        if before is None or self._taken <= before:
            return False
        self.since, self.missed = now, min(self.missed, 1)
        return True


def taken_bytes(transport: asyncio.Transport) -> int:
    """Return a number that grows while the peer takes what was written before."""
    info = _read(transport)
    return info.acked_bytes if info is not None else -transport.get_write_buffer_size()


def is_taking(transport: asyncio.Transport, seconds: float) -> bool:
    """Return whether the peer has yet to take something, and did take something in the last `seconds`.

    Then a question to it is still on its way, and its silence means nothing.
    """
    info = _read(transport)
    if info is None:
        return False
    waiting = transport.get_write_buffer_size() + info.unsent_bytes + info.unacked_packets
    return waiting > 0 and max(info.last_data_sent_ms, info.last_ack_received_ms) < seconds * 1000


def _read(transport: asyncio.Transport) -> _TcpInfo | None:
    if not _LINUX:
        return None
    sock = transport.get_extra_info("socket")
    try:
        answer = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        return _TcpInfo(*_TCP_INFO.unpack(answer))
    except (AttributeError, OSError, struct.error):  # it is closed, or no TCP, or the system is an old one
        return None
