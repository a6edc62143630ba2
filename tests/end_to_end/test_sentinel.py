"""The gateway on the primary that Sentinel names, and on the next one."""

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from gateway.store.keys import GENERATION
from tests.end_to_end.test_faults import Writer, client_of
from tests.live.clients import TRANSPORTS, epoch, items, offset, open_inbox, position, send
from tests.servers import SERVER_BINARIES, Gateway, RedisServer, free_port, running_gateway, running_redis, wait_for

SERVICE = "inbox"


@contextlib.contextmanager
def running_sentinel(directory: Path, primary: RedisServer) -> Iterator[int]:
    """Run a sentinel for a block, and yield its port."""
    port = free_port()
    config = directory / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {directory}\n"
        f"sentinel monitor {SERVICE} 127.0.0.1 {primary.port} 1\n"
        f"sentinel down-after-milliseconds {SERVICE} 500\n"
        f"sentinel failover-timeout {SERVICE} 2000\n"
    )
    arguments = [str(SERVER_BINARIES["valkey"]), str(config), "--sentinel"]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port) as client:

            def has_replica() -> bool:
                with contextlib.suppress(redis.RedisError):
                    return len(client.sentinel_slaves(SERVICE)) == 1
                return False

            wait_for(has_replica, "Sentinel to find the replica", 30)
        yield port
    finally:
        process.kill()
        process.wait(10)


@dataclass
class Watched:
    """A primary with a replica, both monitored by a sentinel, and a gateway that uses it."""

    primary: RedisServer
    replica: RedisServer
    gateway: Gateway


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    for name in ("primary", "replica", "sentinel"):
        (tmp_path / name).mkdir()
    options = ("--appendonly", "yes", "--repl-diskless-sync-delay", "0")
    with (
        running_redis("valkey", tmp_path / "primary", *options) as primary,
        running_redis("valkey", tmp_path / "replica", *options) as replica,
    ):
        with redis.Redis(port=replica.port) as admin:
            # Not as an option, which would also apply after a restart.
            admin.execute_command("REPLICAOF", "127.0.0.1", primary.port)
        with (
            running_sentinel(tmp_path / "sentinel", primary) as sentinel,
            running_gateway(
                tmp_path / "data",
                INBOX_REDIS_URL=f"redis+sentinel://127.0.0.1:1,127.0.0.1:{sentinel}/{SERVICE}",
                INBOX_REDIS_TIMEOUT_SECONDS="1",
            ) as gateway,
        ):
            yield Watched(primary, replica, gateway)


async def test_a_gateway_follows_sentinel_to_the_next_primary(watched: Watched, user: str) -> None:
    gateway = watched.gateway
    async with client_of(gateway) as http, contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(open_inbox(each, gateway, user)) for each in TRANSPORTS]
        kept = await send(http, user)
        for client in clients:
            assert (await client.event())["data"]["id"] == kept
        with redis.Redis(port=watched.primary.port) as admin:
            assert admin.execute_command("WAIT", 1, 5000) == 1
        watched.primary.stop(signal.SIGKILL)
        writer = Writer(http, user)
        await writer.acknowledge(2)
        assert {response.status_code for response in writer.refused} == {503}
        assert [item["id"] for item in await items(http, user)] == [*writer.acknowledged[::-1], kept]
        last = await position(http, user)
        for client in clients:
            received = [await client.next()]
            while received[-1]["position"] != last:
                received.append(await client.next())
            assert received[0]["type"] == "reset", "a promoted replica may lack events that clients have"
            assert epoch(last) != epoch(client.position)
        await asyncio.to_thread(wait_for, gateway.ready, "the gateway to be ready")
        assert "Traceback" not in gateway.log


async def test_clients_that_resume_after_a_promoted_replica_was_restarted_receive_a_reset(
    watched: Watched, user: str
) -> None:
    gateway, replica = watched.gateway, watched.replica
    async with client_of(gateway) as http:
        await send(http, user)
        assert replica.process is not None
        with redis.Redis(port=watched.primary.port) as admin:
            assert admin.execute_command("WAIT", 1, 5000) == 1
            replica.process.send_signal(signal.SIGSTOP)
            admin.execute_command("CLIENT", "KILL", "TYPE", "replica")
        lost = [await send(http, user) for _ in range(2)]
        known = await position(http, user)
        watched.primary.stop(signal.SIGKILL)
        replica.process.send_signal(signal.SIGCONT)
        with redis.Redis(port=replica.port) as admin:
            await asyncio.to_thread(
                wait_for, lambda: admin.exists(GENERATION), "the generation of the promoted replica", 30
            )
        replica.stop()
        replica.start()
        await asyncio.to_thread(wait_for, gateway.ready, "the gateway to be ready")
        writer = Writer(http, user)
        await writer.acknowledge(3)
        assert not {item["id"] for item in await items(http, user)} & set(lost)
        assert offset(await position(http, user)) > offset(known), "only the epoch shows the loss"
        for transport in TRANSPORTS:
            async with open_inbox(transport, gateway, user, since=known) as client:
                reset = await client.next()
                assert (reset["type"], reset["reason"]) == ("reset", "epoch_changed")
