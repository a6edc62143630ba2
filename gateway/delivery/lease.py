"""Leases of claims: nothing is sent that might have no outcome before others may send it too."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from gateway.domain.delivery import Claim
from gateway.domain.ids import UserId
from gateway.store.lanes import LaneStore

Extend = Callable[[Claim, Claim], Awaitable[None]]
"""Holds what a claim took as long as the claim with its new lease, the second one. Raises StoreUnavailableError."""

LEASE_SECONDS = 30.0
"""How long a claim lasts, unless an attempt may take longer. After a crash, the entries of the process are due again
when it ends."""

LEAST_SPARE_SECONDS = 5.0
"""How much longer than an attempt a lease must last when the attempt begins, for recording its outcome."""


class Lease:
    """The lease of one claim. `now` is the time by the clock of Redis, which that of this machine may differ from."""

    def __init__(self, lanes: LaneStore, claim: Claim, claimed_at: float, extend_taken: Extend | None = None):
        """Create it. `claimed_at` is when the claim was asked for, in monotonic seconds."""
        self.claim = claim
        self._lanes = lanes
        self._extend_taken = extend_taken
        self._redis_ahead = claim.lease_ms / 1000 - LEASE_SECONDS - claimed_at
        self._until = claimed_at + LEASE_SECONDS
        self._held = set(claim.users)
        self._extending = asyncio.Lock()

    @property
    def is_over(self) -> bool:
        """Return whether others may hold the users of the claim."""
        return time.monotonic() >= self._until

    def now(self) -> float:
        """Return the unix time in seconds by the clock of Redis. Whatever is due there is due by this time."""
        return time.monotonic() + self._redis_ahead

    async def covers(self, user_id: UserId, seconds: float) -> bool:
        """Return whether an attempt that takes at most so many seconds may begin. The lease is extended if need be, so
        that it outlasts the attempt.

        Raises StoreUnavailableError.
        """
        async with self._extending:
            asked_at = time.monotonic()
            if asked_at + seconds + LEAST_SPARE_SECONDS > self._until:
                lasts = max(LEASE_SECONDS, seconds + 2 * LEAST_SPARE_SECONDS)
                extended = await self._lanes.extend(self.claim, int(lasts * 1000))
                if self._extend_taken is not None:
                    # A new entry makes a user due although the lane's lease lasts. Another worker must not take these.
                    await self._extend_taken(self.claim, extended)
                self._held = set(extended.users)
                self._until = asked_at + lasts
                self.claim = extended
        return user_id in self._held
