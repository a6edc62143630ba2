"""The worker's subscriptions: a pub/sub channel for each user, subscribed at the Redis server of the channel's slot.

There is one ShardSubscriber for each server that accepts writes: in a cluster, for each primary. A channel whose slot
has moved is orphaned until the new server is known, and is then reassigned to the shard subscriber of that server. A
channel whose messages may have been missed is reported as resubscribed, so that the hub reads the log.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping

from gateway.runtime.tasks import keep_running
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.problems import StoreUnavailableError
from gateway.store.redis.protocol import ConnectionLostError
from gateway.store.redis.shard_subscriber import (
    CONTROL_CHANNEL,
    MAX_RECONNECT_SECONDS,
    Confirmations,
    ShardSubscriber,
    fail,
)
from gateway.store.redis.topology import Node


class Subscriber:
    """Subscribes to channels and calls callbacks with the messages. `run` must be running.

    `on_messages(channel, messages)` is called with messages that arrived together, `on_control(message)` with a control
    message, and `on_resubscribed(channel)` if messages of a channel may have been missed. An empty control message
    means that some control messages may have been missed. The callbacks run while replies are read and must not block.
    """

    def __init__(self, client: FunctionClient, worker_id: str):
        self._client = client
        self._worker_id = worker_id
        self._shards: dict[Node, ShardSubscriber] = {}
        self._tasks: dict[ShardSubscriber, asyncio.Task[None]] = {}
        # Channels without a server, with the callers that await their confirmation.
        self._orphaned: dict[bytes, Confirmations] = {CONTROL_CHANNEL: deque()}
        self._changed = asyncio.Event()
        self.on_control: Callable[[bytes], None] = lambda message: None
        self.on_messages: Callable[[bytes, list[bytes]], None] = lambda channel, messages: None
        self.on_resubscribed: Callable[[bytes], None] = lambda channel: None

    @property
    def healthy(self) -> bool:
        """Whether some shard subscriber is healthy. While a part of a cluster is down, the other parts work."""
        return self.is_healthy()

    def is_healthy(self) -> bool:
        """Return the same as `healthy`, for callers that take a function."""
        for shard in self._shards.values():  # noqa: SIM110 - the generator of `any` takes 0.5 µs of every request
            if shard.healthy:
                return True
        return False

    @property
    def last_activity_at(self) -> float:
        """Return when a probe message last arrived or a connection was last opened, in monotonic seconds."""
        return max((shard.last_activity_at for shard in self._shards.values()), default=0.0)

    async def subscribe(self, channel: bytes) -> None:
        """Subscribe to a channel, and wait until Redis has confirmed it. Raises StoreUnavailableError.

        The subscription is kept across reconnections until `unsubscribe`.
        """
        shard = self._shard_of(channel)
        if shard is None:
            raise StoreUnavailableError(detail="the pub/sub connection is down")
        await shard.subscribe(channel)

    def unsubscribe(self, channel: bytes) -> None:
        """Unsubscribe from a channel."""
        fail(self._orphaned.pop(channel, ()), "the channel was unsubscribed")
        for shard in self._shards.values():
            shard.unsubscribe(channel)

    async def run(self) -> None:
        """Keep a shard subscriber for each server until cancelled."""
        self._client.topology.on_change.append(self._changed.set)
        try:
            while True:
                self._changed.clear()
                self._reassign()
                if not self._shards:
                    await self.refresh_topology()
                    continue
                await self._changed.wait()
        finally:
            self._client.topology.on_change.remove(self._changed.set)
            # If `run` is called again, the channels are assigned to new shard subscribers.
            for shard in self._shards.values():
                self._orphaned.update(shard.release(shard.channels))
            self._shards.clear()
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # -- called by the shard subscribers

    async def refresh_topology(self) -> None:
        """Read the slot map again, because it may have changed."""
        try:
            await self._client.topology.refresh()
        except ConnectionLostError:
            await asyncio.sleep(MAX_RECONNECT_SECONDS * random.uniform(0.5, 1.5))

    def orphaned(self, channels: Mapping[bytes, Confirmations], redirection: str, node: Node) -> None:
        """Reassign channels that a server no longer serves, once the slot map is read again."""
        self._orphaned.update(channels)
        if redirection:
            self._client.topology.redirected(redirection, node)
        # More channels may be orphaned while the map is read. One read serves all of them.
        self._client.topology.refresh_soon().add_done_callback(lambda _: self._changed.set())

    def resubscribed(self, channel: bytes) -> None:
        """Report that messages of a channel may have been missed."""
        if channel == CONTROL_CHANNEL:
            self.on_control(b"")
        else:
            self.on_resubscribed(channel)

    # -- inside

    def _shard_of(self, channel: bytes) -> ShardSubscriber | None:
        node = self._client.topology.node_of(channel)
        return self._shards.get(node) if node is not None else None

    def _reassign(self) -> None:
        """Start and stop shard subscribers as servers change, and assign each channel to the one of its slot."""
        nodes = set(self._client.topology.nodes)
        if not nodes:
            return
        for node in self._shards.keys() - nodes:
            shard = self._shards.pop(node)
            self._orphaned.update(shard.release(shard.channels))
            self._tasks[shard].cancel()
        for node in nodes - self._shards.keys():
            self._shards[node] = self._start(node)
        if self._client.topology.clustered:
            for shard in self._shards.values():
                moved = [channel for channel in shard.channels if self._shard_of(channel) is not shard]
                self._orphaned.update(shard.release(moved))
        orphaned, self._orphaned = self._orphaned, {}
        for channel, awaited in orphaned.items():
            new = self._shard_of(channel)
            assert new is not None, "every slot has a server, and every server a shard subscriber"
            new.assign(channel, awaited)

    def _start(self, node: Node) -> ShardSubscriber:
        shard = ShardSubscriber(self, node, self._client, self._worker_id)
        task = asyncio.create_task(keep_running("pubsub", shard.run), name=f"pubsub {node.name}")
        self._tasks[shard] = task
        task.add_done_callback(lambda _: self._tasks.pop(shard))
        return shard
