"""One way to call Redis: a versioned function, one round trip, one kind of failure."""

from collections.abc import Sequence
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,  # noqa: A004 - redis-py's own, which is not the builtin
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004 - the same
    TryAgainError,
)

from gateway.settings import Settings
from gateway.store import library
from gateway.telemetry import REDIS_CALLS, REDIS_ERRORS

_UNAVAILABLE = (
    ConnectionError,
    TimeoutError,
    BusyLoadingError,
    OutOfMemoryError,
    ReadOnlyError,
    ClusterDownError,
    TryAgainError,
    OSError,
)

_REFUSED = ("OOM ", "NOREPLICAS", "MISCONF", "MASTERDOWN", "UNKILLABLE", "BUSY ")
"""How replies begin, or say inside a function's, when the server is there but cannot do it now."""

Argument = str | bytes | int | float
Call = tuple[str, str, Sequence[Argument]]
"""A function of the library, the key that names its slot, its arguments."""


class StoreUnavailableError(Exception):
    """Redis cannot be reached or cannot write now. What was asked may or may not have happened."""


class StoreFullError(StoreUnavailableError):
    """Redis has no memory left to write; it can still read."""


def create_redis(settings: Settings) -> Redis:
    """Build the client of one worker. Connections are opened when first used; call `aclose` at the end."""
    url = settings.redis_url or f"unix://{settings.valkey_socket.absolute()}"
    pool = BlockingConnectionPool.from_url(
        url,
        protocol=2,  # RESP3 costs more per message (measured: 12.4 µs against 7.0)
        socket_timeout=settings.redis_timeout_seconds,
        socket_connect_timeout=settings.redis_timeout_seconds,
        # One more try for a pooled connection that died unnoticed. Every function may be repeated safely: it
        # compares before it sets.
        retry=Retry(NoBackoff(), 1),
        # Beyond this, requests wait their turn: Redis runs one function at a time anyway.
        max_connections=64,
        timeout=settings.redis_timeout_seconds,
    )
    return Redis.from_pool(pool)


class FunctionClient:
    """Calls the gateway's Redis functions, loading them where they are missing."""

    def __init__(self, redis: Redis):
        self.redis = redis

    async def call(self, function: str, key: str, *arguments: Argument) -> Any:
        """Run one function in the slot of `key`. Raises StoreUnavailableError."""
        return (await self.call_many([(function, key, arguments)]))[0]

    async def call_many(self, calls: Sequence[Call]) -> list[Any]:
        """Run several functions in one round trip; each is atomic, together they are not.

        Raises StoreUnavailableError; some of the calls may have run by then.
        """
        if not calls:
            return []
        for function, _, _ in calls:
            REDIS_CALLS.labels(function).inc()
        try:
            try:
                return await self._run(calls)
            except ResponseError as problem:
                # A fresh or restored server: functions are data, and this one's are gone.
                if "Function not found" not in str(problem):
                    raise
                await self.load()
                return await self._run(calls)
        except (*_UNAVAILABLE, ResponseError) as problem:
            if not _is_unavailable(problem):
                raise
            REDIS_ERRORS.inc()
            full = isinstance(problem, OutOfMemoryError) or "OOM " in str(problem)
            raise (StoreFullError if full else StoreUnavailableError)(type(problem).__name__) from problem

    async def load(self) -> None:
        """Load the library unless it is there. Raises StoreUnavailableError."""
        try:
            await self.redis.execute_command("FUNCTION", "LOAD", library.CODE)
        except ResponseError as problem:
            if "already exists" not in str(problem):
                raise
        except _UNAVAILABLE as problem:
            raise StoreUnavailableError(type(problem).__name__) from problem

    async def run(self, *commands: Sequence[Argument]) -> list[Any]:
        """Run plain commands in one round trip. Raises StoreUnavailableError; some of them may have run by then."""
        try:
            pipeline = self.redis.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            return list(await pipeline.execute())
        except (*_UNAVAILABLE, RedisError) as problem:
            REDIS_ERRORS.inc()
            raise StoreUnavailableError(type(problem).__name__) from problem

    async def publish(self, channel: str, message: bytes) -> None:
        """Publish on a (sharded) channel. Raises StoreUnavailableError."""
        try:
            await self.redis.execute_command("SPUBLISH", channel, message)
        except (*_UNAVAILABLE, RedisError) as problem:
            raise StoreUnavailableError(type(problem).__name__) from problem

    async def _run(self, calls: Sequence[Call]) -> list[Any]:
        if len(calls) == 1:
            function, key, arguments = calls[0]
            return [await self.redis.execute_command("FCALL", library.qualified(function), 1, key, *arguments)]
        pipeline = self.redis.pipeline(transaction=False)
        for function, key, arguments in calls:
            pipeline.execute_command("FCALL", library.qualified(function), 1, key, *arguments)
        return list(await pipeline.execute())


def _is_unavailable(problem: Exception) -> bool:
    return isinstance(problem, _UNAVAILABLE) or any(word in str(problem) for word in _REFUSED)
