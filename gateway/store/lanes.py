"""Lanes: which users have entries to deliver, by project and route. The entries are in the users' slots (outbox.py).

The lanes of a project are in one of SHARDS slots. A user is written to a lane in two steps around the write of its
entries, so that a crash between any two of them loses nothing:

    mark     before or beside the write: the user is to be looked at in MARK_SECONDS, whatever happens
    hasten   after it: the user is due when its entries are, and the mark is removed

A mark that nobody removed makes the user due, and a worker then finds the entries, or none. `claim` hands out users of
several lanes, those of the project that was served least first, for a lease. After the lease they are handed out again.
`done` removes a user only if its lease is still the one of that claim, so a user who became due meanwhile stays.
"""

import asyncio
import hashlib
import math
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from gateway.domain.delivery import ROUTES_BY_CODE, Blame, Claim, Lane, LaneReport, LaneStatus, Reservation, Route
from gateway.domain.ids import ProjectId, UserId
from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import (
    Arguments,
    nothing,
    reading_function,
    untouched,
    writing_function,
)
from gateway.store.redis.problems import StoreUnavailableError

SHARDS = 16
"""In how many slots lanes are. It never changes, because the place of what is stored depends on it."""

MARK_SECONDS = 5.0
"""How long after a mark the user is looked at: far longer than the write of its entries takes."""

USERS_PER_CALL = 250
"""How many users one call marks, hastens or ends: about a millisecond of Redis."""

IDLE_MS = 100
"""How long a shard is not asked again after it had nothing. What becomes due meanwhile waits so long, unless it is
announced."""

ANNOUNCED_IDLE_MS = 1000
"""The same while announcements are received."""

UNREACHABLE_MS = 1000
"""How long a shard of a cluster is not asked again whose server did not reply."""

_ID_BYTES = 16


class Mark(NamedTuple):
    """The marks of users of one project. `number` tells them from those of other requests."""

    project_id: ProjectId
    routes: tuple[Route, ...]
    number: int

    @property
    def text(self) -> str:
        """Return what follows the user in each mark."""
        return f"{self.project_id} {''.join(route.code for route in self.routes)} {self.number}"


Dues = Mapping[Route, int]
"""In how many milliseconds a user is due, by route."""


# ---- functions


def _mark(project_id: str, routes: str, delay_ms: int, users: Sequence[bytes]) -> Arguments:
    return (project_id, routes, delay_ms, *users)


def _hasten(marks: Sequence[bytes | str]) -> Arguments:
    return tuple(marks)


def _add(lane: str, user: bytes, due_ms: int) -> Arguments:
    return (lane, user, due_ms)


def _claim(limit: int, lease_ms: int) -> Arguments:
    return (limit, lease_ms)


def _extend(lane: str, number: int, score: str, lease_ms: int, users: Sequence[bytes]) -> Arguments:
    return (lane, number, score, lease_ms, *users)


class _Report(NamedTuple):
    """What a lane learns, as the Lua function reads it."""

    messages: int
    delivered: int
    failed: int
    not_before_ms: int
    per_second: str
    burst: int
    arrived: int


def _end(lane: str, score: str, report: _Report, claimed: int, users: Sequence[bytes | str]) -> Arguments:
    return (lane, score, *report, claimed, *users)


def _blame(
    lane: str, arrived: int, dead_reason: str, doubted_reason: str, dead: Sequence[bytes], doubted: Sequence[bytes]
) -> Arguments:
    return (lane, arrived, dead_reason, doubted_reason, len(dead), *dead, *doubted)


def _park(lane: str, reason: str) -> Arguments:
    return (lane, reason)


def _unpark(lane: str) -> Arguments:
    return (lane,)


def _read(names: Sequence[str]) -> Arguments:
    return tuple(names)


def _list(limit: int) -> Arguments:
    return (limit,)


def _delete(project_id: str, names: Sequence[str]) -> Arguments:
    return (project_id, *names)


def _reserve(period_ms: float, burst: int, max_wait_ms: int) -> Arguments:
    return (period_ms, burst, max_wait_ms)


def _hold(until_ms: int) -> Arguments:
    return (until_ms,)


# The loss of a mark could lose a delivery. The loss of anything else only repeats a step.
MARK_USERS = writing_function("mark_users", "lanes", _mark, int)
HASTEN_USERS = writing_function("hasten_users", "lanes", _hasten, nothing, durable=False, frees_memory=True)
ADD_TO_LANE = writing_function("add_to_lane", "lanes", _add, nothing, frees_memory=True)
CLAIM_USERS = writing_function(
    "claim_users", "lanes", _claim, untouched, durable=False, frees_memory=True, repeatable=False
)
EXTEND_CLAIM = writing_function("extend_claim", "lanes", _extend, untouched, durable=False, frees_memory=True)
END_CLAIM = writing_function("end_claim", "lanes", _end, nothing, durable=False, frees_memory=True)
BLAME_DESTINATIONS = writing_function(
    "blame_destinations", "lanes", _blame, untouched, durable=False, frees_memory=True, repeatable=False
)
PARK_LANE = writing_function("park_lane", "lanes", _park, bool, frees_memory=True, repeatable=False)
UNPARK_LANE = writing_function("unpark_lane", "lanes", _unpark, bool, frees_memory=True, repeatable=False)
READ_LANES = reading_function("read_lanes", "lanes", _read, untouched)
LIST_LANES = reading_function("list_lanes", "lanes", _list, untouched)
DELETE_LANES = writing_function("delete_lanes", "lanes", _delete, nothing, frees_memory=True)
RESERVE_DESTINATION = writing_function(
    "reserve_destination", "destination", _reserve, untouched, durable=False, repeatable=False, frees_memory=True
)
HOLD_DESTINATION = writing_function("hold_destination", "destination", _hold, nothing, durable=False, frees_memory=True)


# ---- the store


class LaneStore:
    """All lanes. Methods raise StoreUnavailableError, and may be repeated. Times are unix milliseconds of Redis."""

    def __init__(
        self,
        client: FunctionClient,
        mark_seconds: float = MARK_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ):
        self._client = client
        self._monotonic = monotonic
        self._mark_ms = math.ceil(mark_seconds * 1000)
        self._idle_until = [0.0] * SHARDS
        self._ready: set[int] = set()
        self._next_shard = 0
        self.hears_announcements: Callable[[], bool] = lambda: False
        """Returns whether the announcements of `channels` are received now. Then pass each to `announced`."""

    @property
    def channels(self) -> list[bytes]:
        """Return the pub/sub channels on which Redis announces that a lane of a shard may have due users."""
        return [keys.lanes(shard).encode() for shard in range(SHARDS)]

    def announced(self, channel: bytes) -> None:
        """Make the next `claim` ask the shard of a channel."""
        for shard, known in enumerate(self.channels):
            if known == channel:
                self._ready.add(shard)

    async def mark(self, project_id: ProjectId, user_ids: Sequence[UserId], routes: Sequence[Route]) -> Mark:
        """Have users looked at on these routes in some seconds, unless `hasten` comes first."""
        codes = "".join(route.code for route in routes)
        call = MARK_USERS(
            keys.lanes(shard_of(project_id)), project_id, codes, self._mark_ms, [packed(each) for each in user_ids]
        )
        return Mark(project_id, tuple(routes), await self._client.call(call))

    async def hasten(self, hastened: Sequence[tuple[Mark, UserId, Dues]]) -> None:
        """Write when users of marks are due, and remove their marks. Without any route, a user is only unmarked."""
        by_shard: dict[int, list[bytes | str]] = {}
        for mark, user_id, dues in hastened:
            due = " ".join(f"{route.code}:{delay_ms}" for route, delay_ms in dues.items())
            by_shard.setdefault(shard_of(mark.project_id), []).extend((packed(user_id), mark.text, due))
        await self._client.call_many(
            [
                HASTEN_USERS(keys.lanes(shard), marks[first : first + 3 * USERS_PER_CALL])
                for shard, marks in by_shard.items()
                for first in range(0, len(marks), 3 * USERS_PER_CALL)
            ]
        )

    async def add(self, lane: Lane, user_id: UserId, due_ms: int = 0) -> None:
        """Write when a user with a new entry is due, 0 for now, such as for a retry that somebody asked for."""
        await self._client.call(ADD_TO_LANE(_shard_key(lane), _name(lane), packed(user_id), due_ms))

    async def claim(self, limit: int, lease_ms: int) -> list[Claim]:
        """Claim up to `limit` due users, of one or several lanes. Return [] if nothing is due.

        A lane that is parked, throttled, or whose breaker is open is passed over. Call it again after some 100 ms if it
        returned nothing, and at once otherwise.
        """
        failure = await self._find_ready()
        for step in range(SHARDS):
            shard = (self._next_shard + step) % SHARDS
            if shard not in self._ready:
                continue
            try:
                wait_ms, *flat = await self._client.call(CLAIM_USERS(keys.lanes(shard), limit, lease_ms))
            except StoreUnavailableError as problem:
                failure = self._note_failure(shard, problem)
                continue
            if flat:
                self._next_shard = (shard + 1) % SHARDS
                return [_claim_of(flat[first : first + 5]) for first in range(0, len(flat), 5)]
            self._note_wait(shard, wait_ms)
        if failure is not None:
            raise failure
        return []

    async def _find_ready(self) -> StoreUnavailableError | None:
        """Ask all shards that may have become ready, in one round trip. In a busy process each takes long.

        Return the failure of a shard of a cluster, None if all have replied.
        """
        now = self._monotonic()
        asked = [shard for shard in range(SHARDS) if shard not in self._ready and self._idle_until[shard] <= now]
        calls = [CLAIM_USERS(keys.lanes(shard), 0, 0) for shard in asked]
        failure = None
        if not self._client.topology.clustered:
            for shard, (wait_ms,) in zip(asked, await self._client.call_many(calls), strict=True):
                self._note_wait(shard, wait_ms)
            return None
        replies = await asyncio.gather(*map(self._client.call, calls), return_exceptions=True)
        for shard, reply in zip(asked, replies, strict=True):
            if isinstance(reply, StoreUnavailableError):
                failure = self._note_failure(shard, reply)
            elif isinstance(reply, BaseException):
                raise reply
            else:
                self._note_wait(shard, reply[0])
        return failure

    def _note_failure(self, shard: int, problem: StoreUnavailableError) -> StoreUnavailableError:
        """Leave out a shard whose server did not reply, for a moment. Without a cluster, raise the problem.

        In a cluster the other shards are on other servers. One that is down must not stop all deliveries.
        """
        if not self._client.topology.clustered:
            raise problem
        self._note_wait(shard, UNREACHABLE_MS)
        return problem

    def _note_wait(self, shard: int, wait_ms: int) -> None:
        """Note in how many milliseconds a shard may have due users, 0 for now."""
        if not wait_ms:
            self._ready.add(shard)
            return
        longest_ms = ANNOUNCED_IDLE_MS if self.hears_announcements() else IDLE_MS
        self._ready.discard(shard)
        self._idle_until[shard] = self._monotonic() + min(wait_ms, longest_ms) / 1000

    def wake(self) -> None:
        """Make the next `claim` ask every shard, because something has become due."""
        self._idle_until = [0.0] * SHARDS

    async def extend(self, claim: Claim, lease_ms: int) -> Claim:
        """Begin another lease for the users of a claim who are still held by it. Return the claim with these users."""
        users = [packed(each) for each in claim.users]
        score, held = await self._client.call(
            EXTEND_CLAIM(_shard_key(claim.lane), _name(claim.lane), claim.number, claim.lease_score, lease_ms, users)
        )
        lease_score = score.decode()
        return claim._replace(users=_users(held), lease_score=lease_score, lease_ms=int(float(lease_score)))

    async def done(self, claim: Claim, next_dues: Mapping[UserId, int | None], report: LaneReport) -> None:
        """End a claim: write when each user is due next, None for never, and what the lane has learned.

        Users of the claim without a value stay claimed until the lease ends.
        """
        flat: list[bytes | str] = []
        for user_id, due_ms in next_dues.items():
            flat += (packed(user_id), "" if due_ms is None else str(due_ms))
        rate = "" if report.per_second is None else f"{report.per_second:g}"
        learned = _Report(
            report.messages, report.delivered, report.failed, report.not_before_ms, rate, report.burst, report.arrived
        )
        call = END_CLAIM(_shard_key(claim.lane), _name(claim.lane), claim.lease_score, learned, len(claim.users), flat)
        await self._client.call(call)

    async def blame(self, lane: Lane, blame: Blame) -> str:
        """Return the reason for which a lane is parked, "" if its configuration works and destinations alone failed.

        The lane is parked now if, within a minute, tokens of ten users died and most were dead, or if destinations of
        three users were doubted and none worked. One user can never cause either.
        """
        dead, doubted = ([packed(each) for each in users] for users in (blame.dead, blame.doubted))
        reply: bytes = await self._client.call(
            BLAME_DESTINATIONS(
                _shard_key(lane), _name(lane), blame.arrived, blame.dead_reason, blame.doubted_reason, dead, doubted
            )
        )
        return reply.decode()

    async def reserve(self, destination: str, per_second: float, burst: int, max_wait_ms: int) -> Reservation:
        """Reserve a message to a destination with a rate of its own. One reservation is for one message (GCRA)."""
        call = RESERVE_DESTINATION(_destination_key(destination), 1000 / per_second, burst, max_wait_ms)
        granted, wait_ms = await self._client.call(call)
        return Reservation(bool(granted), wait_ms)

    async def hold(self, destination: str, until_ms: int) -> None:
        """Grant no reservation of a destination before this time, because its provider throttles it."""
        await self._client.call(HOLD_DESTINATION(_destination_key(destination), until_ms))

    async def park(self, lane: Lane, reason: str) -> bool:
        """Claim nothing of a lane until it is unparked. Return whether it was not parked before."""
        return await self._client.call(PARK_LANE(_shard_key(lane), _name(lane), reason))

    async def unpark(self, lane: Lane) -> bool:
        """Serve a lane again, and forget its failures. Return whether it was parked."""
        return await self._client.call(UNPARK_LANE(_shard_key(lane), _name(lane)))

    async def of_project(self, project_id: ProjectId) -> list[LaneStatus]:
        """Return the lanes of a project that have users, or are parked."""
        names = _names_of(project_id)
        return _statuses(await self._client.call(READ_LANES(keys.lanes(shard_of(project_id)), names)))

    async def all(self, limit: int = 1000) -> list[LaneStatus]:
        """Return up to `limit` lanes: those that are parked, then those that are behind, the longest waiting first."""
        replies = await self._client.call_many([LIST_LANES(keys.lanes(shard), limit) for shard in range(SHARDS)])
        found = [status for reply in replies for status in _statuses(reply)]
        return sorted(found, key=lambda each: (not each.parked, each.first_due_ms))[:limit]

    async def forget_project(self, project_id: ProjectId) -> None:
        """Delete the lanes of a project that is being deleted."""
        call = DELETE_LANES(keys.lanes(shard_of(project_id)), project_id, _names_of(project_id))
        await self._client.call(call)


def shard_of(project_id: ProjectId) -> int:
    """Return the number of the shard that has the lanes of a project."""
    return zlib.crc32(project_id.encode()) % SHARDS


def packed(user_id: UserId) -> bytes:
    """Return the 16 bytes of a user's id."""
    return bytes.fromhex(user_id.replace("-", ""))


def _users(flat: bytes) -> list[UserId]:
    return [UserId(str(UUID(bytes=flat[first : first + _ID_BYTES]))) for first in range(0, len(flat), _ID_BYTES)]


def _name(lane: Lane) -> str:
    return f"{lane.project_id}:{lane.route.code}"


def _names_of(project_id: ProjectId) -> list[str]:
    return [_name(Lane(project_id, route)) for route in Route]


def _lane(name: bytes) -> Lane:
    project_id, _, code = name.decode().rpartition(":")
    return Lane(ProjectId(project_id), ROUTES_BY_CODE[code])


def _shard_key(lane: Lane) -> str:
    return keys.lanes(shard_of(lane.project_id))


def _destination_key(destination: str) -> str:
    digest = hashlib.sha256(destination.encode()).hexdigest()[:32]
    return keys.destination(int(digest, 16) % SHARDS, digest)


def _claim_of(part: Sequence[Any]) -> Claim:
    name, number, score, is_probe, users = part
    return Claim(_lane(name), _users(users), int(number), int(float(score)), score.decode(), bool(is_probe))


def _statuses(reply: Iterable[Sequence[Any]]) -> list[LaneStatus]:
    return [
        LaneStatus(
            lane=_lane(name),
            waiting=waiting,
            first_due_ms=int(first),
            not_before_ms=int(not_before),
            failures=int(failures),
            is_open=bool(is_open),
            parked=reason.decode(errors="replace"),
            parked_ms=int(float(parked_ms)),
        )
        for name, waiting, first, not_before, failures, is_open, reason, parked_ms in reply
    ]
