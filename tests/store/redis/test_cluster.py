"""A cluster: calls and subscriptions reach the server of their key, even if its slot has moved."""

import asyncio
import concurrent.futures
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from gateway.domain.delivery import (
    Claim,
    DeliveryState,
    EntryRecord,
    EntryResult,
    Lane,
    LaneReport,
    OutboxPlan,
    Route,
    UserResults,
)
from gateway.domain.ids import ProjectId
from gateway.domain.notification import Filter
from gateway.domain.principal import User
from gateway.domain.retention import KEEP_ALL
from gateway.sending.outbox import OutboxSender
from gateway.sending.outgoing import OutgoingItem
from gateway.settings import Settings
from gateway.store import keys
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.deliveries import Delivery, Outcome
from gateway.store.event_log import LogRetention
from gateway.store.guarded import guard_arguments
from gateway.store.inbox import READ_LOG, InboxStore
from gateway.store.lanes import LaneStore, shard_of
from gateway.store.libraries import LibraryCleaner
from gateway.store.library import LIBRARY
from gateway.store.outbox import OutboxStore
from gateway.store.redis.client import FunctionClient, StoreUnavailableError
from gateway.store.redis.functions import FunctionCall
from gateway.store.redis.subscriber import Subscriber
from gateway.store.redis.topology import Topology, slot_of
from tests.cluster import PRIMARIES, Cluster, running_cluster
from tests.servers import wait_for
from tests.store.conftest import at, close, new_user
from tests.store.redis.test_subscriber import Received
from tests.store.test_libraries import version

FAILOVER_SECONDS = 40.0


def read_call(name: str) -> FunctionCall[Any]:
    """Return a call that reads the current position of a user, by the user's key."""
    call = READ_LOG(
        epoch_if_new="e", after_epoch="", after_offset="", max_events=10, max_bytes=1000, seen_at=0, tokens=()
    )
    return call.with_guard(name, guard_arguments())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[FunctionClient]:
    client = FunctionClient(Topology(Settings(redis_url=cluster.url)), LIBRARY)
    yield client
    await close(client)


@pytest.fixture
def inboxes(client: FunctionClient) -> InboxStore:
    return InboxStore(client, LogRetention(events=1000, seconds=1000), ContentStore(client))


@pytest.fixture
async def received(cluster: Cluster, client: FunctionClient) -> AsyncIterator[Received]:
    subscriber = Subscriber(client, new_user().id)
    received = Received(subscriber)
    subscriber.on_messages = lambda channel, messages: received.messages.extend((channel, data) for data in messages)
    subscriber.on_resubscribed = lambda channel: received.resubscribed.update([channel])
    running = asyncio.create_task(subscriber.run())
    await until(lambda: subscriber.healthy)
    yield received
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def users_on_every_primary(cluster: Cluster) -> list[User]:
    """Return one user for each primary."""
    found: dict[int, User] = {}
    while len(found) < 3:
        user = new_user()
        found.setdefault(cluster.primary_of(channel(user)).port, user)
    return list(found.values())


def channel(user: User) -> str:
    return keys.user(user.project_id, user.id)


async def test_a_call_finds_the_server_of_its_key(cluster: Cluster, inboxes: InboxStore) -> None:
    for user in users_on_every_primary(cluster):
        assert (await inboxes.read_log(user, None, "e")).end.offset == 0


async def test_calls_of_many_slots_go_out_together(cluster: Cluster, client: FunctionClient) -> None:
    names = [channel(user) for user in users_on_every_primary(cluster)]
    answers = await client.call_many([read_call(name) for name in names])
    assert len(answers) == 3
    assert len({slot_of(name) for name in names}) == 3


async def test_a_call_follows_a_slot_that_has_moved(cluster: Cluster, inboxes: InboxStore) -> None:
    user = new_user()
    before = await inboxes.read_log(user, None, "e")
    cluster.move_slot(channel(user))
    assert (await inboxes.read_log(user, None, "other")).end == before.end


async def test_a_call_never_reads_half_of_a_user_whose_slot_is_moving(
    cluster: Cluster, client: FunctionClient, inboxes: InboxStore
) -> None:
    user = new_user()
    await create(inboxes, user, 3)
    on_the_way = asyncio.Event()
    loop = asyncio.get_running_loop()
    created: list[concurrent.futures.Future[None]] = []

    def create_in_the_middle() -> None:
        created.append(asyncio.run_coroutine_threadsafe(create(inboxes, user, 1), loop))
        loop.call_soon_threadsafe(on_the_way.set)
        with contextlib.suppress(TimeoutError):
            created[-1].result(0.02)

    await asyncio.to_thread(cluster.move_slot, channel(user), create_in_the_middle)
    assert on_the_way.is_set()
    await asyncio.gather(*map(asyncio.wrap_future, created))
    page = await inboxes.read_log(user, None, "x")
    assert (page.end.offset, page.counts.unread) == (3 + len(created), 3 + len(created))
    listed = await inboxes.list_page(user, Filter(), 1, 100)
    assert (listed.total, len(listed.items)) == (3 + len(created), 3 + len(created))


async def test_a_hung_primary_fails_its_own_calls_in_time_and_no_others(cluster: Cluster) -> None:
    client = FunctionClient(Topology(Settings(redis_url=cluster.url, redis_timeout_seconds=0.5)), LIBRARY)
    names = [channel(user) for user in users_on_every_primary(cluster)]
    await asyncio.gather(*(read(client, name) for name in names))
    with cluster.hung_primary_of(names[0]):
        started = time.monotonic()
        with pytest.raises(StoreUnavailableError):
            await client.call_many([read_call(name) for name in names])
        assert time.monotonic() - started < 10
        for name in names[1:]:
            await read(client, name)
        async with asyncio.timeout(FAILOVER_SECONDS):  # its replica takes over
            while not await is_readable(client, names[0]):
                await asyncio.sleep(0.05)
    await asyncio.to_thread(wait_for, cluster.healthy, "the hung server to come back", FAILOVER_SECONDS)
    await asyncio.gather(*(read(client, name) for name in names))
    await close(client)


async def test_a_hung_primary_stops_no_deliveries_whose_lanes_are_on_others(cluster: Cluster) -> None:
    client = FunctionClient(Topology(Settings(redis_url=cluster.url, redis_timeout_seconds=0.5)), LIBRARY)
    lanes = LaneStore(client)
    hung = lanes.channels[0].decode()
    project_ids = (ProjectId(str(number)) for number in range(1000))
    project_id = next(
        each
        for each in project_ids
        if cluster.primary_of(lanes.channels[shard_of(each)].decode()).port != cluster.primary_of(hung).port
    )
    user_id = new_user().id
    with cluster.hung_primary_of(hung):
        await lanes.add(Lane(project_id, Route.EMAIL), user_id)
        async with asyncio.timeout(FAILOVER_SECONDS):
            while (claims := await claims_through_failures(lanes)) == []:
                await asyncio.sleep(0.01)
        assert [list(claim.users) for claim in claims] == [[user_id]]
        await lanes.done(claims[0], {user_id: None}, LaneReport())
    await asyncio.to_thread(wait_for, cluster.healthy, "the hung server to come back", FAILOVER_SECONDS)
    await close(client)


async def claims_through_failures(lanes: LaneStore) -> list[Claim]:
    """Claim what is due. A failure of a shard is no claim."""
    try:
        return await lanes.claim(10, 30_000)
    except StoreUnavailableError:
        return []


async def test_one_node_that_replies_is_enough_at_the_start(cluster: Cluster) -> None:
    url = cluster.url.replace("redis+cluster://", "redis+cluster://127.0.0.1:1,")
    client = FunctionClient(Topology(Settings(redis_url=url)), LIBRARY)
    await read(client, channel(new_user()))
    await close(client)


async def test_what_is_published_anywhere_in_the_cluster_is_received(
    cluster: Cluster, client: FunctionClient, received: Received
) -> None:
    for user in users_on_every_primary(cluster):
        await until_subscribed(received, channel(user))
        await client.publish(channel(user), b"hello")
        await until_received(received, channel(user), b"hello")


async def test_a_subscription_moves_with_its_slot_and_is_reported(
    cluster: Cluster, client: FunctionClient, received: Received
) -> None:
    name = channel(new_user())
    await until_subscribed(received, name)
    cluster.move_slot(name)
    await until(lambda: received.resubscribed[name.encode()])
    await client.publish(name, b"after the move")
    await until_received(received, name, b"after the move")


async def test_a_slot_that_moves_disturbs_no_other_subscription(
    cluster: Cluster, client: FunctionClient, received: Received
) -> None:
    name = channel(new_user())
    primary = cluster.primary_of(name)
    stays = channel(new_user())
    while cluster.primary_of(stays) is not primary:
        stays = channel(new_user())
    for each in (name, stays):
        await until_subscribed(received, each)
    cluster.move_slot(name)
    await until(lambda: received.resubscribed[name.encode()])
    await client.publish(stays, b"still there")
    await until_received(received, stays, b"still there")
    assert not received.resubscribed[stays.encode()]


async def test_a_channel_subscribed_at_the_old_server_of_its_slot_is_subscribed_at_the_new_one(
    cluster: Cluster, client: FunctionClient, received: Received
) -> None:
    name, other = channel(new_user()), channel(new_user())
    await until_subscribed(received, other)
    cluster.move_slot(name)  # the client's slot map is now out of date
    await received.subscriber.subscribe(name.encode())
    await client.publish(name, b"after the move")
    await until_received(received, name, b"after the move")
    assert not received.resubscribed[other.encode()]


async def test_the_probe_receives_messages_after_its_slot_has_moved(cluster: Cluster, received: Received) -> None:
    def probe_channels() -> set[tuple[int, str]]:
        found = ((server.port, cluster.execute(server, "PUBSUB", "SHARDCHANNELS")) for server in cluster.servers)
        return {(port, name.decode()) for port, names in found for name in names if b"{probe:" in name}

    async def one_at_each_primary(*, but: set[tuple[int, str]]) -> set[tuple[int, str]]:
        async with asyncio.timeout(FAILOVER_SECONDS):
            # In a thread, because calls to six servers would block the event loop.
            while len(found := await asyncio.to_thread(probe_channels)) != PRIMARIES or found & but:
                await asyncio.sleep(0.05)
        return found

    before = await one_at_each_primary(but=set())
    for _, name in before:
        cluster.move_slot(name)
    await one_at_each_primary(but=before)  # one server may continue with the generation that another had
    last_activity_at = received.subscriber.last_activity_at
    await until(lambda: received.subscriber.last_activity_at > last_activity_at)
    assert received.subscriber.healthy


async def test_calls_and_subscriptions_go_on_after_a_primary_died(
    cluster: Cluster, client: FunctionClient, inboxes: InboxStore, received: Received
) -> None:
    user = new_user()
    name = channel(user)
    await until_subscribed(received, name)
    dead = cluster.kill_primary_of(name)
    try:
        await until(lambda: received.resubscribed[name.encode()])
        await client.publish(name, b"after the failover")
        await until_received(received, name, b"after the failover")
        assert (await inboxes.read_log(user, None, "e")).end.offset == 0
    finally:
        dead.start()
        wait_for(cluster.healthy, "the dead server to come back", FAILOVER_SECONDS)


async def test_a_call_fails_clearly_while_no_node_replies() -> None:
    client = FunctionClient(Topology(Settings(redis_url="redis+cluster://127.0.0.1:1,127.0.0.1:2")), LIBRARY)
    with pytest.raises(StoreUnavailableError):
        await client.call(read_call("x"))
    await close(client)


async def test_an_unused_library_is_deleted_on_every_primary(cluster: Cluster, client: FunctionClient) -> None:
    old = version("01d")
    loading = FunctionClient(Topology(Settings(redis_url=cluster.url)), old)
    await loading.load()
    await close(loading)
    nodes = await client.nodes()
    assert len(nodes) == PRIMARIES

    async def has_old() -> list[bool]:
        return [bool(await client.run_on(node, "FUNCTION", "LIST", "LIBRARYNAME", old.name)) for node in nodes]

    assert all(await has_old())
    cleaner = LibraryCleaner(client, keep_seconds=0.2, report_seconds=0.1)
    async with asyncio.timeout(10):
        while any(await has_old()):
            await cleaner.clean()
            await asyncio.sleep(0.02)
    await client.load()


async def create(inboxes: InboxStore, user: User, number: int) -> None:
    """Send some notifications to a user."""
    for _ in range(number):
        content = Content.encode(str(uuid4()), NotificationFields(title="t", topic=""))
        assert await inboxes.create(content, [Delivery(user)], at(1)._replace(new_epoch="e"), remember=False)


async def read(client: FunctionClient, name: str) -> None:
    """Read a user's log."""
    await client.call(read_call(name))


async def is_readable(client: FunctionClient, name: str) -> bool:
    """Return whether a user's log can be read now."""
    with contextlib.suppress(StoreUnavailableError):
        await read(client, name)
        return True
    return False


async def until_subscribed(received: Received, name: str) -> None:
    """Subscribe again and again until it works, as a client that reconnects does."""

    async def subscribed() -> bool:
        try:
            await received.subscriber.subscribe(name.encode())
        except StoreUnavailableError:
            return False
        return True

    deadline = asyncio.get_running_loop().time() + FAILOVER_SECONDS
    while not await subscribed():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds, for as long as a cluster may take on a busy machine."""
    async with asyncio.timeout(FAILOVER_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


async def until_received(received: Received, name: str, data: bytes) -> None:
    """Wait until this was received, once."""
    await until(lambda: (name.encode(), data) in received.messages)
    assert received.messages.count((name.encode(), data)) == 1


async def test_deliveries_are_written_claimed_and_recorded_in_the_slots_of_their_users_and_lanes(
    client: FunctionClient, inboxes: InboxStore
) -> None:
    lanes, contents = LaneStore(client), ContentStore(client)
    sender, outbox = OutboxSender(inboxes, lanes), OutboxStore(client, contents, ChannelTokenStore(client))
    project_id = new_user().project_id
    users = [User(project_id, new_user().id, f"u{number}", f"{number}@example.com") for number in range(20)]
    content = Content.encode(str(uuid4()), NotificationFields(title="t"))
    plan = OutboxPlan(((Route.EMAIL, 0),))
    outcomes = await sender.send_each(OutgoingItem(content, at(1), KEEP_ALL, repeatable=True), users, plan)
    assert set(outcomes) == {Outcome.CREATED}
    await sender.flush()
    delivered = set[str]()
    while claims := await lanes.claim(100, 30_000):
        for claim in claims:
            taken = await outbox.take(claim)
            ended = EntryRecord(DeliveryState.DELIVERED)
            results = [UserResults(each, [EntryResult(one.id, ended) for one in each.entries]) for each in taken]
            recorded = await outbox.record(results)
            dues = {each.taken.user_id: known.next_ms for each, known in zip(results, recorded, strict=True)}
            await lanes.done(claim, dues, LaneReport(messages=len(taken), delivered=len(taken)))
            delivered |= {each.user_id for each in taken if each.entries}
    assert delivered == {user.id for user in users}
    assert await lanes.of_project(project_id) == []
