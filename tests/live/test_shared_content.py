"""Items that share their content: open inboxes receive all of it, whether or not their worker has read it before."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from gateway.domain.ids import ProjectId
from gateway.domain.principal import Identity, User
from gateway.settings import Settings
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.deliveries import Delivery
from gateway.store.directory import Directory
from gateway.store.event_log import LogRetention, Moment
from gateway.store.inbox import InboxStore
from gateway.store.library import LIBRARY
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from tests.live.clients import TRANSPORTS, LiveClient, Message, command, items, listing, offsets, open_inbox
from tests.servers import ADMIN, Gateway, user_headers

TITLE = "To all of you ☂"


class Sender:
    """Another node, which sends items with shared content that the gateway under test has not read yet."""

    def __init__(self, client: FunctionClient, user: User):
        self._contents = ContentStore(client)
        self._inboxes = InboxStore(client, LogRetention(10_000, 10_000), self._contents)
        self._user = user

    async def send(self, title: str = TITLE, lost: bool = False) -> str:
        """Send an item and return its id. If `lost` is true, its content is not stored."""
        fields = NotificationFields(title=title, content="c", custom_attributes={"a": 1})
        content = Content.encode(str(uuid4()), fields)
        if not lost:
            await self._contents.put(self._user.project_id, content)
        moment = Moment(int(time.time() * 1000), "e0")
        await self._inboxes.create(content.as_reference(), [Delivery(self._user)], moment, remember=True)
        return content.id_text


@pytest.fixture
async def sender(gateway: Gateway, http: httpx.AsyncClient, user: str) -> AsyncIterator[Sender]:
    """Yield a sender to the test's user."""
    client = FunctionClient(Topology(Settings(data_dir=gateway.data_dir)), LIBRARY)
    project_id = ProjectId((await listing(http, user)).json()["project_id"])
    found = await Directory(client, time.monotonic).resolve(project_id, Identity(user))
    yield Sender(client, found)
    client.close()


@contextlib.asynccontextmanager
async def open_all(gateway: Gateway, user: str) -> AsyncIterator[list[LiveClient]]:
    """Open two inboxes over each transport."""
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(open_inbox(transport, gateway, user))
            for transport in TRANSPORTS
            for _ in range(2)
        ]


def notification(event: Message) -> Message:
    found: Message = event["data"]["notification"]
    return found


async def test_open_inboxes_receive_content_that_their_worker_has_not_read(
    gateway: Gateway, http: httpx.AsyncClient, sender: Sender, user: str
) -> None:
    async with open_all(gateway, user) as clients:
        sent = str(await sender.send())
        received = [await client.event() for client in clients]
        (item,) = await items(http, user)
        assert (item["id"], item["title"], item["custom_attributes"]) == (sent, TITLE, {"a": 1})
        assert all(event["data"]["id"] == sent and notification(event) == item for event in received)
        assert all(client.texts[-1] == clients[0].texts[-1] for client in clients)


async def test_later_events_of_the_item_contain_its_content(
    gateway: Gateway, http: httpx.AsyncClient, sender: Sender, user: str
) -> None:
    async with open_all(gateway, user) as clients:
        path = f"/notifications/{await sender.send()}"
        for method, suffix in (("POST", "/read"), ("POST", "/unread"), ("POST", "/archive"), ("DELETE", "")):
            await command(http, user, method, path + suffix)
        for client in clients:
            received = await client.events(5)
            assert offsets(received) == [1, 2, 3, 4, 5]
            assert [event["name"].partition("/")[2] for event in received] == [
                "new",
                "read",
                "unread",
                "archive",
                "delete",
            ]
            assert {notification(event)["title"] for event in received} == {TITLE}


async def test_consecutive_items_arrive_in_order_and_once(gateway: Gateway, sender: Sender, user: str) -> None:
    async with open_all(gateway, user) as clients:
        titles = [f"n{number}" for number in range(30)]
        for title in titles:
            await sender.send(title)
        for received in await asyncio.gather(*(client.events(30) for client in clients)):
            assert offsets(received) == list(range(1, 31))
            assert [notification(event)["title"] for event in received] == titles


async def start_of_log(http: httpx.AsyncClient, user: str) -> str:
    """Return the position before the first event of a user."""
    listed = await http.get("/notifications", headers=user_headers(user))
    return listed.headers["X-Inbox-Position"].partition(".")[0] + ".0"


async def test_a_replay_of_large_contents_is_complete(
    gateway: Gateway, http: httpx.AsyncClient, sender: Sender, user: str
) -> None:
    titles = [str(number) * 60_000 for number in range(8)]
    for title in titles:
        await sender.send(title)
    start = await start_of_log(http, user)
    for transport in TRANSPORTS:
        async with open_inbox(transport, gateway, user, since=start) as client:
            received = await client.events(8)
            assert offsets(received) == list(range(1, 9))
            assert [notification(event)["title"] for event in received] == titles


async def test_every_way_to_read_an_item_returns_its_content(
    http: httpx.AsyncClient, sender: Sender, user: str
) -> None:
    sent = await sender.send()
    one = await http.get(f"/notifications/{sent}", headers=user_headers(user))
    since = await start_of_log(http, user)
    pulled = await http.get("/realtime/events", headers=user_headers(user), params={"since": since})
    (listed,) = await items(http, user)
    (event,) = pulled.json()["events"]
    assert one.json()["notification"] == listed == notification(event)
    assert listed["title"] == TITLE


async def test_an_item_whose_content_is_lost_arrives_without_it(
    gateway: Gateway, http: httpx.AsyncClient, sender: Sender, user: str
) -> None:
    async with open_all(gateway, user) as clients:
        sent = await sender.send(lost=True)
        (item,) = await items(http, user)
        assert (item["id"], item["title"]) == (str(sent), "")
        for client in clients:
            assert notification(await client.event()) == item


async def redis_calls(http: httpx.AsyncClient) -> dict[str, float]:
    """Return how often the gateway has called each Redis function."""
    text = (await http.get("/metrics")).text
    return {
        name: float(count)
        for name, count in re.findall(r'^inbox_redis_calls_total{function="(\w+)"} (\S+)$', text, re.M)
    }


async def test_a_broadcast_reaches_the_open_inboxes_of_its_own_worker_without_a_read(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    async with open_all(gateway, user) as clients:
        before = await redis_calls(http)
        body = {"broadcast": {"title": TITLE, "recipients": [{"external_id": user}]}}
        (await http.post("/broadcasts", headers=ADMIN, json=body)).raise_for_status()
        for client in clients:
            assert notification(await client.event())["title"] == TITLE
        after = await redis_calls(http)
    reads = ("read_content", "read_log", "read_log_uncounted")
    assert [after.get(name, 0) - before.get(name, 0) for name in reads] == [0, 0, 0]
