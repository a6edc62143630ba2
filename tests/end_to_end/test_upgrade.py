"""A rolling upgrade: nodes of the previous version and of this one on one store, until the old ones stop."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest
from websockets.exceptions import InvalidHandshake

from tests.end_to_end.previous_version import MISSING, install, is_reachable
from tests.end_to_end.test_faults import Writer, assert_exact, client_of, short_directory
from tests.live.clients import TRANSPORTS, Ended, ResumingInbox, items, open_inbox, resuming
from tests.servers import ADMIN, Gateway, running_gateway, running_redis, user_headers

USER = "ada"

STAY_SECONDS = 0.5
"""How long a client stays on a node before it moves to the next one."""

SECRET_KEY = "a secret key that both versions have"


class Nodes(NamedTuple):
    """A node of the previous version and one of this version, on one store."""

    old: Gateway
    new: Gateway


class MovingInbox(ResumingInbox):
    """A client that moves between nodes, and resumes on each from its last position."""

    nodes: tuple[Gateway, ...] = ()

    async def run(self) -> None:
        """Move until cancelled."""
        number = 0
        while True:
            self.gateway = self.nodes[number % len(self.nodes)]
            number += 1
            with contextlib.suppress(Ended, OSError, httpx.TransportError, InvalidHandshake, TimeoutError):
                async with (
                    asyncio.timeout(STAY_SECONDS),
                    open_inbox(self.transport, self.gateway, self.user, since=self.position or None) as client,
                ):
                    await self._receive_events(client)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Start the old node on an empty store, then the new one beside it."""
    if not is_reachable():
        pytest.skip(MISSING)
    previous = install(tmp_path_factory.mktemp("previous"))
    with running_redis("valkey", tmp_path_factory.mktemp("redis")) as server:
        environment = {"INBOX_REDIS_URL": server.url, "INBOX_SECRET_KEY": SECRET_KEY}
        with (
            running_gateway(short_directory(tmp_path_factory), **environment, **previous) as old,
            running_gateway(short_directory(tmp_path_factory), **environment) as new,
        ):
            yield Nodes(old, new)


class V2Writer(Writer):
    """A backend that sends through the v2 API."""

    async def write(self) -> bool:
        """Send a notification. Return whether it was accepted."""
        body = {"title": "Hello", "recipients": [{"external_id": self._user}]}
        try:
            response = await self._http.post("/v2/broadcasts", headers=ADMIN, json=body)
        except httpx.TransportError:
            self.cut_off += 1
            return False
        if response.status_code in (201, 202):
            self.acknowledged.append(response.json()["id"])
            return True
        self.refused.append(response)
        return False


async def mark_some(http: httpx.AsyncClient, version: str) -> None:
    """Mark some notifications of the user as read, archived and unread, by one of the two APIs."""
    for item, action in zip((await items(http, USER))[:3], ("read", "archive", "unread"), strict=True):
        path = f"{version}/notifications/{item['id']}/{action}"
        response = await http.post(path, headers=user_headers(USER))
        assert response.status_code in (200, 204), response.text


async def processed(http: httpx.AsyncClient, broadcasts: list[str]) -> None:
    """Wait until all of these broadcasts are processed."""
    async with asyncio.timeout(60):
        for broadcast in broadcasts:
            status = ""
            while status != "processed":
                found = (await http.get(f"/v2/broadcasts/{broadcast}", headers=ADMIN)).json()
                status = found["status"]["status"]


async def test_nothing_is_lost_doubled_or_out_of_order_while_old_nodes_give_way_to_new_ones(nodes: Nodes) -> None:
    inboxes = [MovingInbox(transport, nodes.old, USER) for transport in TRANSPORTS * 2]
    for inbox in inboxes:
        inbox.nodes = (nodes.old,)
    async with client_of(nodes.old) as old, client_of(nodes.new) as new, resuming(*inboxes):
        writers = [Writer(old, USER), Writer(new, USER), V2Writer(old, USER), V2Writer(new, USER)]
        await asyncio.gather(writers[0].acknowledge(5), writers[2].acknowledge(2))
        for inbox in inboxes:
            inbox.nodes = nodes
        rounds = 0
        while any(inbox.connections < 6 for inbox in inboxes):
            rounds += 1
            await asyncio.gather(*(writer.acknowledge(2) for writer in writers))
            await mark_some(old if rounds % 2 else new, "/v2" if rounds % 4 > 1 else "")
        for inbox in inboxes:
            inbox.nodes = (nodes.new,)
        rest = asyncio.gather(writers[1].acknowledge(20), writers[3].acknowledge(5))
        assert await asyncio.to_thread(nodes.old.stop) == 0
        await rest
        assert [writer.refused for writer in writers] == [[], [], [], []]
        await processed(new, [each for writer in writers[2:] for each in writer.acknowledged])
        for writer in writers:
            await assert_exact(new, USER, writer, list[ResumingInbox](inboxes))
