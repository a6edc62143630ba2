"""The subscriptions at one Redis server, which survive its connection.

After every new connection a shard subscriber subscribes all channels again, and reports each as resubscribed, because
messages may have been missed. A probe tells when the connection no longer delivers.

When a slot of a cluster moves, its server ends the subscriptions of that slot, or replies MOVED to new ones. Then the
channels of this slot, and no others, are handed back to the owner.
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
"""Bounds of the pause before a new connection. It doubles until a probe comes back."""

CONTROL_CHANNEL = keys.CONTROL.encode()

Confirmations = deque["asyncio.Future[None] | None"]
"""The callers that await the next confirmations of a channel, in order; None stands for a resubscription."""


class Owner(Protocol):
    """What a shard subscriber reports to. All but `refresh_topology` are called from the reader and must not block."""

    on_messages: Callable[[bytes, list[bytes]], None]
    on_control: Callable[[bytes], None]

    def resubscribed(self, channel: bytes) -> None:
        """Called for a channel whose messages may have been missed for a while."""

    def orphaned(self, channels: Mapping[bytes, Confirmations], redirection: str, node: Node) -> None:
        """Called with channels that this server no longer serves, and the MOVED reply that said so, or ""."""

    async def refresh_topology(self) -> None:
        """Called after a lost connection, because another server may have taken over."""


class _ShardProtocol(RedisProtocol):
    """The connection of a shard subscriber. `ended` raises why the connection is over."""

    def __init__(self, shard: "ShardSubscriber"):
        super().__init__()
        self._shard = shard
        self.ended: asyncio.Future[None] = self._loop.create_future()

    def on_reply(self, reply: Any) -> None:
        if isinstance(reply, list) and len(reply) == 3:
            self._shard.on_reply(reply)
        elif not isinstance(reply, ReplyError):
            self.end(StoreUnavailableError(detail=f"an unexpected reply: {reply!r:.100}"))
        elif not self._shard.on_error(str(reply)):
            self.end(store_error(str(reply)))

    def on_lost(self) -> None:
        self.end(ConnectionLostError("the connection was lost"))

    def on_batch_end(self) -> None:
        self._shard.on_batch_end()

    def end(self, problem: Exception) -> None:
        """Record why the connection is over, unless that is known."""
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
        # How many confirmations of this subscriber's own SUNSUBSCRIBE commands are still to come.
        self._unsubscribing: dict[bytes, int] = {}

    @property
    def healthy(self) -> bool:
        """Whether a probe came back lately."""
        return self._protocol is not None and self._probe.is_recent

    @property
    def last_activity_at(self) -> float:
        """When the last probe came back or the connection was opened, in monotonic seconds."""
        return self._probe.last_activity_at

    async def subscribe(self, channel: bytes) -> None:
        """Subscribe a channel; return when Redis has confirmed it. Raises StoreUnavailableError."""
        if self._protocol is None:
            raise StoreUnavailableError(detail="the pub/sub connection is down")
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._awaited.setdefault(channel, deque()).append(confirmed)
        self.channels.add(channel)
        self._send("SSUBSCRIBE", channel)
        # No timeout: when Redis does not reply, the probe fails, and with it everything that is awaited.
        await confirmed

    def unsubscribe(self, channel: bytes) -> None:
        """Unsubscribe a channel, if it is subscribed here."""
        if channel in self.channels:
            self.channels.discard(channel)
            if self._protocol is not None:
                self._unsubscribing[channel] = self._unsubscribing.get(channel, 0) + 1
            self._send("SUNSUBSCRIBE", channel)

    def assign(self, channel: bytes, awaited: Confirmations) -> None:
        """Subscribe a channel that was subscribed elsewhere, or was to be."""
        self.channels.add(channel)
        if self._protocol is None:
            fail(awaited, "the pub/sub connection is down")
            return
        # The first confirmation reports it as resubscribed: earlier messages may have been missed.
        self._awaited.setdefault(channel, deque()).extend((None, *awaited))
        for _ in range(len(awaited) + 1):
            self._send("SSUBSCRIBE", channel)

    def release(self, channels: Iterable[bytes]) -> dict[bytes, Confirmations]:
        """Unsubscribe channels that belong elsewhere; return each with the callers that await its confirmation."""
        released = {}
        for channel in tuple(channels):
            released[channel] = self._pop_awaited(channel)
            self.unsubscribe(channel)
        return released

    async def run(self) -> None:
        """Keep the connection up until cancelled."""
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
            if self._probe.received_at:
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
        """Process an error that says where a slot is now; return whether it was one."""
        if not reply.startswith("MOVED ") or not self._client.topology.clustered:
            return False
        self._slot_moved(int(reply.split(" ")[1]), reply)
        return True

    def on_batch_end(self) -> None:
        """Pass on the messages that arrived together."""
        received, self._received = self._received, {}
        for channel, messages in received.items():
            self._owner.on_messages(channel, messages)

    # -- inside

    def _confirm(self, channel: bytes) -> None:
        awaited = self._awaited.get(channel)
        if not awaited:
            return  # its slot has moved meanwhile
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
        """Remove and return the callers that await a confirmation, without this subscriber's own resubscriptions."""
        return deque(future for future in self._awaited.pop(channel, ()) if future is not None)

    async def _serve(self, protocol: _ShardProtocol) -> None:
        """Subscribe all channels again, then receive and probe until one of these fails."""
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
        """Send at the end of this turn of the event loop, in order, together with the other commands of the turn."""
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
            # A server of a cluster accepts only channels of one slot in a command.
            step = 1 if self._client.topology.clustered else CHANNELS_PER_COMMAND
            for first in range(0, len(channels), step):
                self._protocol.send(pack((verb, *channels[first : first + step])))

    def _subscribe_probe(self) -> None:
        """Subscribe a probe channel whose slot this server serves, if it serves any."""
        if channel := self._probe.choose_channel():
            self._awaited.setdefault(channel, deque()).append(None)
            self._send("SSUBSCRIBE", channel)

    async def _note_generation(self) -> None:
        """Store on the server that it was promoted, which may be why this subscriber had to connect again."""
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
