"""Subscriptions: their bounds, and the index of the users who may be subscribed to a topic."""

import asyncio
import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.crc import key_slot

from gateway.domain.guard import UNGUARDED, Allowance, Guard, RateKind, RateLimitedError, UserDeletedError
from gateway.domain.ids import ProjectId
from gateway.domain.preferences import Channel, Status, Subscription
from gateway.domain.principal import Identity, User
from gateway.settings import Settings
from gateway.store import keys
from gateway.store import subscriptions as module
from gateway.store.deletion import DELETE_USER, UserDeletion
from gateway.store.deliveries import Delivery, Outcome
from gateway.store.directory import Directory
from gateway.store.errors import TooManyError
from gateway.store.event_log import LogRetention
from gateway.store.inbox import InboxStore
from gateway.store.library import LIBRARY
from gateway.store.preferences import PreferenceStore
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import FunctionCall, R
from gateway.store.redis.topology import Topology
from gateway.store.subscriptions import SubscriptionStore, decode_subscriptions
from tests.servers import RedisServer
from tests.store.conftest import InspectedClient, at, new_user
from tests.store.test_directory import Clock
from tests.store.test_inbox import content

ALL = {"*": ""}
OFF = {Channel.IN_APP: False}


@pytest.fixture
def subscriptions(client: InspectedClient) -> SubscriptionStore:
    return SubscriptionStore(client)


@pytest.fixture
def preference_store(client: InspectedClient) -> PreferenceStore:
    return PreferenceStore(client, LogRetention(events=1000, seconds=1000))


@pytest.fixture
def project() -> ProjectId:
    return new_user().project_id


async def users_of(client: FunctionClient, project: ProjectId, count: int) -> list[User]:
    """Create some users, in the order of the user index."""
    directory = Directory(client, Clock())
    return [await directory.resolve(project, Identity(f"u{number}")) for number in range(count)]


async def everyone(subscriptions: SubscriptionStore, project: ProjectId, topic: str = "t") -> list[User]:
    """Read the subscribers of a topic in pages."""
    found, cursor = await subscriptions.read_subscribers(project, topic, None, 2)
    while cursor is not None:
        page, cursor = await subscriptions.read_subscribers(project, topic, cursor, 2)
        found += page
    return found


async def test_subscribers_are_listed_in_the_order_of_the_user_index(
    subscriptions: SubscriptionStore, client: InspectedClient, project: ProjectId
) -> None:
    users = await users_of(client, project, 6)
    assert await everyone(subscriptions, project) == []
    for index in (3, 5, 0, 1, 4):
        await subscriptions.set(users[index], "t", Status.SUBSCRIBED, ALL)
    await subscriptions.set(users[2], "other", Status.SUBSCRIBED, ALL)
    await subscriptions.set(users[2], "t", Status.UNSUBSCRIBED, ALL)
    assert await everyone(subscriptions, project) == [users[index] for index in (0, 1, 3, 4, 5)]
    assert await everyone(subscriptions, project, "other") == [users[2]]


async def test_changes_between_pages_move_no_other_subscriber(
    subscriptions: SubscriptionStore, client: InspectedClient, project: ProjectId
) -> None:
    users = await users_of(client, project, 6)
    for user in users[1:]:
        await subscriptions.set(user, "t", Status.SUBSCRIBED, ALL)
    first, cursor = await subscriptions.read_subscribers(project, "t", None, 2)
    await subscriptions.set(users[0], "t", Status.SUBSCRIBED, ALL)
    for user in users[1:4]:
        await subscriptions.delete(user, "t")
    second, cursor = await subscriptions.read_subscribers(project, "t", cursor, 5)
    assert (first, second, cursor) == (users[1:3], users[4:], None)


async def test_a_user_that_deletes_the_topic_is_no_longer_listed(
    subscriptions: SubscriptionStore, client: InspectedClient, project: ProjectId
) -> None:
    (user,) = await users_of(client, project, 1)
    await subscriptions.set(user, "t", Status.SUBSCRIBED, ALL)
    assert await subscriptions.delete(user, "t")
    assert not await subscriptions.delete(user, "t")
    assert await everyone(subscriptions, project) == []
    assert [key async for key in client.redis.scan_iter(match=f"*{project}*:subscribers:*")] == []


async def test_a_deleted_user_is_no_longer_listed_wherever_the_deletion_stopped(
    subscriptions: SubscriptionStore, client: InspectedClient, project: ProjectId
) -> None:
    users = await users_of(client, project, 3)
    for user in users:
        for topic in ("t", "u"):
            await subscriptions.set(user, topic, Status.SUBSCRIBED, ALL)
    await UserDeletion(client).delete(users[0])
    # The second deletion stopped before the index was changed.
    await client.call(DELETE_USER(keys.user(project, users[1].id), 60))
    await Directory(client, Clock()).forget(users[1])
    for topic in ("t", "u"):
        assert await everyone(subscriptions, project, topic) == [users[2]]
        index = keys.directory(project) + keys.DIRECTORY_SUFFIXES["SUBSCRIBERS"] + topic
        assert await client.redis.zcard(index) == 2, "one subscriber, and the claim"


async def test_a_refused_subscription_leaves_nothing(
    subscriptions: SubscriptionStore,
    client: InspectedClient,
    project: ProjectId,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full, limited, deleted = await users_of(client, project, 3)
    monkeypatch.setattr(module, "MAX_TOPICS", 1)
    await subscriptions.set(full, "only", Status.SUBSCRIBED, ALL)
    with pytest.raises(TooManyError):
        await subscriptions.set(full, "t", Status.SUBSCRIBED, ALL)
    with pytest.raises(RateLimitedError):
        await subscriptions.set(limited, "t", Status.SUBSCRIBED, ALL, Guard(Allowance(RateKind.WRITES, 0)))
    await UserDeletion(client).delete(deleted)
    with pytest.raises(UserDeletedError):
        await subscriptions.set(deleted, "t", Status.SUBSCRIBED, ALL)
    names = [key async for key in client.redis.scan_iter(match=f"*{project}*:subscribers:*")]
    assert [name.rpartition(b":")[2] for name in names] == [b"only"]


async def test_a_refusal_removes_no_earlier_subscriber(
    subscriptions: SubscriptionStore, client: InspectedClient, project: ProjectId
) -> None:
    (user,) = await users_of(client, project, 1)
    await subscriptions.set(user, "t", Status.SUBSCRIBED, ALL)
    with pytest.raises(RateLimitedError):
        await subscriptions.set(user, "t", Status.SUBSCRIBED, ALL, Guard(Allowance(RateKind.WRITES, 0)))
    assert await everyone(subscriptions, project) == [user]


async def test_the_index_of_a_project_lies_in_the_slot_of_its_directory(
    subscriptions: SubscriptionStore, client: InspectedClient, project: ProjectId
) -> None:
    (user,) = await users_of(client, project, 1)
    await subscriptions.set(user, "}{", Status.SUBSCRIBED, ALL)
    names = [key async for key in client.redis.scan_iter(match=f"*{project}*") if user.id.encode() not in key]
    assert len(names) == 3
    assert len({key_slot(name) for name in names}) == 1


# ---- any interleaving


class SteppedClient(FunctionClient):
    """Holds each call until the test releases it, so that the test decides the order."""

    def __init__(self, client: FunctionClient):
        super().__init__(client.topology, client.library)
        self.waiting: list[asyncio.Future[None]] = []

    async def call(self, call: FunctionCall[R]) -> R:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        await turn
        return await super().call(call)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(st.sampled_from(["subscribe", "subscribe", "delete", "limited"]), min_size=2, max_size=4),
    st.lists(st.integers(0, 11), min_size=12, max_size=12),
)
def test_a_subscribed_user_is_in_the_index_in_any_order_of_calls(
    redis_server: RedisServer, actions: list[str], order: list[int]
) -> None:
    async def main() -> None:
        client = FunctionClient(Topology(Settings(redis_url=redis_server.url)), LIBRARY)
        plain = SubscriptionStore(client)
        try:
            (user,) = await users_of(client, new_user().project_id, 1)
            await interleave(client, user, actions, order)
            if await plain.of_topic(user, "t"):
                assert await everyone(plain, user.project_id) == [user]
        finally:
            client.close()

    asyncio.run(main())


async def interleave(client: FunctionClient, user: User, actions: list[str], order: list[int]) -> None:
    stepped = [SteppedClient(client) for _ in actions]
    tasks = [asyncio.create_task(act(one, user, action)) for one, action in zip(stepped, actions, strict=True)]
    turns = iter(order)
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        ready = [one for one in stepped if one.waiting]
        if ready:
            chosen = ready[next(turns, 0) % len(ready)]
            chosen.waiting.pop().set_result(None)
            while not chosen.waiting and not tasks[stepped.index(chosen)].done():
                await asyncio.sleep(0)
    await asyncio.gather(*tasks)


async def act(client: FunctionClient, user: User, action: str) -> None:
    subscriptions = SubscriptionStore(client)
    if action == "delete":
        await subscriptions.delete(user, "t")
        return
    guard = Guard(Allowance(RateKind.WRITES, 0)) if action == "limited" else UNGUARDED
    with contextlib.suppress(RateLimitedError):
        await subscriptions.set(user, "t", Status.SUBSCRIBED, ALL, guard)


async def all_of(subscriptions: SubscriptionStore, user: User) -> dict[str, dict[str, Subscription]]:
    """Return all subscriptions of a user, by topic."""
    page = await subscriptions.list_page(user, 1, 10_000)
    assert page.total == len(page.topics)
    return {topic.decode(): decode_subscriptions(packed) for topic, packed in page.topics}


async def test_too_many_topics_or_categories_of_one_are_refused(
    subscriptions: SubscriptionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_CATEGORIES", 2)
    monkeypatch.setattr(module, "MAX_TOPICS", 1)
    user = new_user()
    before = await subscriptions.set(user, "t", Status.SUBSCRIBED, {"a": "", "b": ""})
    with pytest.raises(TooManyError, match="more than 2 categories"):
        await subscriptions.set(user, "t", Status.UNSUBSCRIBED, {"*": ""})
    with pytest.raises(TooManyError, match="more than 1 topics"):
        await subscriptions.set(user, "other", Status.UNSUBSCRIBED, {"*": ""})
    assert await all_of(subscriptions, user) == {"t": before}


async def test_the_bytes_of_a_topic_are_bounded(
    subscriptions: SubscriptionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TOPIC_BYTES", 100)
    user = new_user()
    before = await subscriptions.set(user, "t", Status.SUBSCRIBED, {"a": "x" * 60})
    with pytest.raises(TooManyError, match="more than 100 bytes of categories and reasons in the topic"):
        await subscriptions.set(user, "t", Status.SUBSCRIBED, {"b": "x" * 60})
    assert await all_of(subscriptions, user) == {"t": before}


async def test_the_bytes_of_all_topics_of_a_user_are_bounded(
    subscriptions: SubscriptionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SUBSCRIPTION_BYTES", 200)
    user = new_user()
    for topic in ("t1", "t2"):
        await subscriptions.set(user, topic, Status.SUBSCRIBED, {"a": "x" * 60})
    for topic in ("t1", "t3"):
        with pytest.raises(TooManyError, match="more than 200 bytes of topics, categories and reasons"):
            await subscriptions.set(user, topic, Status.SUBSCRIBED, {"b": "x" * 60})
    assert (await all_of(subscriptions, user)).keys() == {"t1", "t2"}


async def test_deleting_a_topic_makes_room(subscriptions: SubscriptionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SUBSCRIPTION_BYTES", 200)
    user = new_user()
    for round_number in range(5):
        for topic in ("t1", "t2"):
            await subscriptions.set(user, topic, Status.SUBSCRIBED, {"a": "x" * 60})
        await subscriptions.set(user, "t1", Status.SUBSCRIBED, {"a": f"{round_number}"})
        assert await subscriptions.delete(user, "t1")
        assert await subscriptions.delete(user, "t2")
    assert await all_of(subscriptions, user) == {}


async def test_a_user_at_the_bound_can_still_unsubscribe_and_subscribe_again(
    subscriptions: SubscriptionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SUBSCRIPTION_BYTES", 90)
    user = new_user()
    await subscriptions.set(user, "t", Status.SUBSCRIBED, {"a": "x" * 70})
    for status, category in ((Status.UNSUBSCRIBED, "a"), (Status.SUBSCRIBED, "a"), (Status.UNSUBSCRIBED, "*")):
        found = await subscriptions.set(user, "t", status, {category: ""})
        assert found["a"].status is status


async def test_only_subscribers_of_the_category_get_what_is_for_subscribers(
    store: InboxStore, preference_store: PreferenceStore, subscriptions: SubscriptionStore
) -> None:
    of_category, of_all, of_another, of_none, muted = users = [new_user() for _ in range(5)]
    for user in (of_category, muted):
        await subscriptions.set(user, "t", Status.SUBSCRIBED, {"a": ""})
    await preference_store.update(muted, {"a": OFF}, None, at(1))
    await subscriptions.set(of_all, "t", Status.SUBSCRIBED, {"*": ""})
    await subscriptions.set(of_another, "t", Status.SUBSCRIBED, {"b": ""})
    await subscriptions.set(of_none, "t", Status.UNSUBSCRIBED, {"a": ""})
    one = content(category="a", topic="t")
    outcomes = await store.create(one, [Delivery(user) for user in users], at(2), False, subscribers_only=True)
    assert outcomes == [Outcome.CREATED, Outcome.CREATED, *[Outcome.MUTED] * 3]
