"""The shared connection on a real server: order, large replies, losses, hangs, and cancelled callers."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio.connection import ConnectionPool

from gateway.store.redis.connection import NotReplicatedError, RedisConnection, ReplicatedConnection, ReplyTimeoutError
from gateway.store.redis.protocol import ConnectionLostError, ReplyError, ReplyLostError, pack
from tests.servers import RedisServer, running_redis
from tests.store.conftest import InspectedClient

TIMEOUT_SECONDS = 0.5


class CountingConnection(RedisConnection):
    """A connection that counts the connections it opened."""

    def __init__(self, url: str, timeout_seconds: float = 5.0):
        pool = ConnectionPool.from_url(url, protocol=2)
        self.opened = 0

        def make() -> Any:
            self.opened += 1
            return pool.make_connection()

        super().__init__(make, timeout_seconds)


@pytest.fixture
async def connection(redis_server: RedisServer) -> AsyncIterator[CountingConnection]:
    connection = CountingConnection(redis_server.url)
    yield connection
    connection.close()


async def ask(connection: RedisConnection, *words: str | bytes | int) -> Any:
    """Run one command."""
    (reply,) = await connection.request(pack(words))
    return reply


async def test_replies_arrive_in_the_order_of_the_requests(connection: CountingConnection) -> None:
    asked = [f"{number}" for number in range(300)]
    assert await asyncio.gather(*(ask(connection, "ECHO", text) for text in asked)) == [text.encode() for text in asked]
    assert connection.opened == 1


async def test_calls_of_one_turn_of_the_loop_leave_in_one_write(
    connection: CountingConnection, client: InspectedClient, redis_server: RedisServer
) -> None:
    own = await ask(connection, "CLIENT", "ID")

    async def reads() -> int:
        return int((await client.redis.info("stats"))["total_reads_processed"])

    before = await reads()
    await asyncio.gather(*(ask(connection, "ECHO", "x") for _ in range(200)))
    # The server reads one write at once, unless the write was interrupted. The second INFO is another read.
    assert await reads() - before <= 5
    assert await ask(connection, "CLIENT", "ID") == own


async def test_the_commands_of_a_request_stay_together(connection: CountingConnection) -> None:
    async def counted(key: str) -> list[int]:
        return await connection.request(pack(("INCR", key)), pack(("INCR", key)))

    await ask(connection, "DEL", "torn")
    pairs = await asyncio.gather(*(counted("torn") for _ in range(100)))
    assert pairs == [[2 * number + 1, 2 * number + 2] for number in range(100)]


async def test_an_error_is_the_reply_of_the_command_that_made_it(connection: CountingConnection) -> None:
    one, error, other = await connection.request(pack(("ECHO", "a")), pack(("NO_SUCH",)), pack(("ECHO", "b")))
    assert [one, other] == [b"a", b"b"]
    assert isinstance(error, ReplyError)


async def test_large_values_are_sent_and_received_whole(connection: CountingConnection) -> None:
    large = bytes(range(256)) * 80_000
    found = await asyncio.gather(ask(connection, "ECHO", large), ask(connection, "ECHO", "small"))
    assert list(found) == [large, b"small"]


async def test_a_cancelled_caller_does_not_cancel_others(connection: CountingConnection) -> None:
    callers = [asyncio.create_task(ask(connection, "ECHO", f"{number}")) for number in range(10)]
    await asyncio.sleep(0)  # the connection is being opened
    callers[0].cancel()
    while connection.opened == 0:
        await asyncio.sleep(0)
    callers[3].cancel()
    found = await asyncio.gather(*callers, return_exceptions=True)
    assert [reply for reply in found if isinstance(reply, bytes)] == [b"1", b"2", b"4", b"5", b"6", b"7", b"8", b"9"]
    sent = asyncio.create_task(ask(connection, "ECHO", "unheard"))
    await asyncio.sleep(0)
    sent.cancel()
    assert await ask(connection, "ECHO", "heard") == b"heard"
    assert connection.opened == 1


async def test_a_lost_connection_fails_pending_calls_and_the_next_call_opens_another(
    connection: CountingConnection, client: InspectedClient
) -> None:
    own = await ask(connection, "CLIENT", "ID")
    waiting = asyncio.create_task(ask(connection, "BLPOP", "nothing", 0))
    while not any(each["id"] == str(own) and each["cmd"] == "blpop" for each in await client.redis.client_list()):
        await asyncio.sleep(0.01)
    await client.redis.execute_command("CLIENT", "KILL", "ID", own)
    with pytest.raises(ConnectionLostError):
        await waiting
    assert await ask(connection, "ECHO", "again") == b"again"
    assert connection.opened == 2


async def test_a_server_that_does_not_run_cannot_be_reached(tmp_path: Path) -> None:
    connection = CountingConnection("redis://127.0.0.1:1")
    with pytest.raises(ConnectionLostError):
        await ask(connection, "PING")


async def test_a_hung_server_fails_calls_in_time_and_the_next_call_opens_another_connection(tmp_path: Path) -> None:
    with running_redis("valkey", tmp_path) as server:
        connection = CountingConnection(server.url, TIMEOUT_SECONDS)
        await ask(connection, "PING")
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        failed = await asyncio.gather(*(ask(connection, "PING") for _ in range(10)), return_exceptions=True)
        assert [type(each) for each in failed] == [ReplyTimeoutError] * 10
        assert time.monotonic() - started < 4 * TIMEOUT_SECONDS
        with pytest.raises(ConnectionLostError):  # it cannot be opened
            await ask(connection, "PING")
        server.process.send_signal(signal.SIGCONT)
        assert await ask(connection, "ECHO", "back") == b"back"
        connection.close()


# ---- confirmation by a replica


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[RedisServer, RedisServer]]:
    """A primary and its replica, which has all of its data."""
    for name in ("primary", "replica"):
        (tmp_path / name).mkdir()
    with (
        running_redis("valkey", tmp_path / "primary", "--repl-diskless-sync-delay", "0") as primary,
        running_redis("valkey", tmp_path / "replica", "--replicaof", "127.0.0.1", str(primary.port)) as replica,
    ):
        connection = CountingConnection(primary.url)
        async with asyncio.timeout(20):
            while not (await connection.request(pack(("SET", "k", 0)), pack(("WAIT", 1, 100))))[1]:
                pass
        connection.close()
        yield primary, replica


def replicated(server: RedisServer, timeout_seconds: float = 5.0) -> ReplicatedConnection:
    return ReplicatedConnection(ConnectionPool.from_url(server.url, protocol=2).make_connection, timeout_seconds)


async def test_what_is_acknowledged_is_on_the_replica(pair: tuple[RedisServer, RedisServer]) -> None:
    primary, replica = pair
    connection, other = replicated(primary), CountingConnection(replica.url)
    for number in range(50):
        assert await ask(connection, "SET", "k", number) == b"OK"
        assert await ask(other, "GET", "k") == str(number).encode()
    connection.close()
    other.close()


async def test_many_calls_share_a_wait_and_keep_their_order(pair: tuple[RedisServer, RedisServer]) -> None:
    primary, _ = pair
    connection, plain = replicated(primary), CountingConnection(primary.url)
    await ask(connection, "SET", "n", 0)
    assert await asyncio.gather(*(ask(connection, "INCR", "n") for _ in range(500))) == list(range(1, 501))
    stats = (await ask(plain, "INFO", "commandstats")).decode()
    waits = int(stats.partition("cmdstat_wait:calls=")[2].partition(",")[0])
    assert waits < 50
    connection.close()
    plain.close()


async def test_a_write_that_no_replica_confirmed_fails_and_later_calls_work_again(
    pair: tuple[RedisServer, RedisServer],
) -> None:
    primary, replica = pair
    connection = replicated(primary, TIMEOUT_SECONDS)
    await ask(connection, "SET", "k", 0)
    assert replica.process is not None
    replica.process.send_signal(signal.SIGSTOP)
    failed = await asyncio.gather(*(ask(connection, "INCR", "k") for _ in range(20)), return_exceptions=True)
    assert [type(each) for each in failed] == [NotReplicatedError] * 20
    replica.process.send_signal(signal.SIGCONT)
    async with asyncio.timeout(10):
        while isinstance((await asyncio.gather(ask(connection, "INCR", "k"), return_exceptions=True))[0], Exception):
            pass
    connection.close()


async def test_an_error_needs_no_replica(pair: tuple[RedisServer, RedisServer]) -> None:
    primary, replica = pair
    connection = replicated(primary, TIMEOUT_SECONDS)
    replica.stop(signal.SIGKILL)
    assert isinstance(await ask(connection, "NO_SUCH"), ReplyError)
    connection.close()


async def test_a_lost_connection_fails_calls_that_wait_for_a_replica(pair: tuple[RedisServer, RedisServer]) -> None:
    primary, replica = pair
    connection = replicated(primary)
    await ask(connection, "SET", "k", 0)
    assert replica.process is not None
    replica.process.send_signal(signal.SIGSTOP)
    calls = [asyncio.create_task(ask(connection, "INCR", "k")) for _ in range(3)]
    plain = CountingConnection(primary.url)
    while await ask(plain, "GET", "k") != b"3":
        await asyncio.sleep(0)
    primary.stop(signal.SIGKILL)
    assert [type(each) for each in await asyncio.gather(*calls, return_exceptions=True)] == [ReplyLostError] * 3
    connection.close()
    plain.close()


async def test_a_connection_that_is_closed_while_it_opens_fails_pending_calls_and_opens_again(tmp_path: Path) -> None:
    with running_redis("valkey", tmp_path) as server:
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        connection = CountingConnection(server.url)
        for turns in (0, 1, 20):  # before the opening has begun, and during it
            waiting = [asyncio.create_task(ask(connection, "ECHO", "x")) for _ in range(2)]
            await asyncio.sleep(0)
            for _ in range(turns):
                await asyncio.sleep(0)
            connection.close()
            answers = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(answer) for answer in answers] == [ConnectionLostError] * 2
        server.process.send_signal(signal.SIGCONT)
        assert await ask(connection, "ECHO", "x") == b"x"
        connection.close()


async def test_a_connection_that_has_ended_is_not_opened_again(redis_server: RedisServer) -> None:
    connection = CountingConnection(redis_server.url)
    await ask(connection, "ECHO", "x")
    connection.end()
    with pytest.raises(ConnectionLostError):
        await ask(connection, "ECHO", "x")
    assert connection.opened == 1
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    "says",
    [
        b"-ERR max number of clients reached\r\n" * 2,
        b"+OK\r\n+OK\r\n+OK\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"*-7\r\n",
    ],
)
async def test_an_unexpected_reply_ends_the_connection_and_nothing_else(says: bytes) -> None:
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            # The commands of redis-py's handshake get replies in order.
            writer.write(says if b"ECHO" in data else b"+OK\r\n" * data.count(b"SETINFO"))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        connection = CountingConnection(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        for _ in range(2):
            try:
                answer = await ask(connection, "ECHO", "x")
            except ConnectionLostError:
                continue
            assert isinstance(answer, ReplyError) or answer == b"OK"
            await asyncio.sleep(0.01)  # until the unexpected reply arrives
        assert connection.opened == 2
        connection.close()
        await asyncio.sleep(0.01)
    assert not failures
