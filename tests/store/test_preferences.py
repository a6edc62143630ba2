"""Preferences beyond the model: bounds, the event's bytes, one decision for each delivery."""

from uuid import uuid4

import msgspec
import pytest
from redis.crc import key_slot

from gateway.channels import expo
from gateway.domain.ids import ProjectId
from gateway.domain.preferences import V1_CHANNELS, Channel, Preference, Status
from gateway.store import keys, preferences
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.deliveries import Delivery, Outcome
from gateway.store.errors import TooManyError
from gateway.store.event_log import LogRetention
from gateway.store.inbox import InboxStore
from gateway.store.preferences import PreferenceStore
from gateway.store.subscriptions import SubscriptionStore
from tests.store.conftest import InspectedClient, at, new_user, place
from tests.store.test_inbox import content

OFF = {Channel.IN_APP: False}


@pytest.fixture
def preference_store(client: InspectedClient) -> PreferenceStore:
    return PreferenceStore(client, LogRetention(events=1000, seconds=1000))


@pytest.fixture
def subscriptions(client: InspectedClient) -> SubscriptionStore:
    return SubscriptionStore(client)


@pytest.fixture
def project() -> ProjectId:
    return new_user().project_id


async def test_the_event_has_the_changed_categories_with_all_channels_of_v1(
    store: InboxStore, preference_store: PreferenceStore
) -> None:
    user = new_user()
    await preference_store.update(user, {"b": {}, "": {Channel.SMS: False}, "a": {Channel.SMS: True}}, None, at(1))
    (event,) = (await store.read_log(user, place(user, 0), "x")).events
    channels = [{"slug": one.value, "label": one.label, "enabled": one is not Channel.SMS} for one in V1_CHANNELS]
    assert msgspec.json.decode(event.text)["data"] == {
        "notification_preferences": {
            "categories": [{"slug": "uncategorized", "label": "Uncategorized", "channels": channels}]
        }
    }


async def test_switching_a_channel_to_its_current_setting_makes_no_event(
    store: InboxStore, preference_store: PreferenceStore
) -> None:
    user = new_user()
    for _ in range(2):
        await preference_store.update(user, {"a": OFF, "b": {Channel.SMS: True}}, None, at(1))
    assert (await store.read_log(user, None, "x")).end.offset == 1


async def test_channels_of_v2_are_stored_only_while_they_are_off(
    client: InspectedClient, preference_store: PreferenceStore
) -> None:
    # A gateway of before these channels takes a longer code for a change.
    user = new_user()
    for switches, stored in (
        ({Channel.SMS: False}, b"111110"),
        ({Channel.TEAMS: False}, b"1111100"),
        ({Channel.TEAMS: True}, b"111110"),
    ):
        await preference_store.update(user, {"a": switches}, None, at(1))
        key = keys.user(user.project_id, user.id) + keys.USER_SUFFIXES["PREFERENCES"]
        assert await client.command("HGET", key, "a") == stored


async def test_the_log_of_a_new_user_may_begin_with_preferences(
    store: InboxStore, preference_store: PreferenceStore
) -> None:
    user = new_user()
    await preference_store.update(user, {"a": OFF}, "me", at(1))
    assert await store.create(content(category="b"), [Delivery(user)], at(2), remember=False) == [Outcome.CREATED]
    assert (await store.read_log(user, None, "x")).end == place(user, 2)


async def test_too_many_categories_are_all_refused(
    store: InboxStore, preference_store: PreferenceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preferences, "MAX_CATEGORIES", 2)
    user = new_user()
    await preference_store.update(user, {"a": OFF}, None, at(1))
    with pytest.raises(TooManyError, match="more than 2 categories"):
        await preference_store.update(user, {"a": {Channel.SMS: False}, "b": OFF, "c": OFF}, None, at(1))
    assert await preference_store.read(user) == {"a": Preference(frozenset({Channel.IN_APP}))}
    assert (await store.read_log(user, None, "x")).end.offset == 1
    await preference_store.update(user, {"a": {}, "b": OFF}, None, at(1))
    assert len(await preference_store.read(user)) == 2


async def test_a_preference_from_before_a_channel_existed_is_completed(
    store: InboxStore, preference_store: PreferenceStore, client: InspectedClient
) -> None:
    user = new_user()
    key = keys.user(user.project_id, user.id)
    await client.redis.hset(key, "format", "1")
    await client.redis.hset(key + keys.USER_SUFFIXES["PREFERENCES"], "a", "10")
    found = await preference_store.update(user, {"a": {Channel.SMS: False}}, None, at(1))
    assert found == {"a": Preference(frozenset({Channel.MOBILE_PUSH, Channel.SMS}))}


async def test_a_muted_notification_leaves_nothing_but_the_profile_in_its_request(
    store: InboxStore, preference_store: PreferenceStore
) -> None:
    user = new_user()
    await preference_store.update(user, {"a": OFF}, None, at(1))
    muted, heard = content(category="a"), content(category="b")
    joe = Delivery(user, {"first_name": "Joe"})
    assert await store.create(muted, [joe], at(2), remember=False) == [Outcome.MUTED]
    assert await store.get(user, muted.id) is None
    page = await store.read_log(user, None, "x")
    assert (page.end.offset, page.counts) == (1, (0, 0, 0, 0))
    await store.create(heard, [Delivery(user)], at(3), remember=False)
    item = msgspec.json.decode(await store.get(user, heard.id) or b"")
    assert item["recipient"]["first_name"] == "Joe"


async def test_a_repeated_request_has_the_same_outcome(store: InboxStore, preference_store: PreferenceStore) -> None:
    user, one = new_user(), content(uuid4(), category="a")
    await preference_store.update(user, {"a": OFF}, None, at(1))
    assert await store.create(one, [Delivery(user)], at(2), remember=True) == [Outcome.MUTED]
    await preference_store.update(user, {"a": {Channel.IN_APP: True}}, None, at(3))
    assert await store.create(one, [Delivery(user)], at(4), remember=True) == [Outcome.MUTED]


async def test_the_preferences_of_one_recipient_do_not_affect_the_others(
    store: InboxStore, preference_store: PreferenceStore, subscriptions: SubscriptionStore
) -> None:
    users = [new_user() for _ in range(4)]
    await preference_store.update(users[0], {"a": OFF}, None, at(1))
    await subscriptions.set(users[1], "t", Status.UNSUBSCRIBED, {"a": ""})
    await subscriptions.set(users[2], "t", Status.UNSUBSCRIBED, {"b": ""})
    one = content(category="a", topic="t")
    outcomes = await store.create(one, [Delivery(user) for user in users], at(2), remember=False)
    assert outcomes == [Outcome.MUTED, Outcome.MUTED, Outcome.CREATED, Outcome.CREATED]
    assert [await store.get(user, one.id) is not None for user in users] == [False, False, True, True]


async def test_all_keys_of_a_user_share_one_slot(
    preference_store: PreferenceStore, subscriptions: SubscriptionStore, client: InspectedClient
) -> None:
    user = new_user()
    await preference_store.update(user, {"a}{b": OFF}, None, at(1))
    await subscriptions.set(user, "{t}", Status.UNSUBSCRIBED, {"*": ""})
    await ChannelTokenStore(client).register(user, expo.TOKEN, {"device_token": "{token}"}, 1)
    names = [key async for key in client.redis.scan_iter(match=f"*{user.id}*")]
    assert len(names) == 5
    assert len({key_slot(name) for name in names}) == 1
