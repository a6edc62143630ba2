"""How often the demo may be asked for something: by one visitor or address, and by all together, on each worker."""

from collections.abc import Callable
from typing import NamedTuple

from gateway.domain.errors import ErrorCode, api_error

WINDOW_SECONDS = 60.0

MAX_COUNTED = 10_000
"""How many callers are counted apart in a window. Beyond that, the limit on all of them is reached long before."""


class Limit(NamedTuple):
    """How many requests of one kind a caller may make in a window, and all callers together."""

    kind: str
    each: int
    all: int


class DemoLimits:
    """Counts requests in windows of a minute, in the memory of the worker. `monotonic` is its clock."""

    def __init__(self, monotonic: Callable[[], float]):
        self._monotonic = monotonic
        self._began = monotonic()
        self._counts: dict[tuple[str, str], int] = {}

    def count(self, limit: Limit, caller: str) -> None:
        """Count a request. Raises ApiError 429 if a limit is reached."""
        now = self._monotonic()
        if now - self._began >= WINDOW_SECONDS or len(self._counts) >= MAX_COUNTED:
            self._began = now
            self._counts.clear()
        own, every = (limit.kind, caller), (limit.kind, "")
        if self._counts.get(own, 0) >= limit.each or self._counts.get(every, 0) >= limit.all:
            wait = max(1, int(self._began + WINDOW_SECONDS - now))
            raise api_error(ErrorCode.RATE_LIMIT_EXCEEDED, f"The demo takes no more {limit.kind} in this minute", wait)
        self._counts[own] = self._counts.get(own, 0) + 1
        self._counts[every] = self._counts.get(every, 0) + 1
