"""Fixtures of the tests of stores: clients of a real server."""

import asyncio
import hashlib
import itertools
import secrets
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from gateway.domain.event import Position
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User
from gateway.settings import Settings
from gateway.store import keys
from gateway.store.contents import ContentStore
from gateway.store.event_log import LogRetention, Moment
from gateway.store.inbox import InboxStore
from gateway.store.library import LIBRARY
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.library import Library
from gateway.store.redis.topology import Topology
from tests.servers import RedisServer


class InspectedClient(FunctionClient):
    """The function client of a worker, with redis-py's own client as `redis` to inspect the server."""

    def __init__(self, url: str, library: Library = LIBRARY):
        super().__init__(Topology(Settings(redis_url=url, redis_timeout_seconds=30)), library)  # no test is about time
        self.redis: Redis = Redis.from_url(url, protocol=2)

    async def aclose(self) -> None:
        """Close both."""
        await close(self)
        await self.redis.aclose()


async def close(client: FunctionClient) -> None:
    """Close a client, and run the loop until its sockets are closed, those of half-open connections too."""
    client.close()
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncIterator[InspectedClient]:
    """A client of this server, whose functions are loaded."""
    client = InspectedClient(redis_server.url)
    await client.load()
    yield client
    await client.aclose()


@pytest.fixture
def store(client: FunctionClient) -> InboxStore:
    """Inboxes whose log is long enough for every test that does not make its own."""
    return InboxStore(client, LogRetention(events=1000, seconds=1000), ContentStore(client))


_numbers = itertools.count()


def new_user(external_id: str = "joe") -> User:
    """Return a user of a new project."""
    return User(ProjectId(f"p{next(_numbers)}-{secrets.token_hex(4)}"), UserId(str(uuid4())), external_id, None)


def epoch_of(user: User, offered: str = "e0", generation: str = "") -> str:
    """Return the epoch of a user's log that began with this `epoch_if_new`."""
    return hashlib.sha1(f"{offered} {generation} {keys.user(user.project_id, user.id)}".encode()).hexdigest()[:12]  # noqa: S324


def place(user: User, offset: int, offered: str = "e0") -> Position:
    """Return a position in the log of a user."""
    return Position(epoch_of(user, offered), offset)


def at(seconds: float) -> Moment:
    """Return a moment of the tests' clock."""
    return Moment(int(seconds * 1000), "e0")
