"""For events that could not be published, a resync message is published once publishing works."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.store import deferred_publications as module
from gateway.store import keys
from gateway.store.deferred_publications import DeferredPublications
from gateway.store.event_log import RESYNC_MESSAGE
from gateway.store.redis.client import Argument, StoreUnavailableError
from tests.logs import captured_log
from tests.servers import RedisServer
from tests.store.conftest import InspectedClient, new_user


@contextlib.asynccontextmanager
async def running(deferred: DeferredPublications) -> AsyncIterator[None]:
    task = asyncio.create_task(deferred.run())
    yield
    task.cancel()
    await asyncio.wait([task])


@contextlib.asynccontextmanager
async def subscribed(client: InspectedClient, *channels: str) -> AsyncIterator[Any]:
    async with client.redis.pubsub() as subscriber:
        await subscriber.execute_command("SSUBSCRIBE", *channels)
        for _ in channels:
            assert (await subscriber.parse_response())[0] == b"ssubscribe"
        yield subscriber


def key_of_a_user() -> str:
    user = new_user()
    return keys.user(user.project_id, user.id)


async def test_every_recorded_user_gets_one_message_to_read_the_log(client: InspectedClient) -> None:
    first, second = key_of_a_user(), key_of_a_user()
    deferred = DeferredPublications(client)
    async with subscribed(client, first, second) as subscriber:
        with captured_log() as log:
            for key in (first, second, first):
                deferred.note(key)
        assert [line["event"] for line in log] == ["publish_refused"], "once, however many are noted"
        async with running(deferred), asyncio.timeout(10):
            received = [(await subscriber.parse_response())[1:] for _ in range(2)]
    assert sorted(received) == sorted([[first.encode(), RESYNC_MESSAGE], [second.encode(), RESYNC_MESSAGE]])


class RefusingClient(InspectedClient):
    """A client of a server that refuses to publish a few times."""

    refusals = 2

    async def commands(self, *commands: tuple[Argument, ...]) -> list[Any]:
        """Fail, and then run the commands."""
        if self.refusals:
            self.refusals -= 1
            raise StoreUnavailableError
        return await super().commands(*commands)


async def test_publishing_is_tried_again_until_it_works(
    client: InspectedClient, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    refusing, key = RefusingClient(redis_server.url), key_of_a_user()
    deferred = DeferredPublications(refusing)
    async with subscribed(client, key) as subscriber, running(deferred), asyncio.timeout(10):
        deferred.note(key)
        assert (await subscriber.parse_response())[2] == RESYNC_MESSAGE
    assert refusing.refusals == 0
    await refusing.aclose()
