"""A check, once a second, that the store accepts writes and has its projects: for `/readyz`, the log and a metric.

A store may refuse writes, because memory or disk is full or a permission is missing, or may have been emptied. Neither
`/healthz`, which is about the process, nor the probes of the subscriber detect that. So every worker calls a function
that a server refuses whenever it would refuse a write, and reads the name of the store.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

from gateway.domain.errors import ErrorCode
from gateway.runtime.tasks import Outage
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.problems import StoreEmptyError, StoreUnavailableError
from gateway.store.state import check_writes, read_state
from gateway.telemetry.metrics import STORE_PROBLEM

CHECK_SECONDS = 1.0

_CAUSES = (
    ErrorCode.REDIS_UNAVAILABLE,
    ErrorCode.STORE_REFUSED,
    ErrorCode.STORE_READ_ONLY,
    ErrorCode.STORE_DATA_BROKEN,
    ErrorCode.STORE_EMPTY,
    ErrorCode.STORE_FULL,
)


async def _nothing() -> None:
    pass


async def _nothing_about(store_name: str) -> None:
    pass


class StoreWatch:
    """Checks the store. `problem` is the exception that describes its state, None if it is good. `run` must be running.

    `on_empty` is awaited while the store has lost its projects, and may restore some. `on_known_store` is awaited with
    the name of the store when the name is first read or changes. `on_other_store` is awaited with the name when another
    store has replaced the previous one, or when the store was emptied and prepared again or restored.
    """

    def __init__(self, client: FunctionClient):
        self._client = client
        self.problem: StoreUnavailableError | None = None
        self.store_name = ""
        self.on_empty: Callable[[], Awaitable[None]] = _nothing
        self.on_known_store: Callable[[str], Awaitable[None]] = _nothing_about
        self.on_other_store: Callable[[str], Awaitable[None]] = _nothing_about
        self._outages = {code: Outage("store_failed", "store_recovered", cause=code.kind.code) for code in _CAUSES}
        for code in _CAUSES:
            STORE_PROBLEM.labels(code.kind.code).set(0)

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(CHECK_SECONDS * random.uniform(0.8, 1.2))

    async def check(self) -> None:
        """Check once."""
        try:
            await self._check_writes()
            await self._check_name()
        except StoreUnavailableError as problem:
            self._found(problem)
            if isinstance(problem, StoreEmptyError):
                await self.on_empty()
        else:
            self._found(None)

    async def _check_writes(self) -> None:
        topology = self._client.topology
        if not topology.nodes:
            await self._client.load()  # a cluster whose slot map was never read
        places = [key for key in map(topology.key_at, topology.nodes) if key is not None]
        results = await asyncio.gather(*(check_writes(self._client, key) for key in places), return_exceptions=True)
        problems = [result for result in results if isinstance(result, StoreUnavailableError)]
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, StoreUnavailableError):
                raise result
        # While a part of a cluster is down, the other parts work. A part that refuses counts for all parts.
        refusing = [problem for problem in problems if problem.replied]
        if refusing or (problems and len(problems) == len(places)):
            raise (refusing or problems)[0]

    async def _check_name(self) -> None:
        state = await read_state(self._client)
        if state.is_lost:
            detail = f"the store has {state.projects} of {state.known} projects: its data is lost"
            if not state.name:
                detail = "the store is empty: `serve` has not prepared it yet, or its data is lost"
            raise StoreEmptyError(detail=detail, replied=True)
        before = self.store_name
        if before != state.name:
            await self.on_known_store(state.name)
            self.store_name = state.name
        # A store that was restored from a backup may lack acknowledged writes.
        if before and (before != state.name or isinstance(self.problem, StoreEmptyError)):
            await self.on_other_store(state.name)

    def _found(self, problem: StoreUnavailableError | None) -> None:
        self.problem = problem
        for code, outage in self._outages.items():
            if problem is not None and problem.code is code:
                if not outage.lasts:
                    STORE_PROBLEM.labels(code.kind.code).set(1)
                outage.begin(problem)
            elif outage.lasts:
                STORE_PROBLEM.labels(code.kind.code).set(0)
                outage.end()
