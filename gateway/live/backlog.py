"""Whether a peer with a full write buffer makes progress.

A slow network and a peer that does not read look alike to the sender: the write buffer is full. The kernel counts the
bytes that the other side has acknowledged. Linux reports that number for each TCP socket. On other systems, only a
write buffer that shrinks shows progress.
"""

import asyncio
import socket
import struct
import sys
import time
from typing import NamedTuple

MISSED_EVENTS = 16
"""How many events a peer may miss without acknowledging a single byte before it counts as a slow reader.

Several events may be published within one round trip of a slow network, so a single missed event proves nothing. A peer
that does not read at all should be closed soon.
"""

_LINUX = sys.platform == "linux"

_TCP_INFO = struct.Struct("=24xI 16xI 8xI 60xQ 16xI")
"""The beginning of `struct tcp_info` of linux/tcp.h, as far as it is needed here."""


class _TcpInfo(NamedTuple):
    unacked_packets: int
    last_data_sent_ms: int
    last_ack_received_ms: int
    acked_bytes: int
    unsent_bytes: int


class Backlog:
    """The progress of a peer from the moment at which its write buffer became full."""

    __slots__ = ("_acknowledged", "missed", "since")

    def __init__(self) -> None:
        self.since = time.monotonic()
        """When the write buffer became full, or progress was last seen, in monotonic seconds."""
        self.missed = 0
        """How many events were published since then and not written to the peer."""
        self._acknowledged: int | None = None

    def miss(self, transport: asyncio.Transport) -> bool:
        """Count an event that the peer missed. Return True if it is a slow reader: it missed many without progress."""
        is_slow = False
        if self.missed == 0 or self.missed >= MISSED_EVENTS:
            progressed = self.progressed(transport, time.monotonic())
            is_slow = self.missed > 0 and not progressed
        self.missed += 1
        return is_slow

    def progressed(self, transport: asyncio.Transport, now: float) -> bool:
        """Return whether the peer has acknowledged anything since the previous call. The first call returns False."""
        before, self._acknowledged = self._acknowledged, acknowledged_bytes(transport)
        if before is None or self._acknowledged <= before:
            return False
        self.since, self.missed = now, min(self.missed, 1)
        return True


def acknowledged_bytes(transport: asyncio.Transport) -> int:
    """Return a number that grows as the peer acknowledges what was written."""
    info = _read(transport)
    return info.acked_bytes if info is not None else -transport.get_write_buffer_size()


def is_acknowledging(transport: asyncio.Transport, seconds: float) -> bool:
    """Return whether data is under way to the peer, and some was sent or acknowledged in the last `seconds`.

    A ping to such a peer is still behind that data, so a missing pong means nothing.
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
        data = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        return _TcpInfo(*_TCP_INFO.unpack(data))
    except (AttributeError, OSError, struct.error):  # a closed socket, a Unix socket, or an old kernel
        return None
