"""Limits the memory that request bodies take on one worker while they are received and processed.

A small body that arrives in one piece is not counted, since it is processed at once. Each part of any other body is
counted for the caller, for the client's address, and for the worker.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from gateway.domain.errors import ErrorCode, api_error
from gateway.telemetry.metrics import BODIES_REFUSED, BODY_BYTES

T = TypeVar("T")

RETRY_AFTER_SECONDS = 1

WHOLE_BYTES = 64 * 1024
"""One read of a socket nearly always returns at most this much. A body of up to this size in one piece is not counted.
"""

BODIES_AT_ONCE = 16
"""The number of bodies of the largest size that a worker may hold. One project or one address may hold half of them."""

USER_BYTES = 1024 * 1024
"""The most bytes that the bodies of one user may take: four of the largest bodies that an operation of users accepts.
"""


class Share(NamedTuple):
    """An owner whose bytes are counted, and how many bytes it may hold at once."""

    owner: str
    most: int


class BodyBudget:
    """The bytes of the bodies that a worker holds now."""

    def __init__(self, max_body_bytes: int):
        self.most = BODIES_AT_ONCE * max_body_bytes
        self.held = 0
        self._held_by: defaultdict[str, int] = defaultdict(int)
        # One thread. Several would only alternate, and each would take time from the event loop.
        self._thread = ThreadPoolExecutor(1, "large-bodies")

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run slow work on a large body in a thread, one body at a time, while the event loop continues."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def open(self, shares: Iterable[Share]) -> "Reservation":
        """Return an empty reservation. Call its `release` when the response is ready."""
        return Reservation(self, tuple(shares))

    def add(self, shares: Iterable[Share], size: int) -> None:
        """Count bytes for each owner. Raises ApiError 429 or 503, and counts nothing, if that is too many."""
        if any(self._held_by.get(share.owner, 0) + size > share.most for share in shares):
            BODIES_REFUSED.inc()
            raise api_error(ErrorCode.TOO_MANY_BODIES, retry_after_seconds=RETRY_AFTER_SECONDS)
        if self.held + size > self.most:
            BODIES_REFUSED.inc()
            raise api_error(ErrorCode.OVERLOADED, retry_after_seconds=RETRY_AFTER_SECONDS)
        self._change(shares, size)

    def remove(self, shares: Iterable[Share], size: int) -> None:
        """Stop counting bytes that were added for these owners."""
        self._change(shares, -size)

    def _change(self, shares: Iterable[Share], size: int) -> None:
        self.held += size
        BODY_BYTES.set(self.held)
        for share in shares:
            self._held_by[share.owner] += size
            if self._held_by[share.owner] <= 0:
                del self._held_by[share.owner]


class Reservation:
    """The counted bytes of one body."""

    __slots__ = ("_budget", "_shares", "_size")

    def __init__(self, budget: BodyBudget, shares: tuple[Share, ...]):
        self._budget = budget
        self._shares = shares
        self._size = 0

    def grow(self, size: int) -> None:
        """Count more bytes. Raises ApiError 429 or 503 if that is too many."""
        self._budget.add(self._shares, size)
        self._size += size

    def release(self) -> None:
        """Stop counting the body's bytes. A second call does nothing."""
        size, self._size = self._size, 0
        self._budget.remove(self._shares, size)
