"""A gateway whose store tests reach directly, to write what only a process that delivers would write."""

import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from gateway.domain.delivery import (
    Claim,
    EntryRecord,
    EntryResult,
    Lane,
    OutboxPlan,
    Route,
    UserResults,
)
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.notification import ItemId
from gateway.domain.principal import User
from gateway.sending.plans import new_send_plan
from gateway.settings import Settings
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.event_log import LogRetention, Moment
from gateway.store.inbox import InboxStore
from gateway.store.lanes import LaneStore
from gateway.store.library import LIBRARY
from gateway.store.outbox import OutboxStore
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from tests.servers import ADMIN, Gateway, running_gateway, running_redis

PROJECT = ProjectId("1")
"""The only project of the gateway."""

_claims = itertools.count(1)


class Desk:
    """The store, with what a request and a process that delivers write to it."""

    def __init__(self, client: FunctionClient):
        contents = ContentStore(client)
        self.inboxes = InboxStore(client, LogRetention(1000, 1000), contents)
        self.outbox = OutboxStore(client, contents, ChannelTokenStore(client))
        self.lanes = LaneStore(client)

    async def send(self, user: User, delays: dict[Route, int], category: str = "", in_inbox: bool = True) -> ItemId:
        """Store a notification that is to be sent on routes, each after a delay in ms."""
        now_ms = int(time.time() * 1000)
        plan = new_send_plan(Moment(now_ms, "e0"))
        content = Content.encode(plan.id, NotificationFields(title="Hello", category=category))
        await self.inboxes.send_each(content, [user], plan.moment, True, OutboxPlan(tuple(delays.items()), in_inbox))
        return content.id

    async def record(self, user: User, route: Route, record: EntryRecord, next_ms: int | None = None) -> None:
        """Take what is due, and record this of it."""
        lease = int(time.time() * 1000) + 30_000
        claim = Claim(Lane(PROJECT, route), [user.id], next(_claims), lease, str(lease))
        (taken,) = await self.outbox.take(claim)
        assert taken.entries
        results = [EntryResult(each.id, record, next_ms) for each in taken.entries]
        await self.outbox.record([UserResults(taken, results)])


@dataclass(frozen=True, slots=True)
class Stored:
    """The gateway, and its Redis."""

    gateway: Gateway
    redis_url: str

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[FunctionClient]:
        """Return a client of the store for a block."""
        client = FunctionClient(Topology(Settings(redis_url=self.redis_url)), LIBRARY)
        await client.load()
        try:
            yield client
        finally:
            client.close()

    def user(self, external_id: str) -> User:
        """Return a user, who is created if there is none."""
        with httpx.Client(base_url=self.gateway.url, headers=ADMIN, timeout=10) as http:
            found = http.post("/v2/users", json={"external_id": external_id}).raise_for_status().json()
        return User(PROJECT, UserId(found["id"]), external_id, None)


@contextlib.contextmanager
def running_stored(directory: Path, **environment: str) -> Iterator[Stored]:
    """Run a gateway that delivers nothing, with a Redis of its own, for a block."""
    settings = {"INBOX_DELIVERY_WORKERS": "0", **environment}
    with (
        running_redis("valkey", directory) as server,
        running_gateway(directory / "data", INBOX_REDIS_URL=server.url, **settings) as gateway,
    ):
        yield Stored(gateway, server.url)
