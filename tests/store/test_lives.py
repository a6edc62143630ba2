"""Servers that die, or whose replica takes over: no gap is silent, and nobody is reset who need not be."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from uuid import uuid4

from redis.asyncio import Redis

from gateway.domain.event import Event, Position
from gateway.domain.principal import User
from gateway.settings import Settings
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


async def test_the_first_event_after_a_restart_begins_an_epoch_and_who_was_up_to_date_goes_on(tmp_path: Path) -> None:
    user = new_user()
    with running_redis("valkey", tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server:
        async with store_on(server) as store:
            await send(store, user, 2, "a")
        server.stop()
        server.start()
        async with store_on(server) as store:
            assert (await store.read_log(user, Position("a", 2), "x")).end == Position("a", 2)
            await send(store, user, 2, "b")
            for known, missed in ((2, ["b.3", "b.4"]), (1, ["a.2", "b.3", "b.4"])):
                page = await store.read_log(user, Position("a", known), "x")
                assert (page.reset_reason, positions(page.events)) == ("", missed)


async def test_epochs_can_be_gone_through_one_after_the_other(tmp_path: Path) -> None:
    user = new_user()
    with running_redis("valkey", tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server:
        for epoch in "abc":
            async with store_on(server) as store:
                await send(store, user, 1, epoch)
            server.stop()
            server.start()
        async with store_on(server) as store:
            page = await store.read_log(user, Position("a", 0), "x")
            assert positions(page.events) == ["a.1", "b.2", "c.3"]


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
            page = await store.read_log(user, Position("old", 8), "x")
            assert (page.reset_reason, positions(page.events)) == ("", ["new.9", "new.10", "new.11"])
