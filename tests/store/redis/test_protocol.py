"""A connection that ends while it is being opened, which is what a Redis that restarts does to whoever comes."""

import pytest
import uvloop
from redis.asyncio.connection import Connection

from gateway.store.redis.connection import RedisConnection
from gateway.store.redis.protocol import ConnectionLostError, pack
from tests.servers import RedisServer

TIMEOUT_SECONDS = 5.0


class EndsBeforeGreeting(Connection):
    """The server hangs up between two commands of redis-py's greeting."""

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        assert self._writer is not None
        self._writer.transport.abort()
        await super().on_connect_check_health(check_health)


class EndsAfterGreeting(Connection):
    """The server hangs up when redis-py is done, and before the socket is ours."""

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        await super().on_connect_check_health(check_health)
        assert self._writer is not None
        self._writer.transport.abort()


@pytest.mark.parametrize("kind", [EndsBeforeGreeting, EndsAfterGreeting])
def test_a_server_that_hangs_up_while_it_is_greeted_is_a_lost_wire(
    redis_server: RedisServer, kind: type[Connection]
) -> None:
    async def request() -> None:
        link = RedisConnection(lambda: kind(port=redis_server.port, protocol=2), TIMEOUT_SECONDS)
        with pytest.raises(ConnectionLostError):
            await link.request(pack(("PING",)))

    uvloop.run(request())  # it raises where asyncio's own loop only warns
