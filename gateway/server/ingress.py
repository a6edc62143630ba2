"""What all HTTP connections of one worker share: settings, deadlines, pending responses and work slices."""

import asyncio
import time

from gateway.domain.proxy import Proxies
from gateway.domain.request_id import RequestIds
from gateway.live.hub import Hub
from gateway.runtime.deadlines import TICK_SECONDS, HasDeadline, pass_deadlines
from gateway.runtime.fair_scheduler import FairScheduler
from gateway.runtime.timer_wheel import TimerWheel
from gateway.server.pending_responses import PendingResponses

KEEP_ALIVE_SECONDS = 5.0
"""The time that a connection may be idle between two requests."""


class HttpIngress:
    """The state that the HTTP connections of one worker share. Deadlines pass only while `run` runs."""

    def __init__(
        self,
        hub: Hub,
        proxies: Proxies,
        request_ids: RequestIds,
        scheduler: FairScheduler,
        *,
        head_seconds: float,
        body_seconds: float,
    ):
        self.hub = hub
        """The owner of live connections, which a connection's socket may be handed over to."""
        self.proxies = proxies
        self.public_prefix = proxies.public_prefix
        self.request_ids = request_ids
        self.scheduler = scheduler
        self.head_seconds = head_seconds
        """The time that a client has to send the head of its first request, or the rest of a later one's."""
        self.body_seconds = body_seconds
        """The time that a client has to send a body, or to read any part of a response."""
        self.deadlines: TimerWheel[HasDeadline] = TimerWheel(time.monotonic())
        self.pending_responses = PendingResponses()
        self.draining = False
        """Whether every response from now on is the last one on its connection."""

    async def drain(self, seconds: float) -> None:
        """Drain the live connections, spread over the given time, and make each HTTP response the last one."""
        self.draining = True
        await self.hub.drain(seconds)

    async def run(self) -> None:
        """Close the connections of clients that miss a deadline, until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            pass_deadlines(self.deadlines.due(now), now)
