"""Gateways for the tests of live connections: one with small limits, and a worker in the test's own process."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.live import limits
from tests.live.node import Node, running_node
from tests.servers import Gateway, RedisServer, running_gateway, running_redis


@pytest.fixture(scope="session")
def strict_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Yield a gateway with fast heartbeats, few messages, few connections, a short log, and one origin."""
    with running_gateway(tmp_path_factory.mktemp("strict") / "data", **limits.ENVIRONMENT) as started:
        yield started


@pytest.fixture
async def strict_http(strict_gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the strict gateway."""
    async with httpx.AsyncClient(base_url=strict_gateway.url, timeout=10) as client:
        yield client


@pytest.fixture(scope="session")
def node_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Yield a Redis for the workers that run in the tests' own process."""
    with running_redis("valkey", tmp_path_factory.mktemp("node-store")) as server:
        yield server


@pytest.fixture
async def node(node_store: RedisServer, tmp_path: Path) -> AsyncIterator[Node]:
    """Yield a worker in this process, without any connection."""
    async with running_node(node_store, tmp_path) as started:
        yield started
