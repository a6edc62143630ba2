"""Many clients at once: all of them receive everything in order, and a slow one delays no other."""

import asyncio
import contextlib
import json
import random
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.live.clients import (
    PATIENCE_SECONDS,
    TRANSPORTS,
    LiveClient,
    Message,
    Replica,
    command,
    items,
    offset,
    offsets,
    open_inbox,
    open_raw_websocket,
    position,
    raw_socket,
    receive_until,
    send,
    send_request,
)
from tests.servers import Gateway, user_headers

SMALL_RECEIVE_BUFFER = 4096
CONTENT = "x" * 100_000
LARGE_SENDS = 80
"""8 MB: more than the kernel accepts for a peer that does not read, plus the gateway's own bound."""


@contextlib.asynccontextmanager
async def open_many(gateway: Gateway, user: str, each: int) -> AsyncIterator[list[LiveClient]]:
    """Open inboxes of one user, `each` over every transport."""
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(open_inbox(transport, gateway, user))
            for transport in TRANSPORTS
            for _ in range(each)
        ]


# ---- many clients of one inbox


class RandomUser:
    """A user who changes an inbox at random, and the backend that fills it."""

    CATEGORIES = ("billing", "", "uncategorized")
    TOPICS = (None, "a", "b")

    def __init__(self, http: httpx.AsyncClient, user: str, seed: int):
        self._http = http
        self._user = user
        self._random = random.Random(seed)
        self._ids: list[str] = []

    async def act(self) -> None:
        """Send one random command. Some are about a deleted item, or change nothing."""
        choice = self._random.random()
        if choice < 0.3 or not self._ids:
            fields: Message = {
                "category": self._random.choice(self.CATEGORIES),
                "topic": self._random.choice(self.TOPICS),
            }
            self._ids.append(await send(self._http, self._user, **fields))
        elif choice < 0.4:
            verb, query = self._random.choice(("read", "seen")), self._random.choice(self.FILTERS)
            await command(self._http, self._user, "POST", f"/notifications/{verb}{query}")
        else:
            method, suffix = self._random.choice(self.COMMANDS)
            path = f"/notifications/{self._random.choice(self._ids)}{suffix}"
            response = await self._http.request(method, path, headers=user_headers(self._user, "tab-1"))
            assert response.status_code in (204, 404)

    FILTERS = (
        "",
        "?archived=true",
        "?archived=false&seen=true",
        "?read=false",
        "?categories=uncategorized",
        "?categories=billing&topics=a,b",
        "?topics=a",
    )
    COMMANDS = (
        ("POST", "/read"),
        ("POST", "/read"),
        ("POST", "/unread"),
        ("POST", "/seen"),
        ("POST", "/archive"),
        ("DELETE", "/archive"),
        ("DELETE", ""),
    )


async def test_ten_clients_receive_the_same_events_and_end_with_the_inbox_that_rest_lists(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    async with open_many(gateway, user, each=5) as clients:

        async def act(person: RandomUser) -> None:
            for _ in range(60):
                await person.act()

        await asyncio.gather(*(act(RandomUser(http, user, seed)) for seed in range(4)))
        last = offset(await position(http, user))
        received = await asyncio.gather(*(client.events(last) for client in clients))

        assert offsets(received[0]) == list(range(1, last + 1))
        assert all(client.texts[1:] == clients[0].texts[1:] for client in clients), "the same bytes in the same order"
        replica = Replica()
        for event in received[0]:
            replica.apply(event)
            assert {name: event[name] for name in replica.counts} == replica.counts, event
        assert replica.items == await items(http, user)


# ---- connecting at any moment


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_client_that_connects_while_events_are_published_misses_none(
    gateway: Gateway, http: httpx.AsyncClient, user: str, transport: str
) -> None:
    total, connects = 200, 24
    chance = random.Random(transport)
    sent = 0
    more_sent = asyncio.Condition()

    async def send_all() -> None:
        nonlocal sent
        while sent < total:
            await asyncio.gather(*(send(http, user) for _ in range(4)))
            async with more_sent:
                sent += 4
                more_sent.notify_all()

    async def connect(after: int) -> None:
        async with more_sent:
            await more_sent.wait_for(lambda: sent >= after)
        async with open_inbox(transport, gateway, user) as inbox:
            start = offset(inbox.position)
            assert start >= after, "the stream starts after every event that was acknowledged before"
            assert offsets(await inbox.events(total - start)) == list(range(start + 1, total + 1))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send_all(), name="send")
        for number in range(connects):
            tasks.create_task(connect(chance.randrange(total)), name=f"connect-{number}")


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_client_that_connects_at_the_moment_of_the_only_event_does_not_miss_it(
    gateway: Gateway, http: httpx.AsyncClient, user: str, transport: str
) -> None:
    chance = random.Random(transport)

    async def send_soon(name: str) -> None:
        await asyncio.sleep(chance.uniform(0, 0.005))  # at some moment while the connection opens
        await send(http, name)

    for number in range(100):
        # A new user each time: the pub/sub channel is not subscribed before, and no later event shows a gap.
        name = f"{user}-{number}"
        sending = asyncio.create_task(send_soon(name), name="send")
        async with open_inbox(transport, gateway, name) as inbox:
            await sending
            if offset(inbox.position) == 0:
                assert offsets([await inbox.event()]) == [1]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_client_that_reconnects_while_events_are_published_gets_each_once(
    gateway: Gateway, http: httpx.AsyncClient, user: str, transport: str
) -> None:
    total = 120
    async with open_inbox(transport, gateway, user) as inbox:
        last = inbox.position

    async def send_all() -> None:
        for _ in range(total // 4):
            await asyncio.gather(*(send(http, user) for _ in range(4)))

    async def reconnect_often(seed: int, since: str) -> None:
        chance = random.Random(seed)
        received: list[int] = []
        while len(received) < total:
            stay = min(chance.randrange(1, 20), total - len(received))
            async with open_inbox(transport, gateway, user, since=since) as inbox:
                events = await inbox.events(stay)
            received += offsets(events)
            since = events[-1]["position"]
        assert received == list(range(1, total + 1))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send_all(), name="send")
        for seed in range(4):
            tasks.create_task(reconnect_often(seed, last), name=f"client-{seed}")


# ---- slow readers


async def send_large(http: httpx.AsyncClient, user: str, clients: list[LiveClient], count: int) -> float:
    """Send large notifications while `clients` read. Return the longest time until all had one, in seconds."""
    slowest = 0.0
    for _ in range(count):
        started = time.monotonic()
        await asyncio.gather(send(http, user, content=CONTENT), *(client.event() for client in clients))
        slowest = max(slowest, time.monotonic() - started)
    return slowest


async def metric(http: httpx.AsyncClient, name: str) -> float:
    """Read one metric without labels."""
    text = (await http.get("/metrics")).text
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def assert_cut_short(events: list[Message], goodbye: Message, last: int) -> None:
    """Check that a slow reader received a contiguous first part, then a goodbye that makes it reconnect."""
    assert offsets(events) == list(range(1, len(events) + 1))
    assert len(events) < last
    assert (goodbye["code"], goodbye["reason"]) == (4003, "slow_reader")
    assert goodbye["retry_after_ms"] > 0


async def test_a_websocket_that_reads_too_slowly_is_closed_and_resumes_where_it_was(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    async with (
        open_many(gateway, user, each=1) as others,
        open_raw_websocket(gateway, user, SMALL_RECEIVE_BUFFER) as slow,
    ):
        await slow.message()
        assert await send_large(http, user, others, LARGE_SENDS) < 2
        *events, goodbye = await slow.until_goodbye()
        assert_cut_short(events, goodbye, LARGE_SENDS)
    async with open_inbox("websocket", gateway, user, since=events[-1]["position"]) as back:
        assert offsets(await back.events(LARGE_SENDS - len(events)))[-1] == LARGE_SENDS


async def test_a_stream_that_is_read_too_slowly_is_closed_and_resumes_where_it_was(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    async with open_many(gateway, user, each=1) as others, raw_socket(gateway, SMALL_RECEIVE_BUFFER) as slow:
        await send_request(slow, "/realtime/sse", user_headers(user))
        await receive_until(slow, b"}\n\n")  # that is ready
        assert await send_large(http, user, others, LARGE_SENDS) < 2
        received = await receive_until(slow, b"the end of the connection")
        *events, goodbye = [json.loads(data) for data in re.findall(rb"^data: (.+)$", received, re.MULTILINE)]
        assert_cut_short(events, goodbye, LARGE_SENDS)
    async with open_inbox("sse", gateway, user, since=events[-1]["position"]) as back:
        assert offsets(await back.events(LARGE_SENDS - len(events)))[-1] == LARGE_SENDS


async def test_peers_that_never_read_cost_no_memory_and_are_disconnected(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    slow_readers = 20
    before = await metric(http, "inbox_slow_readers_closed_total")
    (worker,) = gateway.children("worker")
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(slow_readers):
            slow = await stack.enter_async_context(open_raw_websocket(gateway, user, SMALL_RECEIVE_BUFFER))
            await slow.message()
        (reader,) = [await stack.enter_async_context(open_inbox("websocket", gateway, user))]
        resident_before = resident_bytes(worker)
        await send_large(http, user, [reader], LARGE_SENDS)
        # Without a bound they would buffer 160 MB. Each may buffer 256 KB and one event.
        assert resident_bytes(worker) - resident_before < 40_000_000
        assert await metric(http, "inbox_slow_readers_closed_total") == before + slow_readers
        async with asyncio.timeout(PATIENCE_SECONDS):
            while established(gateway.port) > 5:
                await asyncio.sleep(0.1)


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process (Linux)."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def established(port: int) -> int:
    """Count the server's established connections on a port (Linux)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


async def test_a_replay_waits_for_a_reader_that_pauses_and_loses_nothing(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    async with open_inbox("websocket", gateway, user) as inbox:
        start = inbox.position
    for _ in range(LARGE_SENDS // 8):
        await asyncio.gather(*(send(http, user, content=CONTENT) for _ in range(8)))
    async with open_inbox("websocket", gateway, user, since=start) as inbox:
        # The library does not read from the socket while its messages are not read. More is sent meanwhile.
        inbox_events = await inbox.events(1)
        for _ in range(10):
            await send(http, user)
        inbox_events += await inbox.events(LARGE_SENDS + 9)
        assert offsets(inbox_events) == list(range(1, LARGE_SENDS + 11))
