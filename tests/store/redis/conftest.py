"""Fixtures of the tests of store/redis: a client of a Redis user with few permissions."""

from collections.abc import AsyncIterator

import pytest

from gateway.settings import Settings
from gateway.store.library import LIBRARY
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from tests.servers import RedisServer
from tests.store.conftest import InspectedClient


@pytest.fixture
async def limited(client: InspectedClient, redis_server: RedisServer) -> AsyncIterator[FunctionClient]:
    """A client of a Redis user without permissions."""
    await client.redis.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">pw", "+auth", "+select")
    url = f"redis://limited:pw@127.0.0.1:{redis_server.port}/0"
    limited = FunctionClient(Topology(Settings(redis_url=url)), LIBRARY)
    yield limited
    limited.close()
    await client.redis.execute_command("ACL", "DELUSER", "limited")


async def allow(client: InspectedClient, *rules: str) -> None:
    await client.redis.execute_command("ACL", "SETUSER", "limited", *rules)
