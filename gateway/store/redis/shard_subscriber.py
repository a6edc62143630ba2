"""The subscriptions at one Redis server, which are kept across reconnections.

On every new connection, a shard subscriber subscribes to all channels again and reports each as resubscribed, because
messages may have been missed. A probe detects when the connection no longer delivers.

When a slot of a cluster moves, its server ends the subscriptions of that slot, or replies MOVED to new ones. The shard
subscriber then reports the channels of this slot, and no others, to its owner as orphaned.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import Any, Protocol

from gateway.runtime.tasks import Outage
from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.generation import note_generation
from gateway.store.redis.probe import PROBE_INTERVAL_SECONDS, Probe
from gateway.store.redis.problems import StoreUnavailableError, store_error
from gateway.store.redis.protocol import ConnectionLostError, RedisProtocol, ReplyError, pack
from gateway.store.redis.router import unavailable
from gateway.store.redis.topology import Node, slot_of

CHANNELS_PER_COMMAND = 500

MIN_RECONNECT_SECONDS = 0.05
MAX_RECONNECT_SECONDS = 1.0
"""The bounds of the pause before a new connection. The pause doubles until a probe message arrives."""

CONTROL_CHANNEL = keys.CONTROL.encode()

Confirmations = deque["asyncio.Future[None] | None"]
"""The callers that await the next confirmations of a channel, in order; None for a resubscription."""


class Owner(Protocol):
    """The owner of a shard subscriber. All but `refresh_topology` run while replies are read and must not block."""

    on_messages: Callable[[bytes, list[bytes]], None]
    on_control: Callable[[bytes], None]

    def resubscribed(self, channel: bytes) -> None:
        """Process that messages of a channel may have been missed."""

    def orphaned(self, channels: Mapping[bytes, Confirmations], redirection: str, node: Node) -> None:
        """Process channels that this server no longer serves. `redirection` is the MOVED reply, "" without one."""

    async def refresh_topology(self) -> None:
        """Read the topology again after a lost connection, because another server may have taken over."""


class _ShardProtocol(RedisProtocol):
    """The connection of a shard subscriber. The future `ended` raises the reason of its end."""

    def __init__(self, shard: "ShardSubscriber"):
        super().__init__()
        self._shard = shard
        self.ended: asyncio.Future[None] = self._loop.create_future()

    def on_reply(self, reply: Any) -> None:
        if isinstance(reply, list) and len(reply) == 3:
            self._shard.on_reply(reply)
        elif not isinstance(reply, ReplyError):
            self.end(StoreUnavailableError(detail=f"unexpected reply: {reply!r:.100}"))
        elif not self._shard.on_error(str(reply)):
            self.end(store_error(str(reply)))

    def on_lost(self) -> None:
        self.end(ConnectionLostError("the connection was lost"))

    def on_batch_end(self) -> None:
        self._shard.on_batch_end()

    def end(self, problem: Exception) -> None:
        """Record why the connection ended. Only the first reason is kept."""
        if not self.ended.done():
            self.ended.set_exception(problem)


class ShardSubscriber:
    """The subscriptions at one server. `run` must be running."""

    def __init__(self, owner: Owner, node: Node, client: FunctionClient, worker_id: str):
        self._owner = owner
        self._node = node
        self._client = client
        self._outage = Outage("pubsub_lost", "pubsub_recovered", node=node.name)
        self._probe = Probe(client, node, worker_id, self._outage)
        self._protocol: _ShardProtocol | None = None
        self.channels: set[bytes] = set()
        self._awaited: dict[bytes, Confirmations] = {}
        self._commands: list[tuple[str, bytes]] = []
        self._received: dict[bytes, list[bytes]] = {}
        # How many confirmations of this subscriber's own SUNSUBSCRIBE commands are outstanding.
        self._unsubscribing: dict[bytes, int] = {}

    @property
    def healthy(self) -> bool:
        """Return whether the connection is up and a probe message arrived within the timeout."""
        return self._protocol is not None and self._probe.is_recent()

    @property
    def last_activity_at(self) -> float:
        """Return when the last probe message arrived or the connection was opened, in monotonic seconds."""
        return self._probe.last_activity_at

    async def subscribe(self, channel: bytes) -> None:
        """Subscribe to a channel, and wait until Redis has confirmed it. Raises StoreUnavailableError."""
        if self._protocol is None:
            raise StoreUnavailableError(detail="the pub/sub connection is down")
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._awaited.setdefault(channel, deque()).append(confirmed)
        self.channels.add(channel)
        self._send("SSUBSCRIBE", channel)
        # No timeout is needed: if Redis does not reply, the probe fails, which fails every awaited confirmation.
        await confirmed

    def unsubscribe(self, channel: bytes) -> None:
        """Unsubscribe from a channel if it is subscribed here."""
        if channel in self.channels:
            self.channels.discard(channel)
            if self._protocol is not None:
                self._unsubscribing[channel] = self._unsubscribing.get(channel, 0) + 1
            self._send("SUNSUBSCRIBE", channel)

    def assign(self, channel: bytes, awaited: Confirmations) -> None:
        """Subscribe to a channel that was subscribed, or about to be, at another server."""
        self.channels.add(channel)
        if self._protocol is None:
            fail(awaited, "the pub/sub connection is down")
            return
        # The first confirmation reports the channel as resubscribed, because earlier messages may have been missed.
        self._awaited.setdefault(channel, deque()).extend((None, *awaited))
        for _ in range(len(awaited) + 1):
            self._send("SSUBSCRIBE", channel)

    def release(self, channels: Iterable[bytes]) -> dict[bytes, Confirmations]:
        """Unsubscribe from channels of other servers. Return each with the callers that await its confirmation."""
        released = {}
        for channel in tuple(channels):
            released[channel] = self._pop_awaited(channel)
            self.unsubscribe(channel)
        return released

    async def run(self) -> None:
        """Connect, and again after each loss, until cancelled."""
        pause = MIN_RECONNECT_SECONDS
        while True:
            protocol = _ShardProtocol(self)
            try:
                await protocol.open(self._node.make_connection(), self._client.topology.timeout_seconds)
                await self._serve(protocol)
            except ConnectionLostError as problem:
                self._outage.begin(unavailable(problem))
            except StoreUnavailableError as problem:
                self._outage.begin(problem)
            finally:
                self._disconnected()
                protocol.abort()
            if self._probe.recent_until:
                pause = MIN_RECONNECT_SECONDS
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, MAX_RECONNECT_SECONDS)
            await self._owner.refresh_topology()

    # -- replies, called by the connection

    def on_reply(self, reply: list[bytes]) -> None:
        """Process a message, or the confirmation of a command."""
        kind, channel, data = reply
        if kind == b"smessage":
            if channel == self._probe.channel:
                self._probe.on_message(data)
            elif channel == CONTROL_CHANNEL:
                self._owner.on_control(data)
            else:
                self._received.setdefault(channel, []).append(data)
        elif kind == b"ssubscribe":
            self._confirm(channel)
        elif channel in self._unsubscribing:
            self._unsubscribing[channel] -= 1
            if not self._unsubscribing[channel]:
                del self._unsubscribing[channel]
        elif channel == self._probe.channel or channel in self.channels:
            self._slot_moved(slot_of(channel), "")  # the server ended the subscription

    def on_error(self, reply: str) -> bool:
        """Process a MOVED reply of a cluster. Return whether the error is one."""
        if not reply.startswith("MOVED ") or not self._client.topology.clustered:
            return False
        self._slot_moved(int(reply.split(" ")[1]), reply)
        return True

    def on_batch_end(self) -> None:
        """Call `on_messages` with the messages that arrived together."""
        received, self._received = self._received, {}
        for channel, messages in received.items():
            self._owner.on_messages(channel, messages)

    # -- inside

    def _confirm(self, channel: bytes) -> None:
        awaited = self._awaited.get(channel)
        if not awaited:
            return  # the slot of the channel has moved meanwhile
        confirmed = awaited.popleft()
        if not awaited:
            del self._awaited[channel]
        if confirmed is None:
            if channel in self.channels:
                self._owner.resubscribed(channel)
        elif not confirmed.done():
            confirmed.set_result(None)

    def _slot_moved(self, slot: int, redirection: str) -> None:
        moved = [name for name in self.channels | self._awaited.keys() if slot_of(name) == slot]
        orphaned = {name: self._pop_awaited(name) for name in moved if name != self._probe.channel}
        self.channels -= orphaned.keys()
        for name in [name for name in self._unsubscribing if slot_of(name) == slot]:
            del self._unsubscribing[name]  # the server has nothing left to confirm
        self._owner.orphaned(orphaned, redirection, self._node)
        if slot == slot_of(self._probe.channel):
            self._subscribe_probe()

    def _pop_awaited(self, channel: bytes) -> Confirmations:
        """Remove and return the callers that await a confirmation. Resubscriptions have no caller."""
        return deque(future for future in self._awaited.pop(channel, ()) if future is not None)

    async def _serve(self, protocol: _ShardProtocol) -> None:
        """Subscribe to all channels again, then receive and probe until one of the two fails."""
        self._awaited = {channel: deque([None]) for channel in self.channels}
        self._protocol = protocol
        self._probe.restart()
        self._subscribe_probe()
        for channel in self.channels:
            self._send("SSUBSCRIBE", channel)
        probing = asyncio.create_task(self._probe.run(), name="pubsub-probe")
        noting = asyncio.create_task(self._note_generation(), name="pubsub-note-generation")
        try:
            await asyncio.wait((protocol.ended, probing), return_when=asyncio.FIRST_COMPLETED)
            await (probing if probing.done() else protocol.ended)
        finally:
            probing.cancel()
            noting.cancel()
            protocol.ended.cancel()

    def _disconnected(self) -> None:
        self._protocol = None
        self._commands.clear()
        self._unsubscribing.clear()
        awaited, self._awaited = self._awaited, {}
        for confirmations in awaited.values():
            fail(confirmations, "the pub/sub connection was lost")

    def _send(self, verb: str, channel: bytes) -> None:
        """Send a command at the end of this iteration of the event loop, together with the others of the iteration."""
        if self._protocol is None:
            return
        if not self._commands:
            asyncio.get_running_loop().call_soon(self._flush)
        self._commands.append((verb, channel))

    def _flush(self) -> None:
        commands, self._commands = self._commands, []
        if self._protocol is None:
            return
        for verb, run in groupby(commands, key=lambda command: command[0]):
            channels = [channel for _, channel in run]
            # In a cluster, all channels of a command must be of one slot.
            step = 1 if self._client.topology.clustered else CHANNELS_PER_COMMAND
            for first in range(0, len(channels), step):
                self._protocol.send(pack((verb, *channels[first : first + step])))

    def _subscribe_probe(self) -> None:
        """Subscribe to a probe channel whose slot this server serves, if it serves any."""
        if channel := self._probe.choose_channel():
            self._awaited.setdefault(channel, deque()).append(None)
            self._send("SSUBSCRIBE", channel)

    async def _note_generation(self) -> None:
        """Store the generation of the server, whose promotion may have caused the loss of the connection."""
        while True:
            try:
                await note_generation(self._client, self._node)
            except StoreUnavailableError:
                await asyncio.sleep(PROBE_INTERVAL_SECONDS)  # one of its slots may be moving
            else:
                return


def fail(awaited: Iterable["asyncio.Future[None] | None"], reason: str) -> None:
    """Fail the callers that await a confirmation."""
    for confirmed in awaited:
        if confirmed is not None and not confirmed.done():
            confirmed.set_exception(StoreUnavailableError(detail=reason))
