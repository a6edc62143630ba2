"""Calling the functions of a user's slot: each passes its caller's guard in the same step as its work."""

from collections.abc import Sequence
from typing import Any

from gateway.domain.guard import UNGUARDED, Guard, RateLimitedError, TokenRevokedError, UserDeletedError
from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.client import Argument, FunctionClient
from gateway.store.problems import StoreWritesRefusedError
from gateway.telemetry import RATE_LIMIT_FAILURES

UNHEARD = b"unheard"
"""How the answer of a function begins that did its work, but could not publish the event."""


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
            self._client.unheard(key)
        return unwrapped(answer, user, guard)

    async def read(self, user: User, guard: Guard, function: str, *arguments: Argument) -> Any:
        """Run a function that only reads, and exists uncounted too."""
        if guard.allowance is not None:
            try:
                return await self.call(user, guard, function, *arguments)
            except StoreWritesRefusedError:
                # Counting writes; a limiter that cannot count lets the call pass.
                RATE_LIMIT_FAILURES.inc()
        uncounted = Guard(None, guard.token_id, guard.issued_at)
        return await self.call(user, uncounted, f"{function}_uncounted", *arguments)


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
