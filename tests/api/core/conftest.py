"""A gateway whose settings for endpoints differ from the defaults."""

from collections.abc import Iterator

import httpx
import pytest

from tests.api.inbox import ORIGIN
from tests.servers import (
    Gateway,
    running_gateway,
)


@pytest.fixture(scope="session")
def strict_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with two allowed origins, small bodies, and no access log."""
    settings = {
        "INBOX_ALLOWED_ORIGINS": f"{ORIGIN}/, https://other.example.com",
        "INBOX_MAX_BODY_BYTES": "2000",
        "INBOX_ACCESS_LOG": "false",
    }
    with running_gateway(tmp_path_factory.mktemp("strict") / "data", **settings) as started:
        yield started


@pytest.fixture(scope="session")
def strict(strict_gateway: Gateway) -> Iterator[httpx.Client]:
    """A client of that gateway."""
    with httpx.Client(base_url=strict_gateway.url) as client:
        yield client
