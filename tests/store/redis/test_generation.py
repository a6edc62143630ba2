"""Servers that die, or whose replica takes over: every gap is detected, and no client is reset without need."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis
from redis.asyncio import Redis

from gateway.domain.event import Event, Position
from gateway.domain.principal import User
from gateway.settings import Settings
from gateway.store import keys
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.deliveries import Delivery
from gateway.store.event_log import LogRetention, Moment
from gateway.store.inbox import InboxStore
from gateway.store.library import LIBRARY
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.generation import note_generation
from gateway.store.redis.topology import Topology
from tests.servers import RedisServer, running_redis, wait_for
from tests.store.conftest import close, new_user

FIELDS = NotificationFields(title="t", topic="")


@contextlib.asynccontextmanager
async def client_on(server: RedisServer) -> AsyncIterator[FunctionClient]:
    """The connection of a worker that has just started."""
    client = FunctionClient(Topology(Settings(redis_url=server.url)), LIBRARY)
    try:
        yield client
    finally:
        await close(client)


@contextlib.asynccontextmanager
async def store_on(server: RedisServer) -> AsyncIterator[InboxStore]:
    """The inboxes of such a worker."""
    async with client_on(server) as client:
        yield InboxStore(client, LogRetention(1000, 1000), ContentStore(client))


async def send(store: InboxStore, user: User, number: int, epoch: str, now_ms: int = 1000) -> None:
    """Send some notifications, each with a new epoch in case one begins."""
    for _ in range(number):
        content = Content.encode(str(uuid4()), FIELDS)
        await store.create(content, [Delivery(user)], Moment(now_ms, epoch), remember=False)


def offsets(events: Sequence[Event], epoch: str) -> list[int]:
    """Return the offsets of events, all of which are of this epoch."""
    assert {event.position.epoch for event in events} <= {epoch}
    return [event.position.offset for event in events]


async def end(store: InboxStore, user: User) -> Position:
    """Return the newest position of a user's log."""
    return (await store.read_log(user, None, "x")).end


async def test_a_server_that_goes_on_where_it_stopped_goes_on_in_the_same_epoch(tmp_path: Path) -> None:
    user = new_user()
    with running_redis("valkey", tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server:
        async with store_on(server) as store:
            await send(store, user, 2, "a")
            epoch = (await end(store, user)).epoch
        server.stop()
        server.start()
        async with store_on(server) as store:
            await send(store, user, 2, "b")
            page = await store.read_log(user, Position(epoch, 1), "x")
            assert (page.reset_reason, offsets(page.events, epoch)) == ("", [2, 3, 4])


async def test_an_epoch_begins_after_a_server_that_may_lack_something_was_marked(tmp_path: Path) -> None:
    user = new_user()
    with running_redis("valkey", tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server:
        ends: list[Position] = []
        for _ in range(2):
            async with store_on(server) as store, Redis.from_url(server.url) as mark:
                await send(store, user, 2, "the same")
                ends.append(await end(store, user))
                await mark.set(keys.GENERATION, f"after {len(ends)}")
            server.stop()
            server.start()
        first, second = ends
        async with store_on(server) as store:
            assert (await store.read_log(user, first, "x")).reset_reason == "epoch_changed"
            page = await store.read_log(user, Position(second.epoch, 2), "x")
            assert offsets(page.events, second.epoch) == [3, 4]


@contextlib.contextmanager
def running_pair(directory: Path) -> Iterator[tuple[RedisServer, RedisServer]]:
    """A primary and its replica, which both keep their data over a restart."""
    for name in ("primary", "replica"):
        (directory / name).mkdir()
    options = ["--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0"]
    options += ["--repl-ping-replica-period", "1000"]  # the primary sends the replica no other commands in between
    with (
        running_redis("valkey", directory / "primary", *options) as primary,
        running_redis("valkey", directory / "replica", *options) as replica,
    ):
        follow(replica, primary)
        yield primary, replica


def follow(server: RedisServer, primary: RedisServer | None) -> None:
    """Make a server the replica of another, and wait until it has all data; or make it a primary."""
    if primary is None:
        ask(server, "REPLICAOF", "NO", "ONE")
        return
    ask(server, "REPLICAOF", "127.0.0.1", primary.port)
    in_step(primary, server)


def in_step(primary: RedisServer, replica: RedisServer) -> None:
    """Wait until a replica has everything of its primary."""

    def is_in_step() -> bool:
        mine, theirs = (ask(server, "INFO", "replication") for server in (replica, primary))
        return bool(mine["master_link_status"] == "up" and mine["slave_repl_offset"] == theirs["master_repl_offset"])

    wait_for(is_in_step, "the replica to be in step", 30)


def ask(server: RedisServer, *command: str | int) -> Any:
    with redis.Redis(port=server.port) as client:
        return client.execute_command(*command)


async def test_a_client_with_events_that_a_promoted_replica_lacks_is_reset(tmp_path: Path) -> None:
    user = new_user()
    with running_pair(tmp_path) as (primary, replica):
        async with store_on(primary) as store:
            await send(store, user, 8, "old")
            in_step(primary, replica)
            follow(replica, None)
            await send(store, user, 2, "old")
            lost = await end(store, user)
        async with store_on(replica) as store:
            assert (await store.read_log(user, lost, "x")).reset_reason == "position_unknown"
            await send(store, user, 3, "new")
            assert (await store.read_log(user, lost, "x")).reset_reason == "epoch_changed"
            new = (await end(store, user)).epoch
            page = await store.read_log(user, Position(new, 9), "x")
            assert (page.reset_reason, offsets(page.events, new)) == ("", [10, 11])


async def test_a_promoted_replica_that_restarts_before_any_write_keeps_its_generation(
    tmp_path: Path,
) -> None:
    user = new_user()
    with running_pair(tmp_path) as (primary, replica):
        async with store_on(primary) as store:
            await send(store, user, 8, "old")
            in_step(primary, replica)
            follow(replica, None)
            await send(store, user, 2, "old")
            lost = await end(store, user)
        async with client_on(replica) as client:
            await note_generation(client, client.topology.nodes[0])
        replica.stop()
        replica.start()
        async with store_on(replica) as store:
            await send(store, user, 3, "new")
            assert (await store.read_log(user, lost, "x")).reset_reason == "epoch_changed"
            new = (await end(store, user)).epoch
        replica.stop()
        replica.start()
        async with store_on(replica) as store:
            await send(store, user, 1, "x")
            page = await store.read_log(user, Position(new, 10), "x")
            assert (page.reset_reason, offsets(page.events, new)) == ("", [11, 12])


async def test_a_server_that_is_promoted_again_without_a_restart_begins_another_life(tmp_path: Path) -> None:
    user = new_user()
    with running_pair(tmp_path) as (first, second):
        async with store_on(first) as store:
            await send(store, user, 1, "a", now_ms=10_000)
            in_step(first, second)
        follow(second, None)
        follow(first, second)
        async with store_on(second) as store:
            await send(store, user, 8, "b", now_ms=20_000)
            in_step(second, first)
            follow(first, None)
            await send(store, user, 2, "b", now_ms=20_000)
            lost = Position((await end(store, user)).epoch, 11)
        full = ask(second, "INFO", "stats")["sync_full"]
        assert full == 0, "the first server has what its functions remembered"
        async with store_on(first) as store:
            await send(store, user, 3, "c", now_ms=30_000)
            assert (await store.read_log(user, lost, "x")).reset_reason == "epoch_changed"
