"""Deliveries of a gateway whose delivery workers are started apart, to providers in this process."""

import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.channels import apns, fcm, sendgrid
from loadtest.bench import Bench
from loadtest.journal import Faults, mark_of
from loadtest.providers import replies
from loadtest.providers.replies import ACCESS_TOKEN, ProviderKind, access_token
from loadtest.providers.server import NOTHING, ProviderRequest, ProviderServer, Reply
from loadtest.publisher import Pool
from loadtest.targets.base import REST, Target
from loadtest.targets.delivery_worker import DeliveryWorkerTarget
from loadtest.targets.gateway import API_KEY, API_SECRET, MOST_RECIPIENTS
from loadtest.targets.own_redis import GatewayOnRedis
from tests.stubs.apns import ApnsStub

OWN = (API_KEY, API_SECRET)
"""The credentials of the first project."""

MAIL, PUSH, HELD = "mail", "push", "held"
"""Categories: delivered as mail, as a push, and as a mail an hour later."""

_CATEGORIES: dict[str, dict[str, Any]] = {
    MAIL: {"channel": "email"},
    PUSH: {"channel": "mobile_push"},
    HELD: {"channel": "email", "delay": 3600},
}


class CountingProviders:
    """The providers. They note when each message arrived, by its mark and its destination."""

    def __init__(self) -> None:
        self.server = ProviderServer(self._answer)
        self.arrived: dict[tuple[int, bytes], float] = {}
        self.counts: Counter[tuple[int, bytes]] = Counter()
        self.hangs = False

    def _answer(self, request: ProviderRequest) -> Reply:
        if ACCESS_TOKEN.fullmatch(request.path):
            return Reply(access_token())
        kind, number = replies.kind_of(request), mark_of(request.body)
        if self.hangs:
            return NOTHING
        if kind is None or number is None:
            return Reply(replies.failing(500))
        key = (number, _destination(kind, request.body))
        self.counts[key] += 1
        self.arrived.setdefault(key, request.arrived)
        return Reply(kind.accepted())

    def faults(self, expected: int) -> Faults:
        """Return the faults if as many messages were to arrive, once each, and forget them."""
        found = Faults(
            lost=max(0, expected - len(self.counts)), doubled=sum(count - 1 for count in self.counts.values())
        )
        self.arrived.clear()
        self.counts.clear()
        return found


def _destination(kind: ProviderKind, body: bytes) -> bytes:
    pattern = _TOKEN if kind is replies.FCM else _ADDRESS
    match = pattern.search(body)
    return match[1] if match is not None else b""


_TOKEN = re.compile(rb'"token":\s*"([^"]+)"')
_ADDRESS = re.compile(rb'"to":\s*\[\s*\{[^}]*"email":\s*"([^"]+)"')


@dataclass
class Delivering:
    """A gateway without delivery workers, the providers, and the users of its first project."""

    bench: Bench
    gateway: GatewayOnRedis
    providers: CountingProviders
    pool: Pool
    users: list[str]
    apns: ApnsStub
    with_android: list[str] = field(default_factory=list)
    with_iphone: list[str] = field(default_factory=list)
    numbers: int = 0
    faults: Faults = field(default_factory=Faults)

    @contextlib.asynccontextmanager
    async def worker(self) -> AsyncIterator[DeliveryWorkerTarget]:
        """Run a delivery worker for a block."""
        url = self.providers.server.url
        urls = {"fcm": url, "sendgrid": url, "apns": self.apns.url}
        worker = DeliveryWorkerTarget(self.gateway, urls, INBOX_PROVIDER_CA_FILE=str(self.apns.ca_file))
        try:
            await worker.start()
            yield worker
        finally:
            await worker.stop()

    async def send(self, users: Sequence[str], category: str, each: int = 1, credentials: tuple[str, str] = OWN) -> int:
        """Send `each` notifications to each of some users, and return how many deliveries that makes."""
        for _ in range(each):
            for first in range(0, len(users), MOST_RECIPIENTS):
                self.numbers += 1
                notification = {
                    **self.gateway.notification(self.numbers),
                    "category": category,
                    "recipients": [{"external_id": user} for user in users[first : first + MOST_RECIPIENTS]],
                }
                await self.call("POST", "/notifications", {"notification": notification}, credentials)
        return each * len(users)

    async def call(self, method: str, path: str, content: Any, credentials: tuple[str, str] = OWN) -> None:
        """Make a request of a backend."""
        request = self.gateway.backend_request(method, path, content, credentials=credentials)
        status, body = await self.pool.request(request)
        if not 200 <= status < 300:
            raise RuntimeError(f"{method} {path}: {status} {body[:300]!r}")

    async def configure(self, credentials: tuple[str, str] = OWN) -> None:
        """Save the integrations and delivery configs of a project."""
        account = {**fcm.INTEGRATION.example, "token_uri": f"{self.providers.server.url}/token"}
        await self.call("PUT", "/v2/integrations/fcm", account, credentials)
        await self.call("PUT", "/v2/integrations/apns", apns.INTEGRATION.example, credentials)
        await self.call("PUT", "/v2/integrations/sendgrid", sendgrid.INTEGRATION.example, credentials)
        for category, channel in _CATEGORIES.items():
            config = {"key": category, "channels": [channel]}
            await self.call("PUT", "/v2/channels/deliveryconfig", config, credentials)

    def add(self, what: str, target: Target, **figures: Any) -> None:
        """Add a row with the faults so far."""
        taken, self.faults = self.faults, Faults()
        self.bench.add("delivery", target, REST, 0, taken, what=what, **figures)
