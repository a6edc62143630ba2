"""Records of requests that carried an Idempotency-Key: what became of each, for 24 hours."""

import asyncio
import contextlib
from typing import NamedTuple
from uuid import uuid4

from gateway.domain.principal import ProjectId
from gateway.store import keys
from gateway.store.redis.client import CALLS_AT_ONCE, FunctionClient
from gateway.store.redis.functions import Arguments, nothing, untouched, writing_function
from gateway.store.redis.problems import StoreUnavailableError

IDEMPOTENCY_SECONDS = 24 * 3600
CUT_OFF_REQUESTS = 10_000

LEASE_MS = 2_000
"""How long a request may be unheard of before a repetition of it takes over."""

RENEW_SECONDS = 0.5
"""Between two renewals of the leases of requests under way: a few may fail."""


class Run(NamedTuple):
    """Do the request, by this plan: the first one's, should an earlier try have died half-way."""

    plan: bytes
    is_first: bool


class Replay(NamedTuple):
    """The request was done before; answer this."""

    status: int
    body: bytes


class Busy(NamedTuple):
    """The first request is still running."""


class Reused(NamedTuple):
    """The key came with another request before."""


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

    While a request is under way its lease is renewed, if `run` is running: so a repetition waits as long as the first
    one runs, and for seconds after its worker has died or its Redis was away.
    """

    def __init__(self, client: FunctionClient, lease_ms: int = LEASE_MS):
        self._client = client
        self._lease_ms = lease_ms
        self._worker_id = uuid4().hex[:8]
        self._tries = 0
        # The name of the try that holds the lease, of each request that is under way here.
        self._under_way: dict[tuple[ProjectId, str], str] = {}
        # Requests of this worker that ended without an answer: nobody else can know, and waits for the lease.
        self._cut_off: set[tuple[ProjectId, str]] = set()

    async def begin(
        self, project_id: ProjectId, key: str, fingerprint: str, plan: bytes
    ) -> Run | Replay | Busy | Reused:
        """Claim a key for a request, or learn what became of the first one that had it.

        Of a request that is to be run, one of `finish`, `abandon` and `cut_off` must follow.
        """
        record, ours = keys.idempotency(project_id, key), (project_id, key)
        is_over = ours in self._cut_off and ours not in self._under_way
        self._cut_off.discard(ours)
        self._tries += 1
        name = f"{self._worker_id}-{self._tries}"
        word, *rest = await self._client.call(
            BEGIN_IDEMPOTENT(record, fingerprint, plan, lease_ms=self._lease_ms, holder=name, is_over=is_over)
        )
        match word:
            case b"run":
                self._under_way[ours] = name
                return Run(rest[0], bool(rest[1]))
            case b"done":
                return Replay(int(rest[0]), rest[1])
            case b"running":
                return Busy()
            case _:
                return Reused()

    def cut_off(self, project_id: ProjectId, key: str) -> None:
        """Take note that a request that was begun here ended without an answer: a repetition may go on at once."""
        if len(self._cut_off) >= CUT_OFF_REQUESTS:
            self._cut_off.clear()  # they wait for the lease then
        self._under_way.pop((project_id, key), None)
        self._cut_off.add((project_id, key))

    def cut_off_if_under_way(self, project_id: ProjectId, key: str) -> None:
        """Do so for a request that was neither finished nor abandoned."""
        if (project_id, key) in self._under_way:
            self.cut_off(project_id, key)

    async def finish(self, project_id: ProjectId, key: str, status: int, body: bytes) -> None:
        """Keep the answer for repetitions of the request. It is under way until that has succeeded."""
        await self._client.call(FINISH_IDEMPOTENT(keys.idempotency(project_id, key), status, body))
        self._under_way.pop((project_id, key), None)

    async def abandon(self, project_id: ProjectId, key: str) -> None:
        """Forget a request that was refused before it wrote anything."""
        name = self._under_way.get((project_id, key), "")
        await self._client.call(ABANDON_IDEMPOTENT(keys.idempotency(project_id, key), name))
        self._under_way.pop((project_id, key), None)

    async def run(self) -> None:
        """Renew the leases of what is under way, until cancelled."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            with contextlib.suppress(StoreUnavailableError):
                await self.renew()

    async def renew(self) -> None:
        """Renew the lease of every request under way that another try has not taken over."""
        calls = [
            RENEW_IDEMPOTENT(keys.idempotency(*ours), name, self._lease_ms) for ours, name in self._under_way.items()
        ]
        for first in range(0, len(calls), CALLS_AT_ONCE):
            await self._client.call_many(calls[first : first + CALLS_AT_ONCE])
