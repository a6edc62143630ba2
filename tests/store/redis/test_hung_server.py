"""A server that hangs raises nothing: every call still ends in the time that one may take."""

import signal
import time
from pathlib import Path

import pytest

from gateway.settings import Settings
from gateway.store.library import LIBRARY
from gateway.store.redis.client import FunctionClient, StoreUnavailableError
from gateway.store.redis.topology import Topology
from tests.servers import running_redis
from tests.store.conftest import close

TIMEOUT_SECONDS = 1.5


async def test_no_call_to_a_server_that_hangs_takes_longer_than_one_may(tmp_path: Path) -> None:
    with running_redis("valkey", tmp_path) as server:
        client = FunctionClient(
            Topology(Settings(redis_url=server.url, redis_timeout_seconds=TIMEOUT_SECONDS)), LIBRARY
        )
        await client.command("SET", "k", "v")
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        for _ in range(2):  # on the connection that is there, then on one that is opened for it
            started = time.monotonic()
            with pytest.raises(StoreUnavailableError):
                await client.command("GET", "k")
            assert time.monotonic() - started < 1.8 * TIMEOUT_SECONDS, "and not twice as long"
        server.process.send_signal(signal.SIGCONT)
        assert await client.command("GET", "k") == b"v"
        await close(client)
