"""The retention of items: which ones are removed, when, and with which events."""

import time

import msgspec
import pytest

from gateway.domain.notification import Command, Filter
from gateway.domain.principal import User
from gateway.domain.retention import ItemRetention
from gateway.store.contents import Content
from gateway.store.deletion import UserDeletion
from gateway.store.deliveries import Delivery, Outcome
from gateway.store.event_log import LogRetention
from gateway.store.inbox import InboxStore
from gateway.store.trimming import ItemTrimmer, Trimmed
from tests.store.conftest import InspectedClient, at, new_user, place
from tests.store.test_inbox import content


@pytest.fixture
def trimmer(client: InspectedClient) -> ItemTrimmer:
    return ItemTrimmer(client, LogRetention(events=1000, seconds=1000))


async def send(store: InboxStore, user: User, now: float, keep: ItemRetention, title: str = "t") -> Content:
    one = content(title=title)
    assert await store.create(one, [Delivery(user)], at(now), remember=True, keep=keep) == [Outcome.CREATED]
    return one


async def ids_of(store: InboxStore, user: User) -> list[str]:
    page = await store.list_page(user, Filter(), 1, 100)
    assert page.total == len(page.items)
    return [msgspec.json.decode(item)["id"] for item in page.items]


async def names_of(store: InboxStore, user: User) -> list[str]:
    return [event.name for event in (await store.read_log(user, place(user, 0), "e0")).events]


async def test_a_new_item_displaces_the_oldest_one_beyond_the_count(store: InboxStore) -> None:
    user, keep = new_user(), ItemRetention(items=2)
    sent = [await send(store, user, now, keep) for now in (1, 2, 3)]
    assert await ids_of(store, user) == [one.id_text for one in reversed(sent[1:])]
    assert (await names_of(store, user))[-2:] == ["notifications/new", "notifications/delete"]


async def test_the_event_of_a_removed_item_names_it_and_carries_the_counts_without_it(store: InboxStore) -> None:
    user, keep = new_user(), ItemRetention(items=2)
    first, *_ = [await send(store, user, now, keep) for now in (1, 2, 3)]
    event = msgspec.json.decode((await store.read_log(user, place(user, 0), "e0")).events[-1].text)
    assert event["data"]["id"] == event["data"]["notification"]["id"] == first.id_text
    assert "client_id" not in event["data"]
    assert (event["unread_count"], event["unseen_count"]) == (2, 2)
    assert event["unarchived"] == {"unread_count": 2, "unseen_count": 2}


async def test_the_oldest_item_is_removed_whatever_its_state_is(store: InboxStore) -> None:
    user, keep = new_user(), ItemRetention(items=3)
    sent = [await send(store, user, now, keep) for now in (1, 2, 3)]
    for one, command in ((sent[0], Command.ARCHIVE), (sent[1], Command.READ), (sent[2], Command.SEEN)):
        assert await store.change(user, one.id, command, None, at(4))
    for now in (5, 6, 7):
        await send(store, user, now, keep)
        assert sent[now - 5].id_text not in await ids_of(store, user)
        assert len(await ids_of(store, user)) == 3


async def test_a_new_item_displaces_those_that_are_too_old(store: InboxStore) -> None:
    user, keep = new_user(), ItemRetention(seconds=10)
    sent = [await send(store, user, now, keep) for now in (100, 101, 109)]
    await send(store, user, 111, keep)
    assert sent[0].id_text not in await ids_of(store, user)
    assert sent[1].id_text in await ids_of(store, user), "ten seconds are not too many"
    await send(store, user, 112, keep)
    assert sent[1].id_text not in await ids_of(store, user)
    assert len(await ids_of(store, user)) == 3


async def test_creating_an_item_removes_only_a_few_and_the_next_ones_the_rest(store: InboxStore) -> None:
    user = new_user()
    for now in range(10):
        await send(store, user, now + 1, ItemRetention())
    left = []
    for now in range(5):
        await send(store, user, 20 + now, ItemRetention(items=2))
        left.append(len(await ids_of(store, user)))
    assert left == [8, 6, 4, 2, 2]


async def test_a_trim_removes_a_bounded_number_and_returns_whether_there_are_more(
    store: InboxStore, trimmer: ItemTrimmer
) -> None:
    user = new_user()
    for now in range(7):
        await send(store, user, now + 1, ItemRetention())
    keep = ItemRetention(items=2)
    assert await trimmer.trim_each([user], keep, at(20), 3) == [Trimmed(3, True)]
    assert await trimmer.trim_each([user], keep, at(20), 3) == [Trimmed(2, False)]
    assert await trimmer.trim_each([user], keep, at(20), 3) == [Trimmed(0, False)]
    assert len(await ids_of(store, user)) == 2


async def test_a_sweep_removes_what_is_too_old_from_an_inbox_that_gets_nothing_new(
    store: InboxStore, trimmer: ItemTrimmer
) -> None:
    user, keep = new_user(), ItemRetention(seconds=10)
    for now in (100, 101, 105):
        await send(store, user, now, keep)
    assert await trimmer.trim_each([user], keep, at(110), 10) == [Trimmed(0, False)]
    assert await trimmer.trim_each([user], keep, at(112), 10) == [Trimmed(2, False)]
    assert await trimmer.trim_each([user], keep, at(120), 10) == [Trimmed(1, False)]
    assert await ids_of(store, user) == []


async def test_a_shorter_age_applies_to_earlier_items(store: InboxStore, trimmer: ItemTrimmer) -> None:
    user = new_user()
    for now in (100, 150):
        await send(store, user, now, ItemRetention(seconds=1000))
    assert await trimmer.trim_each([user], ItemRetention(seconds=20), at(160), 10) == [Trimmed(1, False)]


async def test_a_gateway_whose_clock_is_ahead_removes_nothing(store: InboxStore, trimmer: ItemTrimmer) -> None:
    user, keep, now = new_user(), ItemRetention(seconds=3600), int(time.time())
    await send(store, user, now - 10, keep)
    assert await trimmer.trim_each([user], keep, at(now + 40 * 24 * 3600), 10) == [Trimmed(0, False)]


async def test_one_call_removes_no_more_content_than_it_should(store: InboxStore, trimmer: ItemTrimmer) -> None:
    user = new_user()
    for now in range(6):
        await send(store, user, now + 1, ItemRetention(), title="x" * 100_000)
    (trimmed,) = await trimmer.trim_each([user], ItemRetention(items=1), at(20), 5)
    assert trimmed == Trimmed(3, True)


async def test_a_sweep_of_users_without_items_or_deleted_ones_does_nothing(
    store: InboxStore, trimmer: ItemTrimmer, client: InspectedClient
) -> None:
    empty, deleted = new_user(), new_user()
    await send(store, deleted, 1, ItemRetention())
    await UserDeletion(client).delete(deleted)
    assert await trimmer.trim_each([empty], ItemRetention(1, 1), at(100), 10) == [Trimmed(0, False)]
    assert await trimmer.trim_each([deleted], ItemRetention(1, 1), at(100), 10) == [None]


@pytest.mark.parametrize("repeatable", [True, False])
async def test_a_repeated_request_does_not_create_a_removed_item_again(store: InboxStore, repeatable: bool) -> None:
    user, keep, one = new_user(), ItemRetention(items=1), content()
    await store.create(one, [Delivery(user)], at(100), remember=repeatable, keep=keep)
    await send(store, user, 101, keep)
    assert await store.create(one, [Delivery(user)], at(102), remember=repeatable, keep=keep) == [Outcome.DUPLICATE]
    assert len(await ids_of(store, user)) == 1
