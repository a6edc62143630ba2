"""The state that all HTTP connections of one worker share: settings, deadlines, pending responses and work slices."""

import asyncio
import time
from collections.abc import Callable, Iterable

from gateway.api.core.direct import DirectRoutes
from gateway.domain.address import client_network
from gateway.domain.proxy import Proxies
from gateway.domain.request_id import RequestIds
from gateway.live.hub import Hub
from gateway.runtime.deadlines import TICK_SECONDS, HasDeadline, pass_deadlines
from gateway.runtime.fair_scheduler import FairScheduler
from gateway.runtime.timer_wheel import TimerWheel
from gateway.server.direct import DefaultHead
from gateway.server.operation_tasks import OperationTasks
from gateway.server.pending_responses import PendingResponses
from gateway.server.request import Head

KEEP_ALIVE_SECONDS = 5.0
"""The time that a connection may be idle between two requests."""


class HttpIngress:
    """The state that the HTTP connections of one worker share. Deadlines take effect only while `run` runs."""

    def __init__(
        self,
        hub: Hub,
        proxies: Proxies,
        request_ids: RequestIds,
        scheduler: FairScheduler,
        *,
        head_seconds: float,
        body_seconds: float,
        direct_routes: DirectRoutes | None = None,
    ):
        self.hub = hub
        """The owner of live connections, to which a connection's socket may be handed over."""
        self.proxies = proxies
        self.public_prefix = proxies.public_prefix
        self.request_ids = request_ids
        self.direct_routes = direct_routes or DirectRoutes()
        """The operations that connections run themselves; all other requests go to the application."""
        self.default_head = DefaultHead()
        self.operation_tasks = OperationTasks()
        self.scheduler = scheduler
        self.head_seconds = head_seconds
        """The time that a client has to send the head of its first request, or the rest of a later one's."""
        self.body_seconds = body_seconds
        """The time that a client has to send a body, or to read any part of a response."""
        self.deadlines: TimerWheel[HasDeadline] = TimerWheel(time.monotonic())
        self.pending_responses = PendingResponses()
        self.on_drain: Callable[[], None] = lambda: None
        """Called when the drain begins, to end the responses that would not end by themselves."""
        self.draining = False
        """Whether every response from now on is the last one on its connection."""

    def request_id(self, peer: Callable[[], str], head: Head) -> str:
        """Return the id of a request: the one that a trusted proxy sent, or a new one."""
        if head.request_id and self.proxies.trust(peer()):
            return self.request_ids.accept(head.request_id)
        return self.request_ids.next()

    def client_network(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Return the network of the client that sent a request, or its address if that is not an IP address."""
        pairs = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
        address = self.proxies.client(peer, pairs)
        return client_network(address) or address

    async def drain(self, seconds: float) -> None:
        """Drain the live connections, spread over the given time, and make each HTTP response the last one."""
        self.draining = True
        self.on_drain()
        await self.hub.drain(seconds)

    async def run(self) -> None:
        """Close the connections of clients that miss a deadline, until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            pass_deadlines(self.deadlines.due(now), now)
