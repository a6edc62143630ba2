"""INBOX_DURABILITY=replica: an acknowledged write is on a replica, and no other write is acknowledged."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import redis

from tests.end_to_end.test_faults import Writer, client_of
from tests.live.clients import TRANSPORTS, items, open_inbox, send
from tests.servers import Gateway, RedisServer, running_gateway, running_redis, user_headers, wait_for

SECRET_KEY = "shared"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[RedisServer, RedisServer]]:
    """Yield a primary and a synchronised replica."""
    for name in ("primary", "replica"):
        (tmp_path / name).mkdir()
    with (
        running_redis("valkey", tmp_path / "primary", "--repl-diskless-sync-delay", "0") as primary,
        running_redis("valkey", tmp_path / "replica", "--replicaof", "127.0.0.1", str(primary.port)) as replica,
        redis.Redis(port=primary.port) as client,
    ):
        wait_for(
            lambda: client.set("k", 0) and client.execute_command("WAIT", 1, 100), "the replica to be synchronised", 30
        )
        yield primary, replica


def running_on(server: RedisServer, directory: Path, **environment: str) -> contextlib.AbstractContextManager[Gateway]:
    return running_gateway(
        directory,
        INBOX_REDIS_URL=server.url,
        INBOX_SECRET_KEY=SECRET_KEY,
        INBOX_REDIS_TIMEOUT_SECONDS="1",
        **environment,
    )


@pytest.fixture
async def http(tmp_path: Path, pair: tuple[RedisServer, RedisServer]) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of a gateway on the primary that waits for the replica."""
    with running_on(pair[0], tmp_path / "data", INBOX_DURABILITY="replica") as gateway:
        async with client_of(gateway) as http:
            yield http


async def test_a_promoted_replica_has_everything_that_was_acknowledged(
    tmp_path: Path, pair: tuple[RedisServer, RedisServer], http: httpx.AsyncClient
) -> None:
    primary, replica = pair
    writers = [Writer(http, f"u{number}") for number in range(8)]
    writing = [asyncio.create_task(writer.write_until_refused()) for writer in writers]
    while min(len(writer.acknowledged) for writer in writers) < 20:
        await asyncio.sleep(0)
    primary.stop(signal.SIGKILL)
    assert {response.status_code for response in await asyncio.gather(*writing)} == {503}
    with redis.Redis(port=replica.port) as client:
        client.execute_command("REPLICAOF", "NO", "ONE")
    with running_on(replica, tmp_path / "other") as gateway:
        async with client_of(gateway) as other:
            for number, writer in enumerate(writers):
                assert set(writer.acknowledged) <= {item["id"] for item in await items(other, f"u{number}")}


async def test_while_no_replica_acknowledges_writes_are_refused_and_reads_are_not(
    pair: tuple[RedisServer, RedisServer], http: httpx.AsyncClient, user: str
) -> None:
    _, replica = pair
    kept = await send(http, user)
    assert replica.process is not None
    replica.process.send_signal(signal.SIGSTOP)
    try:
        writers = [Writer(http, user) for _ in range(5)]
        refused = await asyncio.gather(*(writer.write_until_refused() for writer in writers))
        for response in refused:
            assert (response.status_code, response.json()["errors"][0]["code"]) == (503, "redis_unavailable")
            assert int(response.headers["Retry-After"]) >= 1
        assert not any(writer.acknowledged for writer in writers)
        async with asyncio.timeout(1):
            listed = await http.get("/notifications", headers=user_headers(user))
        assert kept in [item["id"] for item in listed.json()["notifications"]]
        gateway = Gateway(Path(), port=int(str(http.base_url.port)))
        for transport in TRANSPORTS:
            async with open_inbox(transport, gateway, user):
                pass
    finally:
        replica.process.send_signal(signal.SIGCONT)
    await Writer(http, user).acknowledge(3)
