"""What tests of a worker's parts share."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.live.node import Node, running_node
from tests.servers import RedisServer, running_redis


@pytest.fixture(scope="session")
def node_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Valkey for the workers that run in the tests' own process."""
    with running_redis("valkey", tmp_path_factory.mktemp("node-store")) as server:
        yield server


@pytest.fixture
async def node(node_store: RedisServer, tmp_path: Path) -> AsyncIterator[Node]:
    """A worker that serves, in the test's process."""
    async with running_node(node_store, tmp_path) as node:
        yield node
