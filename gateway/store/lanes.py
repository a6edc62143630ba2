"""Lanes: which users have entries to deliver, by project and route. The entries are in the users' slots (outbox.py).

The lanes of a project are in one of SHARDS slots. A user is written to a lane in two steps around the write of its
entries, so that a crash between any two of them loses nothing:

    mark     before or beside the write: the user is to be looked at in MARK_SECONDS, whatever happens
    hasten   after it: the user is due when its entries are, and the mark is removed

A mark that nobody removed makes the user due, and a worker then finds the entries, or none. `claim` hands out users of
several lanes, those of the project that was served least first, for a lease. After the lease they are handed out again.
`done` removes a user only if its lease is still the one of that claim, so a user who became due meanwhile stays.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.domain.delivery import Claim, Lane, LaneReport, LaneStatus, Reservation, Route
from gateway.domain.ids import ProjectId, UserId
from gateway.store.redis.client import FunctionClient

SHARDS = 16
"""In how many slots lanes are. It never changes, because the place of what is stored depends on it."""


class Mark(NamedTuple):
    """A mark of users of one project. `score` identifies it: `hasten` removes no later one."""

    project_id: ProjectId
    routes: tuple[Route, ...]
    score: int


class LaneStore:
    """All lanes. Methods raise StoreUnavailableError, and may be repeated. Times are unix milliseconds of Redis."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def mark(self, project_id: ProjectId, user_ids: Sequence[UserId], routes: Sequence[Route]) -> Mark:
        """Have users looked at on these routes in some seconds, unless `hasten` comes first."""
        raise NotImplementedError

    async def hasten(self, mark: Mark, dues: Mapping[UserId, Mapping[Route, int]]) -> None:
        """Write when users of a mark are due, and remove their marks. Without any route, a user is only unmarked."""
        raise NotImplementedError

    async def add(self, lane: Lane, user_id: UserId, due_ms: int) -> None:
        """Write when a user with a new entry is due, such as for a retry that somebody asked for."""
        raise NotImplementedError

    async def claim(self, limit: int, lease_ms: int) -> list[Claim]:
        """Claim up to `limit` due users, of one or several lanes. Return [] if nothing is due.

        A lane that is parked, throttled, or whose breaker is open is passed over. Call it again after some 100 ms if it
        returned nothing, and at once otherwise.
        """
        raise NotImplementedError

    async def extend(self, claim: Claim, lease_ms: int) -> Claim:
        """Begin another lease for the users of a claim who are still held by it. Return the claim with these users."""
        raise NotImplementedError

    async def done(self, claim: Claim, next_dues: Mapping[UserId, int | None], report: LaneReport) -> None:
        """End a claim: write when each user is due next, None for never, and what the lane has learned.

        Users of the claim without a value stay claimed until the lease ends.
        """
        raise NotImplementedError

    async def may_discard(self, lane: Lane, dead: int, others: int) -> bool:
        """Return whether tokens that died may be discarded. `others` are messages that reached theirs.

        If most tokens of a lane die within a minute, the configuration is at fault: the lane is parked, and they stay.
        """
        raise NotImplementedError

    async def reserve(self, destination: str, per_second: float, burst: int, max_wait_ms: int) -> Reservation:
        """Reserve a message to a destination with a rate of its own. One reservation is for one message (GCRA)."""
        raise NotImplementedError

    async def hold(self, destination: str, until_ms: int) -> None:
        """Grant no reservation of a destination before this time, because its provider throttles it."""
        raise NotImplementedError

    async def park(self, lane: Lane, reason: str) -> bool:
        """Claim nothing of a lane until it is unparked. Return whether it was not parked before."""
        raise NotImplementedError

    async def unpark(self, lane: Lane) -> bool:
        """Serve a lane again, and forget its failures. Return whether it was parked."""
        raise NotImplementedError

    async def of_project(self, project_id: ProjectId) -> list[LaneStatus]:
        """Return the lanes of a project that have users, or are parked."""
        raise NotImplementedError

    async def all(self, limit: int = 1000) -> list[LaneStatus]:
        """Return up to `limit` lanes: those that are parked, then those that are behind, the longest waiting first."""
        raise NotImplementedError

    async def forget_project(self, project_id: ProjectId) -> None:
        """Delete the lanes of a project that is being deleted."""
        raise NotImplementedError
