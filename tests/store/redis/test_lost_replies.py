"""Lost replies of Redis: no change is made twice, and no reply reports that there was nothing to change."""

import contextlib
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from gateway.store import keys
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.deliveries import Delivery
from gateway.store.event_log import LogRetention
from gateway.store.idempotency import IdempotencyStore, Run
from gateway.store.inbox import InboxStore
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.problems import StoreUnavailableError
from loadtest.check.redis_proxy import Command, RedisProxy, When
from tests.servers import RedisServer
from tests.store.conftest import InspectedClient, at, new_user


@pytest.fixture
async def proxy(redis_server: RedisServer) -> AsyncIterator[RedisProxy]:
    proxy = RedisProxy([redis_server.port])
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
async def client(proxy: RedisProxy) -> AsyncIterator[FunctionClient]:
    client = InspectedClient(f"redis://127.0.0.1:{proxy.port}/0")
    await client.load()
    yield client
    await client.aclose()


def lose_one_answer(proxy: RedisProxy, function: str) -> None:
    """Lose the connection instead of the next reply of a function."""

    def choose(command: Command) -> tuple[When, bytes] | None:
        if command[0] != b"FCALL" or not command[1].endswith(function.encode()):
            return None
        proxy.choose = lambda command: None
        return When.NEVER, b""

    proxy.choose = choose


async def test_a_deletion_whose_reply_is_lost_does_not_report_that_there_was_nothing(
    client: FunctionClient, proxy: RedisProxy
) -> None:
    store, user, item = InboxStore(client, LogRetention(100, 100), ContentStore(client)), new_user(), str(uuid4())
    content = Content.encode(item, NotificationFields(title="t"))
    await store.create(content, [Delivery(user)], at(1), remember=False)
    lose_one_answer(proxy, "delete")
    with pytest.raises(StoreUnavailableError):
        await store.delete(user, content.id, None, at(2))
    assert not await store.delete(user, content.id, None, at(3))  # the second deletion of the caller finds nothing


async def test_a_change_whose_reply_is_lost_is_done_once(client: FunctionClient, proxy: RedisProxy) -> None:
    store, user, item = InboxStore(client, LogRetention(100, 100), ContentStore(client)), new_user(), str(uuid4())
    content = Content.encode(item, NotificationFields(title="t"))
    lose_one_answer(proxy, "create")
    await store.create(content, [Delivery(user)], at(1), remember=False)
    page = await store.read_log(user, None, "e0")
    assert (page.end.offset, page.counts.unread) == (1, 1)


async def test_a_claim_whose_reply_is_lost_stays_with_the_same_try(client: FunctionClient, proxy: RedisProxy) -> None:
    """Otherwise the attempt would await the end of its own lease."""
    store, project = IdempotencyStore(client), new_user().project_id
    lose_one_answer(proxy, "begin_idempotent")
    assert await store.begin(project, "k", "fingerprint", b"plan") == Run(b"plan", is_first=True)
    with contextlib.suppress(StoreUnavailableError):
        await store.finish(project, "k", 201, b"{}")
    assert await client.command("HGET", keys.idempotency(project, "k"), "status") == b"201"


async def test_a_repetition_that_takes_over_and_whose_reply_is_lost_follows_the_first_plan(
    client: FunctionClient, proxy: RedisProxy
) -> None:
    store, project = IdempotencyStore(client), new_user().project_id
    await store.begin(project, "k", "fingerprint", b"plan")
    store.cut_off(project, "k")
    lose_one_answer(proxy, "begin_idempotent")
    assert await store.begin(project, "k", "fingerprint", b"another") == Run(b"plan", is_first=False)
