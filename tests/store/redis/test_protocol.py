"""A connection that the server closes while it is being opened, as a restarting Redis does."""

import pytest
import uvloop
from redis.asyncio.connection import Connection

from gateway.store.redis.connection import RedisConnection
from gateway.store.redis.protocol import ConnectionLostError, pack
from tests.servers import RedisServer

TIMEOUT_SECONDS = 5.0


class ClosesDuringHandshake(Connection):
    """The server closes the socket between two commands of redis-py's handshake."""

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        assert self._writer is not None
        self._writer.transport.abort()
        await super().on_connect_check_health(check_health)


class ClosesAfterHandshake(Connection):
    """The server closes the socket after redis-py's handshake, before the gateway takes it over."""

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        await super().on_connect_check_health(check_health)
        assert self._writer is not None
        self._writer.transport.abort()


@pytest.mark.parametrize("kind", [ClosesDuringHandshake, ClosesAfterHandshake])
def test_a_server_that_closes_the_socket_during_the_handshake_is_a_lost_connection(
    redis_server: RedisServer, kind: type[Connection]
) -> None:
    async def request() -> None:
        connection = RedisConnection(lambda: kind(port=redis_server.port, protocol=2), TIMEOUT_SECONDS)
        with pytest.raises(ConnectionLostError):
            await connection.request(pack(("PING",)))

    uvloop.run(request())  # it raises where asyncio's own loop only warns
