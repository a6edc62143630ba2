"""The same random commands run through the domain's rules and the Lua functions, with equal inboxes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.notification import ItemId
from gateway.domain.preferences import (
    UPDATE_EVENT,
    V1_CHANNELS,
    Channel,
    Preference,
    Status,
    Subscription,
    reaches_inbox,
    slug_of,
    subscriptions_after,
)
from gateway.settings import Settings
from gateway.store.contents import ContentStore
from gateway.store.deliveries import Delivery, Outcome
from gateway.store.event_log import LogRetention
from gateway.store.inbox import InboxStore
from gateway.store.library import LIBRARY
from gateway.store.preferences import PreferenceStore
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from gateway.store.subscriptions import SubscriptionStore
from tests.servers import RedisServer
from tests.store.conftest import at, new_user, place
from tests.store.model import Inbox
from tests.store.test_inbox import content
from tests.store.test_subscriptions import all_of

CATEGORIES = ["", "a", "b:1", "ü}", "1"]
TOPICS = ["t", "/a", '"{}']

categories = st.sampled_from(CATEGORIES)
topics = st.sampled_from(TOPICS)


@dataclass(frozen=True)
class Send:
    id: UUID
    category: str
    topic: str
    remember: bool
    subscribers_only: bool


@dataclass(frozen=True)
class Delete:
    id: UUID


@dataclass(frozen=True)
class Switch:
    switches: dict[str, dict[Channel, bool]]


@dataclass(frozen=True)
class Say:
    topic: str
    status: Status
    reasons: dict[str, str]


@dataclass(frozen=True)
class Forget:
    topic: str


Step = Send | Delete | Switch | Say | Forget
ids = st.integers(1, 8).map(lambda number: UUID(int=number))
sends = st.builds(Send, ids, categories, topics | st.just(""), st.booleans(), st.booleans())
some_channels = st.sampled_from([Channel.IN_APP, Channel.IN_APP, Channel.EMAIL, Channel.SMS])
some_reasons = st.sampled_from(["", "r", 'because "/"'])
steps = st.one_of(
    sends,
    sends,
    st.builds(Delete, ids),
    st.builds(Switch, st.dictionaries(categories, st.dictionaries(some_channels, st.booleans()), max_size=3)),
    st.builds(
        Say,
        topics,
        st.sampled_from(Status),
        st.dictionaries(categories | st.just("*"), some_reasons, min_size=1, max_size=3),
    ),
    st.builds(Forget, topics),
)


@dataclass
class Model:
    """One user in plain Python: the inbox of the other model, and preferences by the domain's functions."""

    inbox: Inbox = field(default_factory=Inbox)
    preferences: dict[str, Preference] = field(default_factory=dict)
    subscriptions: dict[str, dict[str, Subscription]] = field(default_factory=dict)
    changes: list[list[tuple[str, dict[str, bool]]]] = field(default_factory=list)

    def send(self, step: Send, now: int) -> Outcome:
        category, said = step.category, self.subscriptions.get(step.topic, {})
        muted = not reaches_inbox(self.preferences.get(category, Preference()), said, category)
        word = said.get(category, said.get("*"))
        subscribed = not step.subscribers_only or (word is not None and word.status is Status.SUBSCRIBED)
        return self.inbox.create(str(step.id), category, step.topic, now, step.remember, subscribed, muted)

    def switch(self, switches: dict[str, dict[Channel, bool]]) -> dict[str, Preference]:
        before = {category: self.preferences.get(category, Preference()) for category in switches}
        after = {category: before[category].switched(changes) for category, changes in switches.items()}
        self.preferences |= after
        changed = [category for category in switches if after[category] != before[category]]
        if changed:
            self.inbox._append(UPDATE_EVENT, None)
            # A channel that v1 does not have is listed only if it is or was off.
            listed = {
                name: [one for one in Channel if one in V1_CHANNELS or one in after[name].off | before[name].off]
                for name in changed
            }
            self.changes.append(
                [(slug_of(name), {one.value: after[name].allows(one) for one in listed[name]}) for name in changed]
            )
        return self.preferences

    def say(self, topic: str, status: Status, reasons: dict[str, str]) -> dict[str, Subscription]:
        self.subscriptions[topic] = subscriptions_after(self.subscriptions.get(topic, {}), status, reasons)
        return self.subscriptions[topic]


@dataclass(frozen=True)
class Stores:
    inboxes: InboxStore
    preferences: PreferenceStore
    subscriptions: SubscriptionStore


@pytest.fixture
def run(redis_server: RedisServer) -> Callable[[Any], None]:
    """Run a coroutine function with stores of its own, because Hypothesis has no event loop."""

    def in_loop(work: Any) -> None:
        async def main() -> None:
            client, retention = (
                FunctionClient(Topology(Settings(redis_url=redis_server.url)), LIBRARY),
                LogRetention(1000, 1000),
            )
            inboxes = InboxStore(client, retention, ContentStore(client))
            try:
                await work(Stores(inboxes, PreferenceStore(client, retention), SubscriptionStore(client)))
            finally:
                client.close()

        asyncio.run(main())

    return in_loop


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(steps, max_size=30))
def test_the_functions_agree_with_the_rules(run: Callable[[Any], None], sequence: list[Step]) -> None:
    async def work(stores: Stores) -> None:
        user, model = new_user(), Model()
        for now, step in enumerate(sequence, 100):
            match step:
                case Send(notification_id, category, topic, remember, subscribers_only):
                    one = content(notification_id, category=category, topic=topic)
                    found = await stores.inboxes.create(one, [Delivery(user)], at(now), remember, subscribers_only)
                    assert found == [model.send(step, now)], step
                case Delete(notification_id):
                    deleted = await stores.inboxes.delete(user, ItemId(notification_id.bytes), None, at(now))
                    assert bool(deleted) == model.inbox.delete(str(notification_id)), step
                case Switch(switches):
                    preferences = await stores.preferences.update(user, switches, "c", at(now))
                    assert preferences == model.switch(switches), step
                case Say(topic, status, reasons):
                    said = await stores.subscriptions.set(user, topic, status, reasons)
                    assert said == model.say(topic, status, reasons), step
                case Forget(topic):
                    known = model.subscriptions.pop(topic, None) is not None
                    assert await stores.subscriptions.delete(user, topic) is known, step
        assert await stores.preferences.read(user) == model.preferences
        assert await all_of(stores.subscriptions, user) == model.subscriptions
        for topic in TOPICS:
            assert await stores.subscriptions.of_topic(user, topic) == model.subscriptions.get(topic, {})

        page = await stores.inboxes.read_log(user, place(user, 0), "e0")
        found_log, changes = [], []
        for offset, event in enumerate(page.events, 1):
            text = msgspec.json.decode(event.text)
            assert text["position"] == str(event.position) == str(place(user, offset))
            found_log.append((event.name, text["unread_count"], text["unseen_count"]))
            if event.name == UPDATE_EVENT:
                assert text["data"]["client_id"] == "c"
                listed = text["data"]["notification_preferences"]["categories"]
                changes.append(
                    [(row["slug"], {one["slug"]: one["enabled"] for one in row["channels"]}) for row in listed]
                )
        assert found_log == [(entry["name"], *entry["counts"][:2]) for entry in model.inbox.log]
        assert changes == model.changes

    run(work)
