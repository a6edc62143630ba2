"""The internals of redis-py that the gateway relies on. A failure shows what a new version of redis-py has changed."""

import asyncio
import subprocess
import sys

import pytest
from redis.asyncio.connection import AbstractConnection, Connection, UnixDomainSocketConnection
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from gateway.store.redis.redis_py import detach_writer, error_reply
from tests.servers import RedisServer


async def opened(server: RedisServer) -> Connection:
    connection = Connection(port=server.port, protocol=2)
    await connection.connect()
    return connection


@pytest.mark.parametrize("kind", [Connection, UnixDomainSocketConnection])
def test_a_connection_holds_a_stream_reader_and_writer(kind: type[AbstractConnection]) -> None:
    closed = kind(protocol=2)
    assert closed._writer is None, "redis-py has renamed `_writer`, which detach_writer takes"
    assert closed._reader is None, "redis-py has renamed `_reader`, which detach_writer clears"


async def test_the_writer_is_of_asyncio_streams(redis_server: RedisServer) -> None:
    connection = await opened(redis_server)
    writer = connection._writer
    assert isinstance(writer, asyncio.StreamWriter), f"redis-py's `_writer` is a {type(writer)} now"
    await connection.disconnect()


async def test_a_detached_socket_works_without_redis_py(redis_server: RedisServer) -> None:
    connection = await opened(redis_server)
    writer = detach_writer(connection)
    assert not connection.is_connected, "redis-py still believes that it owns the socket"
    await connection.disconnect()
    assert not writer.transport.is_closing(), "redis-py closes a socket that was taken from it"
    received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    class Reading(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            received.set_result(data)

    writer.transport.set_protocol(Reading())
    writer.transport.write(b"PING\r\n")
    async with asyncio.timeout(5):
        assert await received == b"+PONG\r\n", "redis-py's handshake leaves replies unread"
    writer.transport.abort()


async def test_the_writer_of_a_connection_that_is_not_open_cannot_be_detached() -> None:
    with pytest.raises(RuntimeError, match="not open"):
        detach_writer(Connection(protocol=2))


async def test_the_reply_that_rejects_a_connection_is_found_whole(redis_server: RedisServer) -> None:
    connection = Connection(port=redis_server.port, protocol=2, username="nobody", password="wrong")
    with pytest.raises(AuthenticationError) as caught:
        await connection.connect()
    await connection.disconnect(nowait=True)
    assert error_reply(caught.value).startswith("WRONGPASS "), "redis-py keeps the kind of an error elsewhere"


@pytest.mark.parametrize(
    ("problem", "reply"),
    [
        (ResponseError("ERR max number of clients reached"), "ERR max number of clients reached"),
        (RedisError("Connection closed by server."), ""),
        (OSError("refused"), ""),
    ],
)
def test_an_exception_without_a_reply_is_none(problem: Exception, reply: str) -> None:
    assert error_reply(problem) == reply


def test_redis_py_loads_no_metrics_of_opentelemetry() -> None:
    """They take each process 0.1 s, and nobody reads them."""
    code = (
        "import sys, gateway.store.redis.client;"
        "print('opentelemetry.sdk.metrics' in sys.modules);"
        "import opentelemetry.sdk.metrics"
    )
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("False\n", "")
