"""Calls of functions in a user's slot. The guard of the caller is checked in the same atomic step as the work."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from gateway.domain.guard import UNGUARDED, Guard, RateLimitedError, TokenRevokedError, UserDeletedError
from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import (
    Arguments,
    FunctionCall,
    UserCall,
    UserFunction,
    no_arguments,
    nothing,
    user_reading_function,
)
from gateway.store.redis.problems import StoreDataError, StoreFullError, StoreWritesRefusedError
from gateway.telemetry.metrics import RATE_LIMIT_FAILURES

UNPUBLISHED = b"unpublished"
"""The first word of the reply of a function that did its work but could not publish the event."""

LOG_EVENTS_WHEN_FULL = 32
"""The maximum number of events in a user's log after a change while the server is out of memory."""

R = TypeVar("R")


USE = user_reading_function("use", no_arguments, nothing)
"""Checks the guard, and does nothing else."""


class UserFunctions:
    """Calls functions of users' slots.

    Methods raise StoreUnavailableError. If the guard refuses the caller, they raise RateLimitedError, TokenRevokedError
    or UserDeletedError, and the function did nothing.

    `read_or_begin` and `change`, which most requests call, have no coroutine of `_run` in between: 0.5 µs (measured).
    """

    def __init__(self, client: FunctionClient):
        self._client = client

    def call(self, user: User, guard: Guard, call: UserCall[R]) -> Coroutine[Any, Any, R]:
        """Run one function and return its decoded result."""
        return self._run(call.function, user, guard, call.with_guard)

    def read(self, user: User, guard: Guard, call: UserCall[R]) -> Coroutine[Any, Any, R]:
        """Run a function that only reads. If the caller's calls are not counted, its uncounted form runs."""
        if guard.allowance is not None:
            return self.read_or_begin(user, guard, call)
        return self._run(call.function, user, guard, call.peeking)

    async def read_or_begin(self, user: User, guard: Guard, call: UserCall[R]) -> R:
        """Run a function whose writes are optional. If the store refuses writes, its uncounted form runs."""
        key = keys.user(user.project_id, user.id)
        try:
            reply = await self._client.call(call.with_guard(key, guard_arguments(guard)))
            return self._decoded(call.function, reply, key, user, guard)
        except StoreWritesRefusedError:
            if guard.allowance is not None:
                RATE_LIMIT_FAILURES.inc()  # counting is a write; if it fails, the call is allowed
        uncounted = Guard(None, guard.token_id, guard.issued_at)
        return await self._run(call.function, user, uncounted, call.peeking)

    async def change(self, user: User, guard: Guard, call: UserCall[R]) -> R:
        """Run a function that a full server also runs, in another form. Its first arguments are those of a LogWrite."""
        key = keys.user(user.project_id, user.id)
        try:
            reply = await self._client.call(call.with_guard(key, guard_arguments(guard)))
            return self._decoded(call.function, reply, key, user, guard)
        except StoreFullError:
            now_ms, epoch_if_new, log_events, *others = call.arguments
            # This trims more events from the log than it adds, unless the log is already short.
            fewer = min(int(log_events), LOG_EVENTS_WHEN_FULL)
            smaller = UserCall(call.function, (now_ms, epoch_if_new, fewer, *others))
            return await self._run(call.function, user, guard, smaller.when_full)

    async def send_many(
        self, users: Sequence[User], calls: Sequence[UserCall[Any]], skip_broken: bool = False
    ) -> list[Any]:
        """Run a function for each user without a guard, in one round trip. Return replies that `unwrapped` accepts.

        With `skip_broken`, a StoreDataError takes the place of the reply for a user whose data cannot be read.
        """
        sent = [
            call.with_guard(keys.user(user.project_id, user.id), _UNGUARDED_ARGUMENTS)
            for user, call in zip(users, calls, strict=True)
        ]
        replies = await (self._client.call_each(sent) if skip_broken else self._client.call_many(sent))
        for reply, call in zip(replies, sent, strict=True):
            if not isinstance(reply, StoreDataError) and reply[0] == UNPUBLISHED:
                self._client.on_unpublished(call.key)
        return replies

    async def peek_many(self, users: Sequence[User], call: UserCall[Any]) -> list[Any]:
        """Run a function's uncounted form for each user without a guard. Return replies that `unwrapped` accepts."""
        return await self._client.call_many(
            [call.peeking(keys.user(user.project_id, user.id), _UNGUARDED_ARGUMENTS) for user in users]
        )

    async def _run(
        self,
        function: UserFunction[..., R],
        user: User,
        guard: Guard,
        form: Callable[[str, Arguments], FunctionCall[Any]],
    ) -> R:
        key = keys.user(user.project_id, user.id)
        reply = await self._client.call(form(key, guard_arguments(guard)))
        return self._decoded(function, reply, key, user, guard)

    def _decoded(self, function: UserFunction[..., R], reply: Any, key: str, user: User, guard: Guard) -> R:
        if reply[0] == UNPUBLISHED:
            self._client.on_unpublished(key)
        return function.decode(unwrapped(reply, user, guard))


def guard_arguments(guard: Guard = UNGUARDED) -> Arguments:
    """Return the arguments that every guarded Lua function reads first: kind, limit, token id, issue time."""
    allowance, token_id, issued_at = guard
    kind, limit = ("", "") if allowance is None else (allowance.kind.value, allowance.limit)
    return (kind, limit, token_id, "" if issued_at is None else issued_at)


_UNGUARDED_ARGUMENTS = guard_arguments()


def unwrapped(reply: Sequence[Any], user: User | None, guard: Guard) -> Any:
    """Return the result in a guarded function's reply, and set `used` and `reset_seconds` of the guard's allowance.

    Raises RateLimitedError, TokenRevokedError and UserDeletedError if the guard refused the caller.
    """
    word = reply[0]
    if word == b"deleted" and user is not None:
        raise UserDeletedError(user)
    if word == b"revoked":
        raise TokenRevokedError
    allowance = guard.allowance
    if allowance is not None:
        allowance.used, allowance.reset_seconds = reply[1], reply[2]
        if word == b"limited":
            raise RateLimitedError(allowance)
    return reply[3]
