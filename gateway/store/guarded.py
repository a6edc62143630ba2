"""Calling the functions of a user's slot: each passes its caller's guard in the same step as its work."""

from collections.abc import Sequence
from typing import Any

from gateway.domain.guard import UNGUARDED, Guard, RateLimitedError, TokenRevokedError, UserDeletedError
from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.redis.client import Argument, FunctionClient
from gateway.store.redis.problems import StoreFullError, StoreWritesRefusedError
from gateway.telemetry.metrics import RATE_LIMIT_FAILURES

UNHEARD = b"unheard"
"""How the answer of a function begins that did its work, but could not publish the event."""

LOG_EVENTS_WHEN_FULL = 32
"""How many events a user's log keeps at most when it is changed while the server is out of memory."""


class UserFunctions:
    """Functions of users' slots. Methods raise StoreUnavailableError, and what a guard finds: RateLimitedError,
    TokenRevokedError, UserDeletedError. Then nothing was done.
    """

    def __init__(self, client: FunctionClient):
        self._client = client

    async def call(self, user: User, guard: Guard, function: str, *arguments: Argument) -> Any:
        """Run one function."""
        key = keys.user(user.project_id, user.id)
        answer = await self._client.call(function, key, *guard_arguments(guard), *arguments)
        if answer[0] == UNHEARD:
            self._client.on_unpublished(key)
        return unwrapped(answer, user, guard)

    async def read(self, user: User, guard: Guard, function: str, *arguments: Argument) -> Any:
        """Run a function that only reads, and exists uncounted too."""
        if guard.allowance is not None:
            return await self.read_or_begin(user, guard, function, *arguments)
        return await self.call(user, guard, f"{function}_uncounted", *arguments)

    async def read_or_begin(self, user: User, guard: Guard, function: str, *arguments: Argument) -> Any:
        """Run a function that may write what hardly matters; where nothing can be written, its form that only reads."""
        try:
            return await self.call(user, guard, function, *arguments)
        except StoreWritesRefusedError:
            if guard.allowance is not None:
                RATE_LIMIT_FAILURES.inc()  # counting writes; a limiter that cannot count lets the call pass
        uncounted = Guard(None, guard.token_id, guard.issued_at)
        return await self.call(user, uncounted, f"{function}_uncounted", *arguments)

    async def change(self, user: User, guard: Guard, function: str, *arguments: Argument) -> Any:
        """Run a function that may run on a full server too; its first arguments are those of every change."""
        try:
            return await self.call(user, guard, function, *arguments)
        except StoreFullError:
            now_ms, new_epoch, log_events, *others = arguments
            # Of the log more goes than comes, unless it is short already.
            fewer = min(int(log_events), LOG_EVENTS_WHEN_FULL)
            return await self.call(user, guard, f"{function}_when_full", now_ms, new_epoch, fewer, *others)


def guard_arguments(guard: Guard = UNGUARDED) -> tuple[Argument, ...]:
    """Spell a guard as the Lua functions take it."""
    rate = guard.allowance
    issued_at = "" if guard.issued_at is None else guard.issued_at
    return (rate.kind.value if rate else "", rate.limit if rate else "", guard.token_id, issued_at)


def unwrapped(answer: Sequence[Any], user: User | None, guard: Guard) -> Any:
    """Give the result of a guarded function, or raise what its guard found."""
    word, *rest = answer
    if word == b"deleted" and user is not None:
        raise UserDeletedError(user)
    if word == b"revoked":
        raise TokenRevokedError
    if guard.allowance is not None:
        guard.allowance.used, guard.allowance.reset_seconds = rest[0], rest[1]
        if word == b"limited":
            raise RateLimitedError(guard.allowance)
    return rest[2]
