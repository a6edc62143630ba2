"""Servers that die, or whose replica takes over: no gap is silent, and nobody is reset who need not be."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from uuid import uuid4

from redis.asyncio import Redis

from gateway.domain.event import Event, Position
from gateway.domain.principal import User
from gateway.settings import Settings
from gateway.store import keys
from gateway.store.client import FunctionClient
from gateway.store.contents import Content, ContentStore
from gateway.store.inbox import Delivery, InboxStore, Moment, Retention
from gateway.store.topology import Topology
from tests.servers import RedisServer, running_redis
from tests.store.conftest import new_user

FIELDS = {"title": "t", "content": None, "action_url": None, "category": "", "topic": "", "custom_attributes": None}


@contextlib.asynccontextmanager
async def store_on(server: RedisServer) -> AsyncIterator[InboxStore]:
    """The inboxes of a worker that has just started."""
    client = FunctionClient(Topology(Settings(redis_url=server.url)))
    try:
        yield InboxStore(client, Retention(1000, 1000), ContentStore(client))
    finally:
        client.close()


async def send(store: InboxStore, user: User, number: int, epoch: str) -> None:
    """Send some notifications, each offering an epoch should one begin."""
    for _ in range(number):
        await store.create(Content.encode(uuid4(), FIELDS), [Delivery(user)], Moment(1000, epoch), remember=False)


def positions(events: Sequence[Event]) -> list[str]:
    return [str(event.position) for event in events]


async def test_a_server_that_goes_on_where_it_stopped_goes_on_in_the_same_epoch(tmp_path: Path) -> None:
    user = new_user()
    with running_redis("valkey", tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server:
        async with store_on(server) as store:
            await send(store, user, 2, "a")
        server.stop()
        server.start()
        async with store_on(server) as store:
            await send(store, user, 2, "b")
            page = await store.read_log(user, Position("a", 1), "x")
            assert (page.reset_reason, positions(page.events)) == ("", ["a.2", "a.3", "a.4"])


async def test_an_epoch_begins_after_a_server_that_may_lack_something_was_marked(tmp_path: Path) -> None:
    user = new_user()
    with running_redis("valkey", tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server:
        for epoch in "ab":
            async with store_on(server) as store, Redis.from_url(server.url) as mark:
                await send(store, user, 2, epoch)
                await mark.set(keys.LIFE, f"after {epoch}")
            server.stop()
            server.start()
        async with store_on(server) as store:
            assert (await store.read_log(user, Position("a", 2), "x")).reset_reason == "epoch_changed"
            assert positions((await store.read_log(user, Position("b", 2), "x")).events) == ["b.3", "b.4"]


async def test_who_knows_events_that_a_promoted_replica_lacks_is_told_to_reset(tmp_path: Path) -> None:
    for name in ("primary", "replica"):
        (tmp_path / name).mkdir()
    user = new_user()
    with (
        running_redis("valkey", tmp_path / "primary") as primary,
        running_redis("valkey", tmp_path / "replica") as replica,
    ):
        async with store_on(primary) as store, Redis.from_url(primary.url) as old, Redis.from_url(replica.url) as new:
            await new.execute_command("REPLICAOF", "127.0.0.1", primary.port)
            await send(store, user, 8, "old")
            while not await old.execute_command("WAIT", 1, 1000):
                pass
            await new.execute_command("REPLICAOF", "NO", "ONE")
            await send(store, user, 2, "old")
        async with store_on(replica) as store:
            lost = Position("old", 10)
            assert (await store.read_log(user, lost, "x")).reset_reason == "position_unknown"
            await send(store, user, 3, "new")
            assert (await store.read_log(user, lost, "x")).reset_reason == "epoch_changed"
            page = await store.read_log(user, Position("new", 9), "x")
            assert (page.reset_reason, positions(page.events)) == ("", ["new.10", "new.11"])
