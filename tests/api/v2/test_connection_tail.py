"""The live tail of a project's connections: made while somebody watches, on every worker, bounded, and ended."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import httpx
import msgspec
import pytest

from gateway.domain.ids import ProjectId
from gateway.live.figures import LiveFigures
from gateway.server.connection_events import ConnectionEventPublisher
from gateway.store import keys
from gateway.store import tails as limits
from gateway.store.connection_tails import ConnectionBatch, ConnectionEvent, ConnectionTails
from gateway.store.errors import TooManyTailsError
from gateway.store.redis.subscriber import Subscriber
from gateway.store.usage_counts import UsageCounts
from tests.api.live import open_inbox
from tests.api.v2.stored import PROJECT, Stored, running_stored
from tests.servers import ADMIN, Gateway, user_headers

TAIL = "/v2/connections/tail"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """A gateway with two workers and fast heartbeats."""
    directory = tmp_path_factory.mktemp("watched")
    with running_stored(directory, INBOX_WORKERS="2", INBOX_HEARTBEAT_SECONDS="1") as started:
        yield started


class Reader:
    """Reads the records of a tail."""

    def __init__(self, response: httpx.Response):
        self._lines = response.aiter_lines()

    async def next(self, wanted: str = "data") -> dict[str, str]:
        """Return the next record that has a field; comments have the name ""."""
        found: dict[str, str] = {}
        async for line in self._lines:
            name, _, value = line.partition(": ")
            if line and not name:  # a comment, which ends without an empty line
                if not wanted:
                    return {"": value}
            elif line:
                found[name] = value
            elif wanted in found:
                return found
            else:
                found = {}
        raise AssertionError("the stream has ended")

    async def event(self) -> dict[str, str]:
        """Return the data of the next record."""
        event: dict[str, str] = json.loads((await self.next())["data"])
        return event


@pytest.fixture
async def http(watched: Stored) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=watched.gateway.url, timeout=20) as client:
        yield client


async def test_connections_of_every_worker_are_followed(http: httpx.AsyncClient, watched: Stored) -> None:
    user = watched.user("ada")
    async with http.stream("GET", TAIL, headers=ADMIN) as response:
        reader = Reader(response)
        assert response.headers["content-type"].startswith("text/event-stream")
        await reader.next("retry")
        # The other worker begins with its next report.
        coming = asyncio.create_task(_come_and_go(watched.gateway))
        opened: dict[str, dict[str, str]] = {}
        while len({each.partition("-")[0] for each in opened}) < 2:
            event = await reader.event()
            assert (event["user_id"], event["transport"]) == (user.id, "websocket")
            if event["type"] == "connection.opened":
                opened[event["connection_id"]] = event
            else:
                assert (event["type"], event["code"]) == ("connection.closed", "client")
        coming.cancel()
        wrong = user_headers("ada") | {"X-MAGICBELL-USER-HMAC": "wrong", "Origin": "https://app.example.com"}
        assert (await http.get("/realtime/sse", headers=wrong)).status_code == 401
        while (refused := await reader.event())["type"] != "connection.refused":
            pass
        assert (refused["code"], refused["origin"]) == ("user_hmac_is_incorrect", "https://app.example.com")
        assert "heartbeat" in (await reader.next(""))[""]


async def _come_and_go(gateway: Gateway) -> None:
    while True:
        async with open_inbox(gateway, "ada"):
            pass


async def test_a_filter_passes_one_type(http: httpx.AsyncClient, watched: Stored) -> None:
    async with http.stream("GET", f"{TAIL}?type=closed", headers=ADMIN) as response:
        reader = Reader(response)
        await reader.next("retry")
        coming = asyncio.create_task(_come_and_go(watched.gateway))
        assert (await reader.event())["type"] == "connection.closed"
        coming.cancel()
    assert (await http.get(f"{TAIL}?type=other", headers=ADMIN)).status_code == 422


async def test_a_tail_is_bounded_counted_and_ends_with_its_credentials(
    http: httpx.AsyncClient, watched: Stored
) -> None:
    issued = (await http.post("/v2/jwt/project", headers=ADMIN, json={"name": "tail"})).raise_for_status().json()
    async with (
        http.stream("GET", TAIL, headers={"Authorization": f"Bearer {issued['token']}"}) as response,
        watched.client() as client,
    ):
        reader = Reader(response)
        await reader.next("retry")
        batch = msgspec.json.encode(ConnectionBatch([ConnectionEvent(1, "opened", "sse")] * 600, 7))
        channel = keys.connection_events(PROJECT)
        await client.publish(channel, b"not a batch")
        await client.commands(*[("SPUBLISH", channel, batch)] * 3)
        count = dropped = 0
        while count + dropped < 3 * 607:
            record = await reader.next()
            if record.get("event") == "dropped":
                dropped += json.loads(record["data"])["count"]
            else:
                count += 1
        assert dropped >= 3 * 7
        assert (await http.delete(f"/v2/jwt/project/{issued['token_id']}", headers=ADMIN)).status_code == 200
        while (record := await reader.next()).get("event") != "goodbye":
            pass
        assert json.loads(record["data"])["reason"] == "token_revoked"


async def test_a_worker_has_few_tails(watched: Stored) -> None:
    async with watched.client() as client:
        subscriber = Subscriber(client, "w")
        running = asyncio.create_task(subscriber.run())
        while not subscriber.healthy:
            await asyncio.sleep(0.01)
        seen: list[ProjectId] = []
        tails = ConnectionTails(subscriber, seen.append)
        opened = [await tails.open(PROJECT, "viewer") for _ in range(limits.TAILS_PER_ADMIN)]
        with pytest.raises(TooManyTailsError):
            await tails.open(PROJECT, "viewer")
        left = limits.TAILS_PER_PROJECT - len(opened)
        opened += [await tails.open(PROJECT) for _ in range(left)]
        with pytest.raises(TooManyTailsError):
            await tails.open(PROJECT)
        tails.end_all()
        assert all(each.is_ending for each in opened)
        tails.close(opened.pop())
        assert (await tails.open(PROJECT)).is_ending
        assert not tails.dispatch(b"another", [])
        running.cancel()
    assert set(seen) == {PROJECT}


async def test_events_without_room_or_without_redis_are_counted(watched: Stored) -> None:
    figures = LiveFigures(UsageCounts())
    async with watched.client() as client:
        client.close()
        figures.drop(PROJECT, 3)
        figures.noted.set()
        await ConnectionEventPublisher(client, figures).publish()
    assert figures.take_events() in ({}, {PROJECT: ([], 3)})
