"""Content that many items share: it is stored once, and every way to read an item returns all of it."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from gateway.domain.ids import ProjectId
from gateway.domain.notification import Command, Filter
from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.contents import CONTENTS_PER_READ, Content, ContentStore
from gateway.store.deliveries import Delivery
from gateway.store.event_log import LogRetention
from gateway.store.inbox import REPLAY_BYTES, InboxStore
from gateway.store.library import LIBRARY
from gateway.store.redis.client import FunctionClient, StoreUnavailableError
from gateway.telemetry import tallies
from gateway.telemetry.metrics import REDIS_CALLS
from tests.store.conftest import InspectedClient, at, epoch_of, new_user, place
from tests.store.test_inbox import content, offsets


def cold_store(client: InspectedClient, cache_bytes: int = 1_000_000) -> InboxStore:
    """Return the inboxes of a worker process that has cached no content."""
    return InboxStore(client, LogRetention(1000, 1000), ContentStore(client, cache_bytes))


async def share(client: InspectedClient, user: User, *contents: Content) -> None:
    """Send a user items that refer to contents."""
    for one in contents:
        await ContentStore(client).put(user.project_id, one)
        await cold_store(client).create(one.as_reference(), [Delivery(user)], at(1), remember=False)


def large(size: int) -> Content:
    return content(title="x" * size)


def reads() -> float:
    """Return how many contents were read from Redis so far."""
    tallies.collect()
    return float(REDIS_CALLS.labels("read_content")._value.get())


async def test_a_shared_content_looks_like_an_items_own_content_wherever_it_is_read(
    store: InboxStore, client: InspectedClient
) -> None:
    owner = new_user()
    sharer = User(ProjectId(f"{owner.project_id}-twin"), owner.id, owner.external_id, owner.email)
    one = content(title="T\0g", category="c", topic="t")
    await store.create(one, [Delivery(owner)], at(1), remember=False)
    await share(client, sharer, one)
    for user in (owner, sharer):
        await store.change(user, one.id, Command.READ, "tab", at(2))
        await store.change(user, one.id, Command.UNREAD, None, at(3))
    item = await store.get(owner, one.id)
    assert item is not None
    assert await cold_store(client).get(sharer, one.id) == item
    assert (await cold_store(client).list_page(sharer, Filter(), 1, 9)).items == [item]
    for user in (owner, sharer):
        await store.delete(user, one.id, None, at(4))
    log = await cold_store(client).read_log(sharer, place(sharer, 0), "x")
    assert len(log.events) == 4
    other = await store.read_log(owner, place(owner, 0), "x")
    mine, theirs = epoch_of(sharer).encode(), epoch_of(owner).encode()
    assert [event.text.replace(mine, theirs) for event in log.events] == [event.text for event in other.events]


async def test_a_content_that_was_announced_is_cached_before_a_reference_to_it_arrives(client: InspectedClient) -> None:
    project, one, other_worker = new_user().project_id, content(title="announced"), ContentStore(client)
    await ContentStore(client).put(project, one)
    message = one.as_reference().encoded
    assert other_worker.expand_cached(message) is None
    for _ in range(2):
        other_worker.prefetch(project, one.id_text)
    while other_worker.expand_cached(message) is None:  # ends by the time limit of the test otherwise
        await asyncio.sleep(0)
    assert other_worker.expand_cached(message) == one.encoded
    other_worker.prefetch(project, str(uuid4()))  # deleted meanwhile


async def test_a_recipient_of_a_shared_content_holds_none_of_it(client: InspectedClient) -> None:
    user, one = new_user(), large(10_000)
    await share(client, user, one)
    key = keys.user(user.project_id, user.id)
    held = await client.redis.hget(key + keys.USER_SUFFIXES["ITEMS"], one.id)
    assert held is None
    assert (await client.redis.memory_usage(key + keys.USER_SUFFIXES["LOG"]) or 0) < 10_000


async def test_contents_that_are_not_cached_are_read_once(client: InspectedClient) -> None:
    user, several = new_user(), [content() for _ in range(5)]
    await share(client, user, *several)
    there, before = cold_store(client), reads()
    await there.list_page(user, Filter(), 1, 9)
    assert reads() - before == 5
    await there.read_log(user, place(user, 0), "x")
    assert reads() - before == 5


async def test_callers_that_need_the_same_content_at_once_share_one_read(client: InspectedClient) -> None:
    user, one = new_user(), content()
    await share(client, user, one)
    there, before = cold_store(client), reads()
    items = await asyncio.gather(*(there.get(user, one.id) for _ in range(10)))
    assert len(set(items)) == 1
    assert reads() - before == 1


async def test_a_caller_that_waited_for_a_cancelled_read_reads_by_itself(client: InspectedClient) -> None:
    user, one = new_user(), content()
    await share(client, user, one)
    contents = ContentStore(client)
    message = one.as_reference().encoded
    first, second = (asyncio.create_task(contents.expand(user.project_id, [message])) for _ in range(2))
    await asyncio.sleep(0)  # both are under way
    first.cancel()
    assert await second == [one.encoded]


class InterruptedClient(FunctionClient):
    """A client that cannot reach its server at first."""

    def __init__(self, client: FunctionClient):
        super().__init__(client.topology, LIBRARY)
        self.is_down = True

    async def call_many(self, calls: Sequence[Any]) -> list[Any]:
        await asyncio.sleep(0)
        if self.is_down:
            raise StoreUnavailableError
        return await super().call_many(calls)


async def test_a_failed_read_fails_for_every_caller_and_the_next_call_reads_again(client: InspectedClient) -> None:
    user, one = new_user(), content()
    await share(client, user, one)
    interrupted = InterruptedClient(client)
    contents, message = ContentStore(interrupted), one.as_reference().encoded
    readers = (contents.expand(user.project_id, [message]) for _ in range(3))
    found = await asyncio.gather(*readers, return_exceptions=True)
    assert all(isinstance(each, StoreUnavailableError) for each in found)
    interrupted.is_down = False
    assert await contents.expand(user.project_id, [message]) == [one.encoded]


async def test_a_cached_content_completes_a_message_without_waiting(client: InspectedClient) -> None:
    user, one = new_user(), content()
    contents, message = ContentStore(client), one.as_reference().encoded
    assert contents.expand_cached(message) is None
    await contents.put(user.project_id, one)
    assert contents.expand_cached(message) == one.encoded
    assert contents.expand_cached(b"a" + message + b"}" + message) == b"a" + one.encoded + b"}" + one.encoded
    assert contents.expand_cached(b"foreign\0") is None


async def test_the_cache_is_bounded_and_keeps_what_was_used_last(client: InspectedClient) -> None:
    project_id, several = new_user().project_id, [large(300) for _ in range(3)]
    contents = ContentStore(client, cache_bytes=900)

    def cached() -> list[bool]:
        return [contents.expand_cached(one.as_reference().encoded) is not None for one in several]

    for one in several[:2]:
        await contents.put(project_id, one)
    assert contents.expand_cached(several[0].as_reference().encoded)
    await contents.put(project_id, several[2])
    assert cached() == [True, False, True]
    await contents.put(project_id, large(1000))
    assert cached() == [True, False, True]


async def test_a_content_that_is_too_large_for_the_cache_is_read_once_for_all_callers_of_the_moment(
    client: InspectedClient,
) -> None:
    user, one = new_user(), large(2000)
    await share(client, user, one)
    there, before = cold_store(client, cache_bytes=1000), reads()
    items = await asyncio.gather(*(there.get(user, one.id) for _ in range(3)))
    assert all(item is not None and item.startswith(one.encoded) for item in items)
    assert reads() - before == 1


async def test_a_content_that_is_remembered_is_not_read(client: InspectedClient) -> None:
    user, one = new_user(), content()
    await share(client, user, one)
    contents, before = ContentStore(client), reads()
    contents.remember(one)
    assert await contents.expand(user.project_id, [one.as_reference().encoded]) == [one.encoded]
    assert reads() == before


async def test_a_page_of_the_log_is_cut_where_its_contents_fill_it(client: InspectedClient) -> None:
    user, several = new_user(), [large(REPLAY_BYTES // 2) for _ in range(7)]
    await share(client, user, *several)
    there, position, pages = cold_store(client), place(user, 0), list[list[int]]()
    while position.offset < 7:
        page = await there.read_log(user, position, "x")
        assert page.end.offset == 7
        pages.append(offsets(page.events))
        position = page.events[-1].position
    assert pages == [[1, 2], [3, 4], [5, 6], [7]]


async def test_a_page_of_the_log_reads_few_contents_ahead(client: InspectedClient) -> None:
    user, several = new_user(), [large(REPLAY_BYTES) for _ in range(CONTENTS_PER_READ + 5)]
    await share(client, user, *several)
    there, before = cold_store(client), reads()
    assert offsets((await there.read_log(user, place(user, 0), "x")).events) == [1]
    assert reads() - before == CONTENTS_PER_READ


async def test_a_page_of_the_log_may_have_more_contents_than_are_read_in_one_go(client: InspectedClient) -> None:
    user, several = new_user(), [content() for _ in range(2 * CONTENTS_PER_READ + 5)]
    await share(client, user, *several)
    page = await cold_store(client).read_log(user, place(user, 0), "x")
    assert [msgspec.json.decode(event.text)["data"]["id"] for event in page.events] == ids(several)


def ids(contents: Sequence[Content]) -> list[str]:
    return [one.id_text for one in contents]


async def test_an_item_whose_content_is_lost_remains_without_fields(client: InspectedClient) -> None:
    user, one = new_user(), content(title="secret")
    await share(client, user, one)
    await ContentStore(client).delete_all(user.project_id)
    there = cold_store(client)
    item = msgspec.json.decode(await there.get(user, one.id) or b"")
    assert (item["id"], item["title"], item["content"], item["category"]) == (one.id_text, "", None, "")
    (event,) = (await there.read_log(user, place(user, 0), "x")).events
    assert msgspec.json.decode(event.text)["data"]["notification"] == item


async def test_a_deleted_project_leaves_no_content_behind(client: InspectedClient) -> None:
    user = new_user()
    await share(client, user, *(content() for _ in range(3)))
    await ContentStore(client).delete_all(user.project_id)
    left = [key async for key in client.redis.scan_iter(match=f"*{user.project_id}*")]
    assert all(user.id.encode() in key for key in left)


async def test_a_server_out_of_memory_still_reads_contents(client: InspectedClient) -> None:
    user, one = new_user(), content()
    await share(client, user, one)
    await client.redis.config_set("maxmemory", "1")
    try:
        assert await cold_store(client).get(user, one.id) is not None
        with pytest.raises(StoreUnavailableError):
            await ContentStore(client).put(user.project_id, content(uuid4()))
    finally:
        await client.redis.config_set("maxmemory", "0")


@pytest.mark.parametrize("notification_id", [UUID(int=1), uuid4()])
def test_a_reference_is_the_content_up_to_its_id_and_a_nul(notification_id: UUID) -> None:
    one = content(notification_id, category="c", topic="t")
    reference = one.as_reference()
    assert (reference.id, reference.category, reference.topic) == (one.id, "c", "t")
    assert reference.encoded == b'{"id":"%s"\0' % str(notification_id).encode()
