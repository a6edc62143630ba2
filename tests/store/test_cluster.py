"""A cluster: calls and subscriptions find the server of their key, wherever it has gone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.domain.principal import User
from gateway.settings import Settings
from gateway.store import keys
from gateway.store.client import FunctionClient, StoreUnavailableError
from gateway.store.contents import ContentStore
from gateway.store.inbox import InboxStore, Retention
from gateway.store.pubsub import PubSubLink
from gateway.store.topology import Topology, slot_of
from tests.cluster import Cluster, running_cluster
from tests.servers import wait_for
from tests.store.conftest import new_user
from tests.store.test_pubsub import Ears, until

FAILOVER_SECONDS = 20.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[FunctionClient]:
    client = FunctionClient(Topology(Settings(redis_url=cluster.url)))
    yield client
    client.close()


@pytest.fixture
def inboxes(client: FunctionClient) -> InboxStore:
    return InboxStore(client, Retention(events=1000, seconds=1000), ContentStore(client))


@pytest.fixture
async def ears(cluster: Cluster, client: FunctionClient) -> AsyncIterator[Ears]:
    link = PubSubLink(Settings(redis_url=cluster.url), client, new_user().id)
    ears = Ears(link)
    link.on_messages = lambda channel, messages: ears.heard.extend((channel, data) for data in messages)
    link.on_resubscribed = lambda channel: ears.resubscribed.update([channel])
    running = asyncio.create_task(link.run())
    await until(lambda: link.healthy)
    yield ears
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def users_on_every_primary(cluster: Cluster) -> list[User]:
    """Give one user for each primary."""
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
    answers = await client.call_many([("read_log", name, ("", "", "", "", "e", "", "", 10, 1000)) for name in names])
    assert len(answers) == 3
    assert len({slot_of(name) for name in names}) == 3


async def test_a_call_follows_a_slot_that_has_moved(cluster: Cluster, inboxes: InboxStore) -> None:
    user = new_user()
    before = await inboxes.read_log(user, None, "e")
    cluster.move_slot(channel(user))
    assert (await inboxes.read_log(user, None, "other")).end == before.end


async def test_what_is_published_anywhere_in_the_cluster_is_heard(
    cluster: Cluster, client: FunctionClient, ears: Ears
) -> None:
    for user in users_on_every_primary(cluster):
        await until_subscribed(ears, channel(user))
        await client.publish(channel(user), b"hello")
        await until_heard(ears, channel(user), b"hello")


async def test_a_subscription_moves_with_its_slot_and_is_reported(
    cluster: Cluster, client: FunctionClient, ears: Ears
) -> None:
    name = channel(new_user())
    await until_subscribed(ears, name)
    cluster.move_slot(name)
    await until(lambda: ears.resubscribed[name.encode()])
    await client.publish(name, b"after the move")
    await until_heard(ears, name, b"after the move")


async def test_calls_and_subscriptions_go_on_after_a_primary_died(
    cluster: Cluster, client: FunctionClient, inboxes: InboxStore, ears: Ears
) -> None:
    user = new_user()
    name = channel(user)
    await until_subscribed(ears, name)
    dead = cluster.kill_primary_of(name)
    try:
        await until(lambda: ears.resubscribed[name.encode()])
        await client.publish(name, b"after the failover")
        await until_heard(ears, name, b"after the failover")
        assert (await inboxes.read_log(user, None, "e")).end.offset == 0
    finally:
        dead.start()
        wait_for(cluster.healthy, "the dead server to come back", FAILOVER_SECONDS)


async def test_a_call_fails_clearly_while_no_node_answers() -> None:
    client = FunctionClient(Topology(Settings(redis_url="redis+cluster://127.0.0.1:1,127.0.0.1:2")))
    with pytest.raises(StoreUnavailableError):
        await client.call("read_log", "x")
    client.close()


async def until_subscribed(ears: Ears, name: str) -> None:
    """Subscribe, as a client that comes back would: until it works."""

    async def subscribed() -> bool:
        try:
            await ears.link.subscribe(name.encode())
        except StoreUnavailableError:
            return False
        return True

    deadline = asyncio.get_running_loop().time() + FAILOVER_SECONDS
    while not await subscribed():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)


async def until_heard(ears: Ears, name: str, data: bytes) -> None:
    """Wait until this was heard, once."""
    await until(lambda: (name.encode(), data) in ears.heard)
    assert ears.heard.count((name.encode(), data)) == 1
