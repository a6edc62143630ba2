"""A gateway whose store tests reach directly, to write what only a process that delivers would write."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User
from gateway.settings import Settings
from gateway.store.library import LIBRARY
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from tests.servers import ADMIN, Gateway, running_gateway, running_redis

PROJECT = ProjectId("1")
"""The only project of the gateway."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The gateway, and its Redis."""

    gateway: Gateway
    redis_url: str

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[FunctionClient]:
        """Return a client of the store for a block."""
        client = FunctionClient(Topology(Settings(redis_url=self.redis_url)), LIBRARY)
        await client.load()
        try:
            yield client
        finally:
            client.close()

    def user(self, external_id: str) -> User:
        """Return a user, who is created if there is none."""
        with httpx.Client(base_url=self.gateway.url, headers=ADMIN, timeout=10) as http:
            found = http.post("/v2/users", json={"external_id": external_id}).raise_for_status().json()
        return User(PROJECT, UserId(found["id"]), external_id, None)


@contextlib.contextmanager
def running_stored(directory: Path, **environment: str) -> Iterator[Stored]:
    """Run a gateway that delivers nothing, with a Redis of its own, for a block."""
    settings = {"INBOX_DELIVERY_WORKERS": "0", **environment}
    with (
        running_redis("valkey", directory) as server,
        running_gateway(directory / "data", INBOX_REDIS_URL=server.url, **settings) as gateway,
    ):
        yield Stored(gateway, server.url)
