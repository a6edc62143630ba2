"""Records of requests that carried an Idempotency-Key: whether each runs or has run, and its response, for 24 hours.

A record is begun before the request and finished after it, in separate calls. The request takes effect once because
each of its writes can be repeated with the same result: the plan in the record has the ids that every attempt uses.
"""

import asyncio
import contextlib
from typing import NamedTuple
from uuid import uuid4

from gateway.domain.ids import ProjectId
from gateway.store import keys
from gateway.store.redis.client import CALLS_AT_ONCE, FunctionClient
from gateway.store.redis.functions import Arguments, nothing, untouched, writing_function
from gateway.store.redis.problems import StoreUnavailableError

IDEMPOTENCY_SECONDS = 24 * 3600

CUT_OFF_REQUESTS = 10_000
"""The maximum number of requests that ended without a response that a worker keeps in memory."""

LEASE_MS = 2_000
"""How long the lease of a request lasts. If it is not renewed in that time, a repetition may run the request."""

RENEW_SECONDS = 0.5
"""The time between two renewals of the leases of running requests. A few in a row may fail before a lease ends."""


class Run(NamedTuple):
    """The request must be run with this plan. If an earlier attempt died, it is the plan of the first attempt."""

    plan: bytes
    is_first: bool


class Finished(NamedTuple):
    """The request was run before, and had this response."""

    status: int
    body: bytes


class Busy(NamedTuple):
    """Another attempt at the request is running."""


class Reused(NamedTuple):
    """The key was used for another request before."""


def _begin(fingerprint: str, plan: bytes, lease_ms: int, holder: str, is_over: bool) -> Arguments:
    return (fingerprint, plan, lease_ms, IDEMPOTENCY_SECONDS, holder, "1" if is_over else "")


def _renew(holder: str, lease_ms: int) -> Arguments:
    return (holder, lease_ms)


def _finish(status: int, body: bytes) -> Arguments:
    return (status, body)


def _abandon(holder: str) -> Arguments:
    return (holder,)


BEGIN_IDEMPOTENT = writing_function("begin_idempotent", "record", _begin, untouched)
RENEW_IDEMPOTENT = writing_function("renew_idempotent", "record", _renew, nothing, frees_memory=True)
FINISH_IDEMPOTENT = writing_function("finish_idempotent", "record", _finish, nothing, frees_memory=True)
ABANDON_IDEMPOTENT = writing_function("abandon_idempotent", "record", _abandon, nothing, frees_memory=True)


class IdempotencyStore:
    """Records of requests that carried an Idempotency-Key. Methods raise StoreUnavailableError.

    `run` must be running: it renews the lease of each running request. So a repetition is refused while the first
    attempt runs, and until the lease ends if its worker died or Redis was unreachable.
    """

    def __init__(self, client: FunctionClient, lease_ms: int = LEASE_MS):
        self._client = client
        self._lease_ms = lease_ms
        self._worker_id = uuid4().hex[:8]
        self._tries = 0
        # The name of the attempt that holds the lease, for each request that runs here.
        self._running: dict[tuple[ProjectId, str], str] = {}
        # Requests of this worker that ended without a response. On other workers, a repetition must await the lease's
        # end.
        self._cut_off: set[tuple[ProjectId, str]] = set()

    async def begin(
        self, project_id: ProjectId, key: str, fingerprint: str, plan: bytes
    ) -> Run | Finished | Busy | Reused:
        """Claim a key for a request, or return the state of the first request with this key.

        `fingerprint` identifies the request. `plan` is what a resumed request must repeat. If this returns a Run, the
        caller must call one of `finish`, `abandon` and `cut_off`.
        """
        record, ours = keys.idempotency(project_id, key), (project_id, key)
        is_over = ours in self._cut_off and ours not in self._running
        self._cut_off.discard(ours)
        self._tries += 1
        name = f"{self._worker_id}-{self._tries}"
        word, *rest = await self._client.call(
            BEGIN_IDEMPOTENT(record, fingerprint, plan, lease_ms=self._lease_ms, holder=name, is_over=is_over)
        )
        match word:
            case b"run":
                self._running[ours] = name
                return Run(rest[0], bool(rest[1]))
            case b"done":
                return Finished(int(rest[0]), rest[1])
            case b"running":
                return Busy()
            case _:
                return Reused()

    def cut_off(self, project_id: ProjectId, key: str) -> None:
        """Record that a request ended here without a response, so that a repetition on this worker may run at once."""
        if len(self._cut_off) >= CUT_OFF_REQUESTS:
            self._cut_off.clear()  # their repetitions must await the end of the lease
        self._running.pop((project_id, key), None)
        self._cut_off.add((project_id, key))

    def cut_off_if_under_way(self, project_id: ProjectId, key: str) -> None:
        """Call `cut_off` for a request that was neither finished nor abandoned."""
        if (project_id, key) in self._running:
            self.cut_off(project_id, key)

    async def finish(self, project_id: ProjectId, key: str, status: int, body: bytes) -> None:
        """Store the response for repetitions of the request. The request counts as running until that succeeds."""
        await self._client.call(FINISH_IDEMPOTENT(keys.idempotency(project_id, key), status, body))
        self._running.pop((project_id, key), None)

    async def abandon(self, project_id: ProjectId, key: str) -> None:
        """Remove the record of a request that was refused before it wrote anything."""
        name = self._running.get((project_id, key), "")
        await self._client.call(ABANDON_IDEMPOTENT(keys.idempotency(project_id, key), name))
        self._running.pop((project_id, key), None)

    async def run(self) -> None:
        """Renew the leases of running requests until cancelled."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            with contextlib.suppress(StoreUnavailableError):
                await self.renew()

    async def renew(self) -> None:
        """Renew the lease of every request that runs here, unless another attempt has taken it over."""
        calls = [
            RENEW_IDEMPOTENT(keys.idempotency(*ours), name, self._lease_ms) for ours, name in self._running.items()
        ]
        for first in range(0, len(calls), CALLS_AT_ONCE):
            await self._client.call_many(calls[first : first + CALLS_AT_ONCE])
