"""The probe that verifies that a pub/sub connection delivers messages.

A hung server causes no error, and a subscription to a restarted server does not show that messages were published in
between. So each shard subscriber publishes to a channel of its own through the ordinary connection, every second. It
connects again if no message arrives within the timeout.
"""

import asyncio
import contextlib
import time
from itertools import count

from gateway.runtime.tasks import Outage
from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.problems import StoreUnavailableError
from gateway.store.redis.topology import Node
from gateway.telemetry.metrics import PROBE_SECONDS

PROBE_INTERVAL_SECONDS = 1.0
PROBE_TIMEOUT_SECONDS = 3.0


class Probe:
    """The probe of one server. A message that arrives ends the outage."""

    def __init__(self, client: FunctionClient, node: Node, worker_id: str, outage: Outage):
        self._client = client
        self._node = node
        self._worker_id = worker_id
        self._outage = outage
        self.channel = b""
        """The channel to subscribe; empty while the server serves no slot."""
        self.last_activity_at = 0.0
        """When the last message arrived or the connection was opened, in monotonic seconds."""
        self.recent_until = 0.0
        """Until when the last message over this connection counts as recent, in monotonic seconds; 0 before the first.
        Every request compares it, so it is kept."""

    def is_recent(self) -> bool:
        """Return whether a message arrived within the timeout."""
        return time.monotonic() < self.recent_until

    def restart(self) -> None:
        """Set the times for a new connection."""
        self.last_activity_at = time.monotonic()
        self.recent_until = 0.0

    def choose_channel(self) -> bytes:
        """Set and return a channel whose slot the server serves; empty if it serves none."""
        node_of = self._client.topology.node_of
        names = (keys.probe(f"{self._worker_id}-{number}") for number in count())
        serves = self._node in self._client.topology.nodes
        self.channel = next(name.encode() for name in names if node_of(name) is self._node) if serves else b""
        return self.channel

    def on_message(self, sent_at: bytes) -> None:
        """Process a message on the probe's channel."""
        with contextlib.suppress(ValueError):  # not published by this probe
            PROBE_SECONDS.set(time.monotonic() - float(sent_at))
            self.last_activity_at = time.monotonic()
            self.recent_until = self.last_activity_at + PROBE_TIMEOUT_SECONDS
            self._outage.end()

    async def run(self) -> None:
        """Publish until cancelled. Raises StoreUnavailableError if no message arrives in time."""
        while True:
            silence = StoreUnavailableError(detail="the probe received no message in time")
            if self.channel:
                try:
                    await self._client.publish(self.channel.decode(), str(time.monotonic()).encode())
                except StoreUnavailableError as problem:
                    if not problem.replied:
                        raise
                    # Other messages may still arrive, so a short refusal is no reason to connect again.
                    silence = problem
            await asyncio.sleep(PROBE_INTERVAL_SECONDS)
            if time.monotonic() - self.last_activity_at > PROBE_TIMEOUT_SECONDS:
                raise silence
