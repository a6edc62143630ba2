"""Functions of a user's slot: the guard refuses calls, and a full server runs those that it can."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from gateway.domain.guard import (
    UNGUARDED,
    Allowance,
    Guard,
    RateKind,
    RateLimitedError,
    TokenRevokedError,
    UserDeletedError,
)
from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.deletion import UserDeletion
from gateway.store.event_log import LogWrite
from gateway.store.guarded import LOG_EVENTS_WHEN_FULL, USE, UserFunctions, unwrapped
from gateway.store.inbox import CHANGE, DELETE, LIST
from gateway.store.preferences import READ_PREFERENCES, SET_PREFERENCES
from gateway.store.profiles import SET_PROFILE
from gateway.store.redis.functions import FunctionCall
from gateway.store.redis.problems import StoreDataError, StoreFullError
from gateway.telemetry.metrics import RATE_LIMIT_FAILURES
from tests.store.conftest import InspectedClient, new_user

LOG = LogWrite(1000, "e", 1000, 1000)
EMPTY = LIST(buckets="01234567", rank=0, limit=1, categories=(), topics=())


@pytest.fixture
def functions(client: InspectedClient) -> UserFunctions:
    return UserFunctions(client)


@asynccontextmanager
async def full(client: InspectedClient) -> AsyncIterator[None]:
    """Run the block while the server is out of memory."""
    await client.redis.config_set("maxmemory", "1")
    try:
        yield
    finally:
        await client.redis.config_set("maxmemory", "0")


async def test_a_counted_call_reports_what_is_used_of_its_allowance(functions: UserFunctions) -> None:
    user, allowance = new_user(), Allowance(RateKind.READS, 2)
    for used in (1, 2):
        await functions.call(user, Guard(allowance), USE())
        assert (allowance.used, allowance.remaining) == (used, 2 - used)
    with pytest.raises(RateLimitedError):
        await functions.call(user, Guard(allowance), USE())


async def test_a_revoked_token_and_a_deleted_user_are_refused(
    functions: UserFunctions, client: InspectedClient
) -> None:
    user = new_user()
    await client.redis.zadd(keys.user(user.project_id, user.id) + keys.USER_SUFFIXES["REVOKED"], {"token": 10**10})
    with pytest.raises(TokenRevokedError):
        await functions.call(user, Guard(None, "token", 1), USE())
    await UserDeletion(client).delete(user)
    with pytest.raises(UserDeletedError):
        await functions.call(user, UNGUARDED, USE())


async def test_a_read_of_a_caller_who_is_not_counted_writes_nothing(
    functions: UserFunctions, client: InspectedClient
) -> None:
    user = new_user()
    async with full(client):
        assert (await functions.read(user, UNGUARDED, EMPTY))[2:] == [0, 0, 0]
        assert await functions.read(user, UNGUARDED, READ_PREFERENCES()) == []


async def test_a_counted_read_passes_uncounted_where_nothing_can_be_written(
    functions: UserFunctions, client: InspectedClient
) -> None:
    user, allowance = new_user(), Allowance(RateKind.READS, 1)
    failures = RATE_LIMIT_FAILURES._value.get()
    async with full(client):
        for _ in range(2):
            await functions.read(user, Guard(allowance), EMPTY)
    assert allowance.used == 0
    assert RATE_LIMIT_FAILURES._value.get() == failures + 2


async def test_a_change_on_a_full_server_keeps_a_shorter_log(
    functions: UserFunctions, client: InspectedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, sent = new_user(), list[FunctionCall[Any]]()
    call_one = client.call

    async def call(function_call: FunctionCall[Any]) -> Any:
        sent.append(function_call)
        return await call_one(function_call)

    monkeypatch.setattr(client, "call", call)
    async with full(client):
        assert await functions.change(user, UNGUARDED, DELETE(LOG, item_id=uuid4().bytes, client_id=b"")) is None
    assert [each.arguments[6] for each in sent] == [1000, LOG_EVENTS_WHEN_FULL], "after the guard's four"


async def test_a_function_without_a_form_for_a_full_server_is_refused_by_one(
    functions: UserFunctions, client: InspectedClient
) -> None:
    async with full(client):
        with pytest.raises(StoreFullError):
            await functions.call(new_user(), UNGUARDED, SET_PROFILE(("first_name", b'"Ada"')))


async def test_several_users_are_one_round_trip_and_a_broken_one_can_be_spared(
    functions: UserFunctions, client: InspectedClient
) -> None:
    broken, good = new_user(), new_user()
    await client.redis.set(keys.user(broken.project_id, broken.id), "something else")
    call = CHANGE(LOG, item_id=uuid4().bytes, transition="", event_name="", client_id=b"")
    problem, reply = await functions.send_many([broken, good], [call, call], skip_broken=True)
    assert isinstance(problem, StoreDataError)
    assert CHANGE.decode(unwrapped(reply, good, UNGUARDED)) is None
    with pytest.raises(StoreDataError):
        await functions.send_many([broken, good], [call, call])


async def test_an_event_that_could_not_be_published_is_reported_with_the_users_key(
    functions: UserFunctions, client: InspectedClient
) -> None:
    user, unpublished = new_user(), list[str]()
    client.on_unpublished = unpublished.append
    await client.redis.execute_command("ACL", "SETUSER", "default", "-spublish")
    try:
        await _mute(functions, user)
    finally:
        await client.redis.execute_command("ACL", "SETUSER", "default", "+spublish")
    await _mute(functions, user, on=True)
    assert unpublished == [keys.user(user.project_id, user.id)]


async def _mute(functions: UserFunctions, user: User, on: bool = False) -> None:
    """Change a preference, which publishes an event."""
    switches = "1----" if on else "0----"
    channels = [b'{"slug":"x","enabled":'] * 5
    call = SET_PREFERENCES(LOG, client_id=b"", channels=channels, categories=["c", switches, b'{"channels":'])
    await functions.call(user, UNGUARDED, call)
