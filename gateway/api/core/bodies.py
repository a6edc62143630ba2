"""How much memory request bodies may hold on one worker while they arrive and are worked on.

A body that came whole with its head is not counted: it is small, and gone in a moment. Each part of any other is
counted, for the caller, for the client's address, and for all together.
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
"""What one read of a socket brings at most, nearly always: a body of this size that came whole is not counted."""

BODIES_AT_ONCE = 16
"""How many bodies of the largest size a worker holds. One project and one address may hold half of them."""

USER_BYTES = 1024 * 1024
"""What one user's bodies may hold: four of the largest that a user's operation takes."""


class Share(NamedTuple):
    """Whose bytes these are, and how many of these may be there at once."""

    owner: str
    most: int


class BodyBudget:
    """The bytes of bodies that are under way on this worker."""

    def __init__(self, max_body_bytes: int):
        self.most = BODIES_AT_ONCE * max_body_bytes
        self.held = 0
        self._held_by: defaultdict[str, int] = defaultdict(int)
        # One: more would only take turns, and each of them time from everybody else.
        self._thread = ThreadPoolExecutor(1, "large-bodies")

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do what takes long with a large body, one at a time, while the event loop goes on."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def open(self, shares: Iterable[Share]) -> "Reservation":
        """Begin to count a body. Call `release` of what this returns when the request is answered."""
        return Reservation(self, tuple(shares))

    def take(self, shares: Iterable[Share], size: int) -> None:
        """Count some bytes. Raises ApiError 429 or 503 when they are too many, and counts nothing."""
        if any(self._held_by.get(share.owner, 0) + size > share.most for share in shares):
            BODIES_REFUSED.inc()
            raise api_error(ErrorCode.TOO_MANY_BODIES, retry_after_seconds=RETRY_AFTER_SECONDS)
        if self.held + size > self.most:
            BODIES_REFUSED.inc()
            raise api_error(ErrorCode.OVERLOADED, retry_after_seconds=RETRY_AFTER_SECONDS)
        self._change(shares, size)

    def give_back(self, shares: Iterable[Share], size: int) -> None:
        """Count some bytes no more."""
        self._change(shares, -size)

    def _change(self, shares: Iterable[Share], size: int) -> None:
        self.held += size
        BODY_BYTES.set(self.held)
        for share in shares:
            self._held_by[share.owner] += size
            if self._held_by[share.owner] <= 0:
                del self._held_by[share.owner]


class Reservation:
    """The bytes of one body."""

    __slots__ = ("_budget", "_shares", "_size")

    def __init__(self, budget: BodyBudget, shares: tuple[Share, ...]):
        self._budget = budget
        self._shares = shares
        self._size = 0

    def grow(self, size: int) -> None:
        """Count more bytes. Raises ApiError 429 or 503 when they are too many."""
        self._budget.take(self._shares, size)
        self._size += size

    def release(self) -> None:
        """Count none of them any more."""
        size, self._size = self._size, 0
        self._budget.give_back(self._shares, size)
