"""Fixtures that start real servers. Tests build everything else themselves."""

import functools
import signal
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import httpx._transports.default
import pytest
from hypothesis import HealthCheck, settings

from tests.servers import SERVER_BINARIES, Gateway, RedisServer, running_gateway, running_redis
from tests.watchdog import Watchdog

# A gateway that is started here inherits the ignored signals: hang-ups under `nohup`, interrupts in the background of a
# script.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Loading the certificate authorities takes 25 ms of CPU, for each request without a client. All clients share them.
_load = httpx._transports.default.create_ssl_context  # type: ignore[attr-defined] # not a public name
httpx._transports.default.create_ssl_context = functools.cache(_load)  # type: ignore[attr-defined]

# A slow example is not a failure, because shared machines are slow at times.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin that ends a stuck test run."""
    config.pluginmanager.register(Watchdog(float(config.getini("timeout"))), "watchdog")


@pytest.fixture(scope="session", params=["valkey", "redis"])
def redis_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Yield the bundled Valkey, then Debian's Redis. Every test that uses this fixture runs on both."""
    if SERVER_BINARIES[request.param] is None:
        pytest.skip("redis-server is not installed: `apt-get install redis-server`")
    with running_redis(request.param, tmp_path_factory.mktemp(request.param)) as server:
        yield server


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Yield a shared gateway with the default settings. Each test uses its own users."""
    directory: Path = tmp_path_factory.mktemp("gateway")
    # No test calls Slack itself.
    with running_gateway(directory / "data", INBOX_PROVIDER_URLS="slack=http://127.0.0.1:1") as started:
        yield started


@pytest.fixture
async def http(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the shared gateway."""
    # HTTP without TLS: loading the certificate authorities would take 30 ms for each client.
    no_authorities = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with httpx.AsyncClient(base_url=gateway.url, timeout=10, verify=no_authorities) as client:
        yield client


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    """Return an external id that no other test uses."""
    return str(request.node.nodeid).replace(" ", "_")[-200:]
