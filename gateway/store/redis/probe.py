"""The probe that proves that a pub/sub connection delivers.

A hung server raises nothing, and one that has restarted subscribes again silently although messages were published
meanwhile. So each shard subscriber publishes to a channel of its own through the ordinary connection, every second, and
starts over when no message comes back within the timeout.
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
    """The probe of one server. A message that comes back ends the outage."""

    def __init__(self, client: FunctionClient, node: Node, worker_id: str, outage: Outage):
        self._client = client
        self._node = node
        self._worker_id = worker_id
        self._outage = outage
        self.channel = b""
        """The channel to subscribe; empty while the server serves no slot."""
        self.last_activity_at = 0.0
        """When the last message came back or the connection was opened, in monotonic seconds."""
        self.received_at = 0.0
        """When the last message came back over this connection, 0 before the first."""

    @property
    def is_recent(self) -> bool:
        """Whether a message came back within the timeout."""
        return time.monotonic() - self.received_at < PROBE_TIMEOUT_SECONDS

    def restart(self) -> None:
        """Begin to measure a new connection."""
        self.last_activity_at = time.monotonic()
        self.received_at = 0.0

    def choose_channel(self) -> bytes:
        """Choose a channel whose slot the server serves; empty if it serves none."""
        node_of = self._client.topology.node_of
        names = (keys.probe(f"{self._worker_id}-{number}") for number in count())
        serves = self._node in self._client.topology.nodes
        self.channel = next(name.encode() for name in names if node_of(name) is self._node) if serves else b""
        return self.channel

    def on_message(self, sent_at: bytes) -> None:
        """Process a message that came back."""
        with contextlib.suppress(ValueError):  # not published by this probe
            PROBE_SECONDS.set(time.monotonic() - float(sent_at))
            self.last_activity_at = self.received_at = time.monotonic()
            self._outage.end()

    async def run(self) -> None:
        """Publish until cancelled; raise StoreUnavailableError when nothing comes back in time."""
        while True:
            silence = StoreUnavailableError(detail="the probe did not come back")
            if self.channel:
                try:
                    await self._client.publish(self.channel.decode(), str(time.monotonic()).encode())
                except StoreUnavailableError as problem:
                    if not problem.replied:
                        raise
                    # Messages of others may still arrive: a refusal of some moments is no reason to start over.
                    silence = problem
            await asyncio.sleep(PROBE_INTERVAL_SECONDS)
            if time.monotonic() - self.last_activity_at > PROBE_TIMEOUT_SECONDS:
                raise silence
