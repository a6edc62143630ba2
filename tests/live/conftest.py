"""A gateway whose limits are within a test's reach."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.live import limits
from tests.servers import Gateway, running_gateway


@pytest.fixture(scope="session")
def strict_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Fast heartbeats, few messages, few connections, a short log, one origin."""
    with running_gateway(tmp_path_factory.mktemp("strict") / "data", **limits.ENVIRONMENT) as started:
        yield started


@pytest.fixture
async def strict_http(strict_gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the strict gateway."""
    async with httpx.AsyncClient(base_url=strict_gateway.url, timeout=10) as client:
        yield client
