"""What the tests of outgoing webhooks share: all parts that serve the lane of webhooks, with a clock that they move."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_network
from uuid import UUID

from gateway.delivery.webhook_sender import WebhookSender
from gateway.delivery.webhook_source import WebhookSource
from gateway.domain.ids import ProjectId
from gateway.domain.outbound import OutboundRules
from gateway.domain.webhook import message_id
from gateway.runtime.outbound import OutboundHttp
from gateway.store.contents import ContentStore
from gateway.store.directory import Directory
from gateway.store.event_log import LogRetention
from gateway.store.inbox import InboxStore
from gateway.store.integrations import new_id
from gateway.store.project_event_log import EventRetention, ProjectEventLog
from gateway.store.project_events import ProjectEvents
from gateway.store.webhook_endpoints import Endpoint, SigningSecret, WebhookEndpointStore, new_secret
from gateway.store.webhook_messages import NewMessage, WebhookMessageStore
from tests.store.conftest import InspectedClient, new_user
from tests.stubs.webhook_receiver import WebhookReceiver

PROJECT_NUMBER = ProjectId("7")


class Clock:
    """A clock in unix seconds that a test moves."""

    def __init__(self, now: float):
        self.now = now

    def __call__(self) -> float:
        return self.now

    @property
    def ms(self) -> int:
        """Return the time in milliseconds."""
        return int(self.now * 1000)


class Webhooks:
    """The stores and the two parts of the delivery, for one project."""

    def __init__(self, client: InspectedClient, clock: Clock):
        self.client = client
        self.clock = clock
        self.project_id = new_user().project_id
        self.endpoints = WebhookEndpointStore(client, "a secret key")
        self.messages = WebhookMessageStore(client)
        self.contents = ContentStore(client)
        self.inboxes = InboxStore(client, LogRetention(1000, 10_000), self.contents)
        self.directory = Directory(client, time.monotonic)
        self.log = ProjectEventLog(client, EventRetention(1000, 0))
        self.events = ProjectEvents(self.log)
        self.http = OutboundHttp(OutboundRules((ip_network("127.0.0.0/8"),)))
        self.woken: list[str] = []
        self.requests = asyncio.Semaphore(100)
        self.sender = WebhookSender(self.endpoints, self.messages, self.http, self.events, clock, lambda: 0.5)
        self.source = WebhookSource(
            self.endpoints, self.messages, self.contents, self.log, self.directory, self._wake, clock
        )

    async def _wake(self, project_id: ProjectId, endpoint_id: str, due_ms: int) -> None:
        assert project_id == self.project_id
        self.woken.append(endpoint_id)

    async def endpoint(self, receiver: WebhookReceiver, *event_types: str, created_ms: int = 0) -> Endpoint:
        """Save an endpoint that posts to a receiver."""
        secret = new_secret()
        receiver.secrets.append(secret)
        made = Endpoint(
            new_id(PROJECT_NUMBER, self.clock.ms // 1000),
            receiver.url,
            event_types,
            "",
            "",
            created_ms,
            created_ms,
            (SigningSecret(secret),),
        )
        assert await self.endpoints.save(self.project_id, made, None)
        return await self.read(made)

    async def read(self, endpoint: Endpoint) -> Endpoint:
        """Return an endpoint as it is now."""
        found = await self.endpoints.read(self.project_id, endpoint.id)
        assert found is not None
        return found

    async def change(self, endpoint: Endpoint, **changes: object) -> Endpoint:
        """Change an endpoint."""
        before = await self.read(endpoint)
        assert await self.endpoints.save(self.project_id, replace(before, **changes), before)  # type: ignore[arg-type]
        return await self.read(endpoint)

    async def add(self, endpoint: Endpoint, count: int = 1, first: int = 0) -> Sequence[UUID]:
        """Add messages that are due."""
        made = []
        for number in range(first, first + count):
            new = message_id(self.clock.ms, endpoint.id, str(number))
            body = b'{"type":"user.created","id":"%s","timestamp":"","data":{}}' % str(new).encode()
            made.append(NewMessage(new, "user.created", body))
        await self.messages.add(self.project_id, endpoint.id, made, self.clock.ms)
        return [each.id for each in made]

    async def serve(self, endpoint: Endpoint) -> float | None:
        """Serve an endpoint, and return in how many seconds it is due again."""
        async with asyncio.timeout(30):
            next_ms = await self.sender.serve(self.project_id, endpoint.id, self.requests)
        return None if next_ms is None else (next_ms - self.clock.ms) / 1000

    async def serve_until(self, endpoint: Endpoint, end: float) -> None:
        """Serve an endpoint whenever it is due, until a time of the clock or until nothing is due any more."""
        while (wait := await self.serve(endpoint)) is not None and self.clock.now + wait <= end:
            self.clock.now += max(wait, 0.001)
