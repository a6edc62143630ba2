"""Inboxes beyond the model: the log's bounds, publishing, big inboxes, repeated creation."""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import msgspec
import pytest
from redis.crc import key_slot

from gateway.domain.event import Counts, Event, Position
from gateway.domain.notification import BulkCommand, Command, Filter, ItemId
from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.deliveries import Delivery, Outcome
from gateway.store.event_log import LogRetention
from gateway.store.inbox import OUTCOME_SECONDS, REPLAY_EVENTS, InboxStore
from gateway.store.library import LIBRARY
from gateway.store.profiles import ProfileStore
from gateway.store.redis.client import StoreUnavailableError
from gateway.store.redis.problems import StoreDataError
from tests.store.conftest import InspectedClient, at, epoch_of, new_user, place


def content(notification_id: UUID | None = None, title: str = "t", category: str = "", topic: str = "") -> Content:
    fields = NotificationFields(title=title, category=category, topic=topic)
    return Content.encode(str(notification_id or uuid4()), fields)


async def send(store: InboxStore, user: User, number: int, now: float = 100) -> list[ItemId]:
    contents = [content(title=f"n{index}", category=f"c{index % 3}", topic=f"t{index % 2}") for index in range(number)]
    for one in contents:
        await store.create(one, [Delivery(user)], at(now), remember=False)
    return [one.id for one in contents]


def offsets(events: Sequence[Event]) -> list[int]:
    return [event.position.offset for event in events]


async def test_a_new_users_log_starts_at_offset_0_of_the_epoch_offered(store: InboxStore) -> None:
    user = new_user()
    page = await store.read_log(user, None, "fresh")
    assert page.end == place(user, 0, "fresh")
    assert page.events == ()


async def test_an_epoch_once_given_stays(store: InboxStore) -> None:
    user = new_user()
    await store.read_log(user, None, "first")
    assert (await store.read_log(user, None, "second")).end.epoch == epoch_of(user, "first")


async def test_the_log_keeps_as_many_events_as_configured(client: InspectedClient) -> None:
    store, user = InboxStore(client, LogRetention(events=5, seconds=100), ContentStore(client)), new_user()
    await send(store, user, 9)
    assert (await store.read_log(user, place(user, 3), "x")).reset_reason == "position_expired"
    assert offsets((await store.read_log(user, place(user, 4), "x")).events) == [5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("content_bytes", "marks", "events"), [(1_000_000, 20, 16), (100_000, 170, 166), (1_000, 30, 31)]
)
async def test_marking_a_large_item_again_and_again_does_not_fill_the_server(
    store: InboxStore, client: InspectedClient, content_bytes: int, marks: int, events: int
) -> None:
    user, one = new_user(), content(title="x" * content_bytes)
    await store.create(one, [Delivery(user)], at(1), remember=False)
    for number in range(marks):
        await store.change(user, one.id, Command.UNREAD if number % 2 else Command.READ, None, at(2))
    log = keys.user(user.project_id, user.id) + keys.USER_SUFFIXES["LOG"]
    assert await client.redis.xlen(log) == events
    end = (await store.read_log(user, None, "x")).end
    after = Position(end.epoch, end.offset - 2)
    assert offsets((await store.read_log(user, after, "x")).events)[0] == end.offset - 1


async def test_the_log_keeps_a_few_of_the_largest_events(store: InboxStore) -> None:
    user = new_user()
    for _ in range(4):
        await store.create(content(title="x" * 8_000_000), [Delivery(user)], at(1), remember=False)
    end = (await store.read_log(user, None, "x")).end
    assert (await store.read_log(user, Position(end.epoch, 0), "x")).reset_reason == ""


async def test_the_log_drops_what_is_too_old(client: InspectedClient) -> None:
    store, user = InboxStore(client, LogRetention(events=1000, seconds=100), ContentStore(client)), new_user()
    await send(store, user, 10, now=1000)
    await send(store, user, 22, now=1200)
    assert (await store.read_log(user, place(user, 9), "x")).reset_reason == "position_expired"
    assert offsets((await store.read_log(user, place(user, 10), "x")).events) == list(range(11, 33))


async def test_a_position_at_the_end_is_up_to_date_even_when_the_log_has_expired(
    store: InboxStore, client: InspectedClient
) -> None:
    user = new_user()
    await send(store, user, 2)
    await client.redis.delete(keys.user(user.project_id, user.id) + keys.USER_SUFFIXES["LOG"])
    page = await store.read_log(user, place(user, 2), "x")
    assert (page.reset_reason, page.events) == ("", ())
    assert (await store.read_log(user, place(user, 1), "x")).reset_reason == "position_expired"


@pytest.mark.parametrize(
    ("position", "reason"),
    [
        (Position("other", 1), "epoch_changed"),
        (99, "position_unknown"),
        (Position("", -1), "position_invalid"),
    ],
)
async def test_a_position_that_is_not_of_this_log_is_reset(
    store: InboxStore, position: Position | int, reason: str
) -> None:
    user = new_user()
    await send(store, user, 2)
    page = await store.read_log(user, place(user, position) if isinstance(position, int) else position, "x")
    assert (page.reset_reason, page.end) == (reason, place(user, 2))


async def test_a_long_log_is_read_in_pages(store: InboxStore) -> None:
    user, found, pages = new_user(), list[int](), 0
    position = place(user, 0)
    await send(store, user, REPLAY_EVENTS + 50)
    while position.offset < REPLAY_EVENTS + 50:
        page = await store.read_log(user, position, "x")
        assert 0 < len(page.events) <= REPLAY_EVENTS
        found += offsets(page.events)
        position = page.events[-1].position
        pages += 1
    assert found == list(range(1, REPLAY_EVENTS + 51))
    assert pages > 1


async def test_a_page_of_the_log_is_bounded_by_bytes_but_holds_at_least_one_event(store: InboxStore) -> None:
    user = new_user()
    for _ in range(3):
        await store.create(content(title="x" * 300_000), [Delivery(user)], at(1), remember=False)
    assert offsets((await store.read_log(user, place(user, 0), "x")).events) == [1]


async def test_what_is_published_is_what_lies_in_the_log(store: InboxStore, client: InspectedClient) -> None:
    user = new_user()
    channel = keys.user(user.project_id, user.id)
    pubsub = client.redis.pubsub()
    await pubsub.ssubscribe(channel)
    await store.create(content(), [Delivery(user)], at(5), remember=False)
    async with asyncio.timeout(5):
        while (message := await pubsub.get_message(ignore_subscribe_messages=True, timeout=1)) is None:
            pass
    await pubsub.aclose()
    (logged,) = (await store.read_log(user, place(user, 0), "x")).events
    assert Event.decode(message["data"]) == logged
    assert logged.published_ms == 5000


async def test_an_item_created_twice_is_there_once(store: InboxStore) -> None:
    user, one = new_user(), content()
    assert await store.create(one, [Delivery(user)], at(1), remember=False) == [Outcome.CREATED]
    assert await store.create(one, [Delivery(user)], at(1), remember=False) == [Outcome.DUPLICATE]
    assert (await store.read_log(user, None, "x")).end.offset == 1


async def test_repeating_a_request_whose_item_is_there_changes_nothing_of_the_user(
    store: InboxStore, client: InspectedClient
) -> None:
    user, one = new_user(), content()
    await store.create(one, [Delivery(user, {"first_name": "Ada"})], at(1), remember=True)
    await ProfileStore(client).set(user, {"first_name": "Augusta"})

    assert await store.create(one, [Delivery(user, {"first_name": "Ada"})], at(2), remember=True) == [Outcome.DUPLICATE]
    assert (await ProfileStore(client).read_many([user]))[0]["first_name"] == "Augusta"


@pytest.mark.parametrize("remember", [False, True])
async def test_an_item_is_not_created_again_after_its_deletion(store: InboxStore, remember: bool) -> None:
    user, one = new_user(), content()
    await store.create(one, [Delivery(user)], at(1), remember)
    await store.delete(user, one.id, None, at(2))
    assert await store.create(one, [Delivery(user)], at(3), remember) == [Outcome.DUPLICATE]
    assert (await store.list_page(user, Filter(), 1, 10)).total == 0


def mark(user: User, one: Content) -> bytes:
    return keys.user(user.project_id, user.id).encode() + keys.USER_SUFFIXES["OUTCOME"].encode() + one.id


async def test_a_creation_leaves_no_mark_besides_the_item_and_a_deletion_leaves_one_while_it_may_be_repeated(
    store: InboxStore, client: InspectedClient
) -> None:
    user, one = new_user(), content()
    await store.create(one, [Delivery(user)], at(1), remember=True)
    assert not await client.redis.exists(mark(user, one))
    await store.change(user, one.id, Command.READ, None, at(2))
    await store.change_all(user, Filter(), BulkCommand.SEEN_ALL, None, at(3))
    await store.delete(user, one.id, None, at(3601))
    assert OUTCOME_SECONDS - 3660 < await client.redis.ttl(mark(user, one)) <= OUTCOME_SECONDS - 3600


async def test_a_deletion_leaves_no_mark_when_the_creation_cannot_be_repeated(
    store: InboxStore, client: InspectedClient
) -> None:
    user, new, old = new_user(), content(), content()
    await store.create(old, [Delivery(user)], at(1), remember=False)
    await store.create(new, [Delivery(user)], at(100), remember=False)
    for one in (old, new):
        await store.delete(user, one.id, None, at(101))
    assert not await client.redis.exists(mark(user, old))
    assert 0 < await client.redis.ttl(mark(user, new)) < 60  # as long as the gateway may repeat a call without a reply


async def test_a_short_mark_does_not_hide_a_longer_one(store: InboxStore) -> None:
    user, repeatable, other = new_user(), content(), content()
    await store.create(repeatable, [Delivery(user)], at(1), remember=True)
    await store.create(other, [Delivery(user)], at(1), remember=False)
    await store.delete(user, repeatable.id, None, at(2))
    await store.delete(user, other.id, None, at(3))
    assert await store.create(repeatable, [Delivery(user)], at(3600), remember=True) == [Outcome.DUPLICATE]


async def test_one_notification_reaches_many_recipients_in_one_go(store: InboxStore) -> None:
    users, one = [new_user() for _ in range(50)], content()
    outcomes = await store.create(one, [Delivery(user) for user in users], at(1), remember=False)
    assert outcomes == [Outcome.CREATED] * 50
    for user in users:
        assert await store.get(user, one.id) is not None


async def test_the_recipient_carries_names_and_attributes(store: InboxStore) -> None:
    user, one = new_user("joe"), content()
    await store.create(one, [Delivery(user, {"first_name": "Jö", "custom_attributes": {"a": [1]}})], at(1), False)
    recipient = msgspec.json.decode(await store.get(user, one.id) or b"")["recipient"]
    assert recipient == {
        "id": user.id,
        "email": None,
        "external_id": "joe",
        "first_name": "Jö",
        "last_name": None,
        "custom_attributes": {"a": [1]},
    }


async def test_names_from_the_cache_do_not_overwrite_newer_ones(store: InboxStore) -> None:
    user = new_user("joe")
    await store.create(content(), [Delivery(user, fresh=True)], at(1), False)
    stale = User(user.project_id, user.id, "old-name", None)
    one = content()
    await store.create(one, [Delivery(stale, fresh=False)], at(1), False)
    assert msgspec.json.decode(await store.get(user, one.id) or b"")["recipient"]["external_id"] == "joe"


async def test_sent_at_never_goes_back(store: InboxStore) -> None:
    user = new_user()
    await send(store, user, 1, now=500)
    await send(store, user, 1, now=400)
    items = [msgspec.json.decode(item) for item in (await store.list_page(user, Filter(), 1, 10)).items]
    assert [item["sent_at"] for item in items] == [500, 500]


@pytest.mark.parametrize("topics", [2, 2500])
async def test_marking_thousands_at_once_moves_every_index(store: InboxStore, topics: int) -> None:
    user = new_user()
    contents = [content(category=f"c{index % 3}", topic=f"t{index % topics}") for index in range(2500)]
    await asyncio.gather(*(store.create(each, [Delivery(user)], at(1), remember=False) for each in contents))
    assert (await store.change_all(user, Filter(categories=("c1",)), BulkCommand.READ_ALL, None, at(2))).items == 833
    assert (await store.list_page(user, Filter(read=True), 1, 1)).total == 833
    assert (await store.list_page(user, Filter(read=False, categories=("c1",)), 1, 1)).total == 0
    even = tuple(f"t{number}" for number in range(0, topics, 2))
    assert (await store.list_page(user, Filter(read=True, topics=even), 1, 1)).total == 416
    assert (await store.change_all(user, Filter(), BulkCommand.READ_ALL, None, at(3))).items == 1667
    assert (await store.list_page(user, Filter(read=True, topics=even), 1, 1)).total == 1250
    page = await store.list_page(user, Filter(), 250, 10)
    assert (page.total, page.unread, page.unseen, len(page.items)) == (2500, 0, 0, 10)


async def test_counts_are_read_again_after_a_gateway_of_an_earlier_build_has_left_those_in_the_record(
    store: InboxStore, client: InspectedClient
) -> None:
    user = new_user()
    first, second = await send(store, user, 2)
    key = keys.user(user.project_id, user.id)
    before = await client.redis.hget(key, "counts")
    await store.change(user, first, Command.READ, None, at(101))
    await client.redis.hset(key, "counts", before)
    page = await store.read_log(user, None, "e0")
    assert page.counts == Counts(1, 1, 1, 1)
    await store.change(user, second, Command.READ, None, at(102))
    await send(store, user, 1)
    assert (await store.read_log(user, None, "e0")).counts == Counts(1, 1, 1, 1)


async def test_a_change_of_nothing_makes_no_event(store: InboxStore) -> None:
    user = new_user()
    (one,) = await send(store, user, 1)
    await store.change(user, one, Command.UNREAD, None, at(2))
    await store.change_all(user, Filter(read=True), BulkCommand.SEEN_ALL, None, at(2))
    assert (await store.read_log(user, None, "x")).end.offset == 1


async def test_all_keys_of_a_user_share_one_slot(store: InboxStore, client: InspectedClient) -> None:
    user = new_user()
    await store.create(content(category="a}{b", topic="{x}"), [Delivery(user)], at(1), remember=True)
    names = [key async for key in client.redis.scan_iter(match=f"*{user.id}*")]
    assert len(names) == 7
    assert len({key_slot(name) for name in names}) == 1


async def test_a_server_out_of_memory_refuses_writes_clearly_and_still_reads(
    store: InboxStore, client: InspectedClient
) -> None:
    user = new_user()
    await send(store, user, 1)
    await client.redis.config_set("maxmemory", "1")
    try:
        with pytest.raises(StoreUnavailableError):
            await send(store, user, 1)
        assert (await store.list_page(user, Filter(), 1, 10)).total == 1
    finally:
        await client.redis.config_set("maxmemory", "0")


async def test_missing_functions_are_loaded_again(store: InboxStore, client: InspectedClient) -> None:
    await client.redis.execute_command("FUNCTION", "DELETE", LIBRARY.name)
    assert (await store.read_log(new_user(), None, "x")).end.offset == 0


async def test_several_users_get_an_item_in_one_call_and_each_gets_an_outcome_of_its_own(
    store: InboxStore, client: InspectedClient
) -> None:
    new, has_it, deleted, broken, last = (new_user() for _ in range(5))
    users, item = [new, has_it, deleted, broken, last], content(title="shared")
    user_keys = [keys.user(user.project_id, user.id) for user in users]
    await store.create(item, [Delivery(has_it)], at(100), remember=True)
    await client.redis.hset(user_keys[2], "deleted", "1")
    await client.redis.set(user_keys[3] + keys.USER_SUFFIXES["STATES"], "of another type")
    found = await store.create_each(item, users, at(100), remember=True, skip_broken=True)
    assert found == [Outcome.CREATED, Outcome.DUPLICATE, Outcome.DELETED, Outcome.BROKEN, Outcome.CREATED]
    assert [(await store.list_page(user, Filter(), 1, 10)).total for user in (new, has_it, last)] == [1, 1, 1]
    assert not await client.redis.exists(user_keys[3])
    with pytest.raises(StoreDataError):
        await store.create_each(item, users, at(100), remember=True)


async def test_an_event_of_one_of_several_users_that_may_not_be_published_is_noted(
    store: InboxStore, client: InspectedClient
) -> None:
    users, unpublished = [new_user() for _ in range(3)], list[str]()
    client.on_unpublished = unpublished.append
    await client.redis.execute_command("ACL", "SETUSER", "default", "-spublish")
    try:
        found = await store.create_each(content(), users, at(100), remember=True)
    finally:
        await client.redis.execute_command("ACL", "SETUSER", "default", "+spublish")
    assert found == [Outcome.CREATED] * 3
    assert unpublished == [keys.user(user.project_id, user.id) for user in users]


async def test_names_that_were_just_read_replace_those_in_the_records(store: InboxStore) -> None:
    user = new_user("before")
    await store.create_each(content(), [user], at(100), remember=True)
    renamed = User(user.project_id, user.id, "after", "a@example.com")
    await store.create_each(content(), [renamed], at(100), remember=True)
    for item in (await store.list_page(user, Filter(), 1, 10)).items:
        recipient = msgspec.json.decode(item)["recipient"]
        assert (recipient["external_id"], recipient["email"]) == ("after", "a@example.com")
