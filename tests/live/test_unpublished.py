"""Events that Redis stored but did not publish, for lack of a permission, still reach every open inbox."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from tests.live.clients import TRANSPORTS, open_inbox
from tests.servers import ADMIN, Gateway, RedisServer, running_gateway, running_redis


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RedisServer, Gateway]]:
    """Yield a Redis, and a gateway that uses it."""
    directory: Path = tmp_path_factory.mktemp("unpublished")
    with (
        running_redis("valkey", directory) as server,
        running_gateway(directory / "data", INBOX_REDIS_URL=server.url) as gateway,
    ):
        yield server, gateway


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_an_event_that_could_not_be_published_arrives_once_publishing_is_allowed_again(
    servers: tuple[RedisServer, Gateway], user: str, transport: str
) -> None:
    server, gateway = servers
    body = {"notification": {"title": "t", "recipients": [{"external_id": user}]}}
    async with open_inbox(transport, gateway, user) as client:
        with redis.Redis(port=server.port) as admin:
            admin.execute_command("ACL", "SETUSER", "default", "-spublish")
            try:
                async with httpx.AsyncClient(timeout=10) as http:
                    sent = await http.post(f"{gateway.url}/notifications", headers=ADMIN, json=body)
            finally:
                admin.execute_command("ACL", "SETUSER", "default", "+spublish")
        assert sent.status_code == 201
        assert (await client.event())["data"]["id"] == sent.json()["notification"]["id"]
