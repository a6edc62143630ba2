"""A clock that ticks at a constant rate."""

import ctypes
import os
import struct
import sys
import time

_TFD_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_TFD_TIMER_ABSTIME = 1


class Ticker:
    """A kernel timer that expires at start + k / rate, without drift. Event loops sleep in whole milliseconds only."""

    def __init__(self, rate: float, start: float):
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = libc.timerfd_create(time.CLOCK_MONOTONIC, _TFD_NONBLOCK_CLOEXEC)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        interval, first = int(1e9 / rate), int(start * 1e9)
        setting = struct.pack("=qqqq", *divmod(interval, 10**9), *divmod(first, 10**9))
        if libc.timerfd_settime(self.descriptor, _TFD_TIMER_ABSTIME, setting, None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def due(self) -> int:
        """Return the number of ticks since the last call."""
        try:
            return int.from_bytes(os.read(self.descriptor, 8), sys.byteorder)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)
