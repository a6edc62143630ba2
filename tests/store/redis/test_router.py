"""Commands are sent again if another attempt may succeed, within the time limit of one call."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.settings import Settings
from gateway.store.library import LIBRARY
from gateway.store.redis.client import FunctionClient, StoreUnavailableError
from gateway.store.redis.problems import StoreReadOnlyError
from gateway.store.redis.topology import Topology
from gateway.store.state import read_state
from tests.servers import RedisServer, running_redis
from tests.store.conftest import InspectedClient, close

TIMEOUT_SECONDS = 1.5


def impatient(server: RedisServer) -> FunctionClient:
    settings = Settings(redis_url=server.url, redis_timeout_seconds=TIMEOUT_SECONDS)
    return FunctionClient(Topology(settings), LIBRARY)


@pytest.fixture
async def own_server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    """A server that a test may stop or change."""
    with running_redis("valkey", tmp_path) as server:
        yield server


async def test_no_call_to_a_hung_server_takes_longer_than_the_timeout(own_server: RedisServer) -> None:
    client = impatient(own_server)
    await client.command("SET", "k", "v")
    assert own_server.process is not None
    own_server.process.send_signal(signal.SIGSTOP)
    for _ in range(2):  # on the open connection, then on one that is opened for the call
        started = time.monotonic()
        with pytest.raises(StoreUnavailableError):
            await client.command("GET", "k")
        assert time.monotonic() - started < 1.8 * TIMEOUT_SECONDS, "and not twice as long"
    own_server.process.send_signal(signal.SIGCONT)
    assert await client.command("GET", "k") == b"v"
    await close(client)


async def test_a_connection_that_died_unnoticed_is_replaced_within_the_call(client: InspectedClient) -> None:
    await client.command("GET", "k")
    await client.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await client.command("GET", "k")


async def test_a_missing_library_is_loaded_within_the_call(client: InspectedClient) -> None:
    await client.redis.execute_command("FUNCTION", "FLUSH")
    await asyncio.gather(*(read_state(client) for _ in range(20)))


async def test_a_server_that_became_a_replica_is_tried_again_until_the_time_is_up(own_server: RedisServer) -> None:
    client = impatient(own_server)
    await client.command("SET", "k", "v")
    inspecting = InspectedClient(own_server.url)
    await inspecting.redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(StoreReadOnlyError):
        await client.command("SET", "k", "w")
    calling = asyncio.create_task(client.command("SET", "k", "x"))
    await inspecting.redis.execute_command("REPLICAOF", "NO", "ONE")
    await calling
    assert await client.command("GET", "k") == b"x"
    await inspecting.aclose()
    await close(client)


async def test_a_replica_without_the_library_is_tried_again_as_one_that_has_it(own_server: RedisServer) -> None:
    client = impatient(own_server)
    inspecting = InspectedClient(own_server.url)
    await read_state(client)
    # As behind a name in DNS that has moved on: the functions of this version were deleted before the replica synced.
    await inspecting.redis.execute_command("FUNCTION", "FLUSH")
    await inspecting.redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    connections = await inspecting.redis.client_list()
    with pytest.raises(StoreReadOnlyError):
        await read_state(client)
    reading = asyncio.create_task(read_state(client))
    await inspecting.redis.execute_command("REPLICAOF", "NO", "ONE")
    await reading
    replaced = {one["id"] for one in await inspecting.redis.client_list()} - {one["id"] for one in connections}
    assert replaced, "a connection to the replica is not used again"
    await inspecting.aclose()
    await close(client)


async def test_a_library_that_the_server_refuses_is_reported_as_its_refusal(client: InspectedClient) -> None:
    await client.redis.execute_command("FUNCTION", "FLUSH")
    await client.redis.execute_command("ACL", "SETUSER", "default", "-function|load")
    try:
        with pytest.raises(StoreUnavailableError) as caught:
            await read_state(client)
        assert caught.value.replied
    finally:
        await client.redis.execute_command("ACL", "SETUSER", "default", "+function|load")
    await read_state(client)
