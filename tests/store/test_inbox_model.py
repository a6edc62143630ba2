"""The same random commands through the model and through the Lua functions: equal state, counts and log."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.ids import UserId
from gateway.domain.notification import BulkCommand, Command, Filter, ItemId
from gateway.domain.principal import User
from gateway.domain.retention import KEEP_ALL, ItemRetention
from gateway.settings import Settings
from gateway.store import keys
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.deletion import UserDeletion
from gateway.store.deliveries import Delivery, Outcome
from gateway.store.event_log import LogRetention
from gateway.store.inbox import InboxStore
from gateway.store.item_pages import ItemCursor, ItemPages
from gateway.store.library import LIBRARY
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.problems import StoreDataError
from gateway.store.redis.topology import Topology
from gateway.store.trimming import ItemTrimmer, Trimmed
from tests.servers import RedisServer
from tests.store.conftest import at, new_user, place
from tests.store.model import Inbox, Item

IDS = [UUID(int=number) for number in range(1, 9)]
CATEGORIES = ["", "a", "b:1", "ü}"]
TOPICS = ["", "t", "t\0", "1 t"]
"""Topics and categories whose names in an index could be confused."""

flags = st.none() | st.booleans()
filters = st.builds(
    Filter,
    flags,
    flags,
    flags,
    st.lists(st.sampled_from(CATEGORIES), unique=True, max_size=3).map(tuple),
    st.lists(st.sampled_from(TOPICS[1:]), unique=True, max_size=2).map(tuple),
)
ids = st.sampled_from(IDS)


class Way(Enum):
    """How an item is created: all of these have the same outcome."""

    NAMED = auto()
    ONE = auto()
    EACH = auto()
    """Together with users who were deleted, or whose inbox cannot be written."""


@dataclass(frozen=True)
class Create:
    id: UUID
    category: str
    topic: str
    remember: bool
    shared: bool
    keep: ItemRetention
    way: Way


@dataclass(frozen=True)
class Change:
    id: UUID
    command: Command


@dataclass(frozen=True)
class ChangeAll:
    matching: Filter
    command: BulkCommand


@dataclass(frozen=True)
class Delete:
    id: UUID


@dataclass(frozen=True)
class Trim:
    keep: ItemRetention
    most: int


retentions = st.just(KEEP_ALL) | st.builds(ItemRetention, st.integers(0, 5), st.integers(0, 5))


def with_content_of_id(step: Create) -> Create:
    """Return a step whose shared content depends on its id alone, as contents never change once they are stored."""
    if not step.shared:
        return step
    number = step.id.int
    return replace(step, category=CATEGORIES[number % len(CATEGORIES)], topic=TOPICS[number % len(TOPICS)])


creates = st.builds(
    Create,
    ids,
    st.sampled_from(CATEGORIES),
    st.sampled_from(TOPICS),
    st.booleans(),
    st.booleans(),
    retentions,
    st.sampled_from(Way),
).map(with_content_of_id)


@dataclass(frozen=True)
class Blocked:
    """A step while the indexes of topics cannot be written: it fails after some writes, or does not need them."""

    step: "Create | Change | ChangeAll | Delete"


Step = Create | Change | ChangeAll | Delete | Trim | Blocked
steps = st.one_of(
    creates,
    creates,
    st.builds(Change, ids, st.sampled_from(Command)),
    st.builds(ChangeAll, filters, st.sampled_from(BulkCommand)),
    st.builds(Delete, ids),
    st.builds(Trim, retentions, st.integers(1, 3)),
    st.builds(
        Blocked,
        st.one_of(
            creates.map(lambda step: replace(step, keep=KEEP_ALL)),
            st.builds(Change, ids, st.sampled_from(Command)),
            st.builds(ChangeAll, filters, st.sampled_from(BulkCommand)),
            st.builds(Delete, ids),
        ),
    ),
)


async def run_in_store(store: InboxStore, user: User, step: Step, now: int) -> Outcome | int | bool | Trimmed | None:
    match step:
        case Blocked():
            raise AssertionError
        case Create(notification_id, category, topic, remember, shared, keep, way):
            fields = NotificationFields(title="t", category=category, topic=topic)
            content = Content.encode(str(notification_id), fields)
            if shared:
                await store._contents.put(user.project_id, content)
                content = content.as_reference()
            match way:
                case Way.NAMED:
                    return (await store.create(content, [Delivery(user)], at(now), remember, keep=keep))[0]
                case Way.ONE:
                    return await store.create_one(content, Delivery(user), at(now), remember, keep)
                case Way.EACH:
                    broken, deleted = await unreachable_users(store, user)
                    users = [broken, deleted, user, broken]
                    outcomes = await store.create_each(content, users, at(now), remember, keep=keep, skip_broken=True)
                    assert outcomes[:2] + outcomes[3:] == [Outcome.BROKEN, Outcome.DELETED, Outcome.BROKEN]
                    return outcomes[2]
        case Change(notification_id, command):
            return await store.change(user, ItemId(notification_id.bytes), command, "c", at(now)) is not None
        case ChangeAll(matching, command):
            return (await store.change_all(user, matching, command, None, at(now))).items
        case Delete(notification_id):
            return await store.delete(user, ItemId(notification_id.bytes), None, at(now)) is not None
        case Trim(keep, most):
            trimmer = ItemTrimmer(store._client, store._retention)
            found = await trimmer.find_trimmable([user], keep, now)
            (trimmed,) = await trimmer.trim_each([user], keep, at(now), most)
            assert found or not (trimmed and trimmed.items), "a sweep would have passed this user over"
            return trimmed


@contextlib.asynccontextmanager
async def blocked_topics(store: InboxStore, user: User) -> AsyncIterator[None]:
    """Put a string in place of each index of topics that is empty."""
    names = [
        f"{keys.user(user.project_id, user.id)}{keys.USER_SUFFIXES['TOPICS']}{bucket}" for bucket in (0, 1, 3, 4, 5, 7)
    ]
    replies = [await store._client.command("SET", name, "no index", "NX") for name in names]
    yield
    for name, reply in zip(names, replies, strict=True):
        if reply is not None:
            await store._client.command("DEL", name)


async def unreachable_users(store: InboxStore, user: User) -> tuple[User, User]:
    """Return a user whose inbox fails after some writes, and one who was deleted, of the project of `user`."""
    broken, deleted = (User(user.project_id, UserId(name * 36), name, None) for name in "bd")
    index = f"{keys.user(broken.project_id, broken.id)}{keys.USER_SUFFIXES['INBOX']}0"
    await store._client.command("SET", index, "no index")
    await UserDeletion(store._client).delete(deleted)
    return broken, deleted


def run_in_model(inbox: Inbox, step: Step, now: int) -> Outcome | int | bool | Trimmed | None:
    match step:
        case Blocked():
            raise AssertionError
        case Create(notification_id, category, topic, remember, _, keep, _):
            return inbox.create(str(notification_id), category, topic, now, remember, keep=keep)
        case Change(notification_id, command):
            return inbox.change(str(notification_id), command, now)
        case ChangeAll(matching, command):
            return inbox.change_all(matching, command, now)
        case Delete(notification_id):
            return inbox.delete(str(notification_id))
        case Trim(keep, most):
            return inbox.trim(now, keep, most)


def as_row(item: dict[str, Any]) -> tuple[object, ...]:
    return tuple(item[name] for name in ("id", "category", "sent_at", "seen_at", "read_at", "archived_at"))


def as_model_row(item: Item) -> tuple[object, ...]:
    state = item.state
    return (item.id, item.category, item.sent_at, state.seen_at, state.read_at, state.archived_at)


async def assert_same_inbox(store: InboxStore, user: User, model: Inbox, wanted: Filter, per_page: int) -> None:
    expected = [as_model_row(item) for item in model.matching(wanted)]
    found: list[tuple[object, ...]] = []
    for number in range(1, len(expected) // per_page + 2):
        page = await store.list_page(user, wanted, number, per_page)
        assert page.total == len(expected)
        assert (page.unread, page.unseen) == model.counts(wanted)
        found += [as_row(msgspec.json.decode(item)) for item in page.items]
    assert found == expected


async def assert_same_pages(pages: ItemPages, user: User, model: Inbox, wanted: Filter, size: int) -> None:
    """Read all pages by their cursors, first to the oldest item and then back, by place and by id in turn."""
    expected = [as_model_row(item) for item in model.matching(wanted)]
    assert await pages.count(user, wanted) == len(expected)
    found: list[tuple[object, ...]] = []
    page = await pages.page(user, wanted, size)
    assert page is not None
    assert page.newer is None
    while True:
        rows = [as_row(msgspec.json.decode(item)) for item in page.items]
        found += rows
        if page.older is None:
            break
        last = ItemCursor(UUID(str(rows[-1][0])), page.older if len(found) % 2 else None)
        page = await pages.page(user, wanted, size, after=last)
        assert page is not None
        assert page.newer is not None
    assert found == expected
    while page.newer is not None:
        first = found[-len(rows)][0]
        found = found[: -len(rows)]
        cursor = ItemCursor(UUID(str(first)), page.newer if len(found) % 2 else None)
        page = await pages.page(user, wanted, size, before=cursor)
        assert page is not None
        assert page.older is not None
        rows = [as_row(msgspec.json.decode(item)) for item in page.items]
        assert rows == found[-size:]


async def assert_same_log(store: InboxStore, user: User, model: Inbox) -> None:
    page = await store.read_log(user, place(user, 0), "e0")
    assert page.end == place(user, len(model.log))
    assert [event.position.offset for event in page.events] == list(range(1, len(model.log) + 1))
    for event, expected in zip(page.events, model.log, strict=True):
        text = msgspec.json.decode(event.text)
        counts = (text["unread_count"], text["unseen_count"], *text["unarchived"].values())
        assert (event.name, text["position"]) == (expected["name"], str(event.position))
        assert counts == expected["counts"]
        if expected["id"] is not None:
            item = text["data"]["notification"]
            assert text["data"]["id"] == item["id"] == expected["id"]
            state = expected["state"]
            assert (item["seen_at"], item["read_at"], item["archived_at"]) == (
                state.seen_at,
                state.read_at,
                state.archived_at,
            )


@pytest.fixture
def run(redis_server: RedisServer) -> Callable[[Any], None]:
    """Run a coroutine function with a store of its own, because Hypothesis has no event loop."""

    def in_loop(work: Any) -> None:
        async def main() -> None:
            client = FunctionClient(Topology(Settings(redis_url=redis_server.url)), LIBRARY)
            try:
                client = client
                await work(InboxStore(client, LogRetention(1000, 1000), ContentStore(client)))
            finally:
                client.close()

        asyncio.run(main())

    return in_loop


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(st.tuples(steps, st.integers(-1, 2)), max_size=30),
    st.lists(filters, min_size=3, max_size=5),
    st.integers(1, 4),
)
def test_the_functions_agree_with_the_model(
    run: Callable[[Any], None], sequence: list[tuple[Step, int]], wanted: list[Filter], per_page: int
) -> None:
    async def work(store: InboxStore) -> None:
        user, model, now = new_user(), Inbox(), 100
        for step, passed in sequence:
            now += passed  # clocks of gateways differ: time may go back a little
            if isinstance(step, Blocked):
                step = step.step
                async with blocked_topics(store, user):
                    try:
                        found = await run_in_store(store, user, step, now)
                    except StoreDataError:
                        continue
                if found is not Outcome.BROKEN:
                    assert found == run_in_model(model, step, now), step
                continue
            assert await run_in_store(store, user, step, now) == run_in_model(model, step, now), step
        for matching in [Filter(), *wanted]:
            await assert_same_inbox(store, user, model, matching, per_page)
            await assert_same_pages(ItemPages(store._client, store._contents), user, model, matching, per_page)
        await assert_same_log(store, user, model)

    run(work)
