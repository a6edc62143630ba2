"""A receiver of outgoing webhooks, as a customer would write it: it verifies each request with `standardwebhooks`."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from aiohttp import web
from standardwebhooks import Webhook

TOLERANCE_SECONDS = 300


class Received(NamedTuple):
    """A request whose signature is valid."""

    id: str
    type: str
    body: Mapping[str, Any]
    timestamp: int
    signatures: int


class WebhookReceiver:
    """The receiver. `statuses` are those of the next responses, then `status`. It waits while `is_open` is clear."""

    def __init__(self) -> None:
        self.secrets: list[str] = []
        self.received: list[Received] = []
        self.refused = 0
        self.status = 200
        self.statuses: list[int] = []
        self.headers: Mapping[str, str] = {}
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.at_once = 0
        self.most_at_once = 0
        self.url = ""

    @property
    def counts(self) -> Counter[str]:
        """Return how often each message arrived, by id."""
        return Counter(each.id for each in self.received)

    def of_type(self, label: str) -> list[Received]:
        """Return what arrived of a type."""
        return [each for each in self.received if each.type == label]

    async def wait(self, count: int, seconds: float = 20) -> Sequence[Received]:
        """Wait until so many requests have arrived, and return all."""
        async with asyncio.timeout(seconds):
            while len(self.received) < count:
                await asyncio.sleep(0.01)
        return self.received

    async def answer(self, request: web.Request) -> web.Response:
        """Verify a request, and respond as the test wants it."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            body = await request.read()
            if not any(_verifies(secret, body, request.headers) for secret in self.secrets):
                self.refused += 1
                return web.Response(status=401)
            read = json.loads(body)
            assert read["id"] == request.headers["webhook-id"]
            timestamp = int(request.headers["webhook-timestamp"])
            signatures = len(request.headers["webhook-signature"].split(" "))
            self.received.append(Received(read["id"], read["type"], read, timestamp, signatures))
            status = self.statuses.pop(0) if self.statuses else self.status
            await self.is_open.wait()
            return web.Response(status=status, headers=self.headers)
        finally:
            self.at_once -= 1


def _verifies(secret: str, body: bytes, headers: Mapping[str, str]) -> bool:
    """Return whether a signature holds. The library refuses times that are not about now, such as those of a test."""
    webhook, timestamp = Webhook(secret), int(headers["webhook-timestamp"])
    if abs(timestamp - time.time()) < TOLERANCE_SECONDS:
        try:
            webhook.verify(body, {name.lower(): value for name, value in headers.items()})
        except Exception:
            return False
        return True
    expected = webhook.sign(headers["webhook-id"], datetime.fromtimestamp(timestamp, UTC), body.decode())
    return expected in headers["webhook-signature"].split(" ")


@asynccontextmanager
async def running_receiver() -> AsyncIterator[WebhookReceiver]:
    """Run a receiver on a free port of the loopback."""
    receiver = WebhookReceiver()
    application = web.Application()
    application.router.add_post("/hook", receiver.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        receiver.is_open.set()
        await runner.cleanup()
