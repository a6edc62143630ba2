"""The worker's ears: a channel per user, subscribed at the server of its slot, and a canary that proves we hear.

A hung Redis raises nothing, and one that restarted resubscribes silently while what was published is gone. So each
ear publishes to a channel of its own through the ordinary connection and expects to hear that within the probe
timeout; otherwise it starts over. After every new start it subscribes everything again and reports each channel as
`resubscribed`, for the hub to read the logs. In a cluster there is one ear for each primary; when slots move, so do
their channels.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count, groupby
from typing import Any

from gateway.settings import Settings
from gateway.store import keys
from gateway.store.client import FunctionClient, StoreUnavailableError
from gateway.store.topology import Node
from gateway.store.wire import ReplyError, Wire, WireLostError, pack
from gateway.telemetry import PROBE_SECONDS, log

PROBE_INTERVAL_SECONDS = 1.0
PROBE_TIMEOUT_SECONDS = 3.0
CHANNELS_PER_COMMAND = 500
RECONNECT_LEAST_SECONDS = 0.05
RECONNECT_MOST_SECONDS = 1.0

_CONTROL = keys.CONTROL.encode()


class PubSubLink:
    """Subscribes channels and reports what is published on them. `run` must be running.

    `on_messages(channel, messages)`, which came together, `on_resubscribed(channel)` and `on_control(message)` are
    called from the reader and must not block. An empty control message means that some may have been missed.
    """

    def __init__(self, settings: Settings, client: FunctionClient, worker_id: str):
        self._timeout = settings.redis_timeout_seconds
        self._client = client
        self._worker_id = worker_id
        self._ears: dict[Node, _Ear] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self.on_control: Callable[[bytes], None] = lambda message: None
        self.on_messages: Callable[[bytes, list[bytes]], None] = lambda channel, messages: None
        self.on_resubscribed: Callable[[bytes], None] = lambda channel: None

    @property
    def healthy(self) -> bool:
        """Whether some canary was heard lately: a cluster of which a part is down still serves the others."""
        return any(ear.healthy for ear in self._ears.values())

    @property
    def heard_at(self) -> float:
        """When a canary was last heard, in monotonic seconds."""
        return max((ear.heard_at for ear in self._ears.values()), default=0.0)

    async def subscribe(self, channel: bytes) -> None:
        """Subscribe a channel; returns when Redis confirmed it. Raises StoreUnavailableError.

        A channel that was subscribed stays so over reconnects until `unsubscribe`.
        """
        ear = self._home(channel)
        if ear is None:
            raise StoreUnavailableError("the pub/sub connection is down")
        await ear.subscribe(channel)

    def unsubscribe(self, channel: bytes) -> None:
        """Hear no more of a channel."""
        for ear in self._ears.values():
            ear.unsubscribe(channel)

    async def run(self) -> None:
        """Keep the ears up until cancelled."""
        self._client.topology.on_change.append(self._changed.set)
        try:
            while True:
                self._changed.clear()
                self._settle()
                if not self._ears:
                    await self.look_again()
                    continue
                await self._changed.wait()
        finally:
            self._client.topology.on_change.remove(self._changed.set)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def look_again(self) -> None:
        """Read the map of slots again: something says that it has changed."""
        try:
            await self._client.topology.refresh()
        except WireLostError:
            await asyncio.sleep(RECONNECT_MOST_SECONDS * random.uniform(0.5, 1.5))

    def resubscribed(self, channel: bytes) -> None:
        """Pass on that a channel was not heard for a while."""
        if channel == _CONTROL:
            self.on_control(b"")
        else:
            self.on_resubscribed(channel)

    def _home(self, channel: bytes) -> "_Ear | None":
        node = self._client.topology.node_of(channel)
        return self._ears.get(node) if node is not None else None

    def _settle(self) -> None:
        """Have one ear at each server, and each channel at the ear of its slot."""
        nodes = set(self._client.topology.nodes)
        if not nodes:
            return
        homeless = {_CONTROL} if not self._ears else set()
        for node in [node for node in self._ears if node not in nodes]:
            ear = self._ears.pop(node)
            homeless |= ear.channels
            ear.task.cancel()
        for node in nodes - self._ears.keys():
            self._ears[node] = self._new_ear(node)
        for ear in self._ears.values():
            homeless |= ear.give_up([channel for channel in ear.channels if self._home(channel) is not ear])
        for channel in homeless:
            home = self._home(channel)
            assert home is not None, "every slot has a server, and every server an ear"
            home.adopt(channel)

    def _new_ear(self, node: Node) -> "_Ear":
        names = (keys.probe(f"{self._worker_id}-{number}") for number in count())
        probe = next(name for name in names if self._client.topology.node_of(name) is node)
        ear = _Ear(self, node, self._client, probe, self._timeout)
        ear.task = asyncio.create_task(ear.run(), name=f"pubsub {node.name}")
        self._tasks.add(ear.task)
        ear.task.add_done_callback(self._tasks.discard)
        return ear


class _EarWire(Wire):
    """The connection of an ear."""

    def __init__(self, ear: "_Ear"):
        super().__init__()
        self._ear = ear
        self.over: asyncio.Future[None] = self._loop.create_future()

    def on_reply(self, reply: Any) -> None:
        if isinstance(reply, ReplyError):
            self.end(StoreUnavailableError(str(reply)))
        else:
            self._ear.replied(reply)

    def on_lost(self) -> None:
        self.end(WireLostError("the connection was lost"))

    def on_pause(self) -> None:
        self._ear.paused()

    def end(self, problem: Exception) -> None:
        if not self.over.done():
            self.over.set_exception(problem)


class _Ear:
    """The subscriptions at one server."""

    task: asyncio.Task[None]

    def __init__(self, link: PubSubLink, node: Node, client: FunctionClient, probe: str, timeout_seconds: float):
        self._link = link
        self._node = node
        self._client = client
        self._timeout = timeout_seconds
        self._probe_channel = probe.encode()
        self._wire: _EarWire | None = None
        self.heard_at = 0.0
        self.channels: set[bytes] = set()
        # Who waits for the next confirmations of a channel, in order; None is a resubscription's.
        self._waiting: dict[bytes, deque[asyncio.Future[None] | None]] = {}
        self._commands: list[tuple[str, bytes]] = []
        self._heard: dict[bytes, list[bytes]] = {}
        # How many confirmations of our own unsubscribing are still to come.
        self._leaving: dict[bytes, int] = {}

    @property
    def healthy(self) -> bool:
        return self._wire is not None and time.monotonic() - self.heard_at < PROBE_TIMEOUT_SECONDS

    async def subscribe(self, channel: bytes) -> None:
        if self._wire is None:
            raise StoreUnavailableError("the pub/sub connection is down")
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(channel, deque()).append(confirmed)
        self.channels.add(channel)
        self._send("SSUBSCRIBE", channel)
        # No timeout: a Redis that does not answer fails the probe, which fails everybody who waits.
        await confirmed

    def unsubscribe(self, channel: bytes) -> None:
        if channel in self.channels:
            self.channels.discard(channel)
            if self._wire is not None:
                self._leaving[channel] = self._leaving.get(channel, 0) + 1
            self._send("SUNSUBSCRIBE", channel)

    def adopt(self, channel: bytes) -> None:
        """Take over a channel that was subscribed elsewhere."""
        self.channels.add(channel)
        if self._wire is not None:
            self._waiting.setdefault(channel, deque()).append(None)
            self._send("SSUBSCRIBE", channel)

    def give_up(self, channels: Iterable[bytes]) -> set[bytes]:
        """Let go of channels that have moved."""
        moved = set(channels)
        for channel in moved:
            self.unsubscribe(channel)
            _fail(self._waiting.pop(channel, ()), "the channel moved to another server")
        return moved

    async def run(self) -> None:
        """Keep the connection up until cancelled."""
        pause = RECONNECT_LEAST_SECONDS
        while True:
            wire = _EarWire(self)
            try:
                await wire.open(self._node.make_connection(), self._timeout)
                await self._serve(wire)
            except (WireLostError, StoreUnavailableError) as problem:
                if self._wire is not None:
                    log.warning("pubsub_lost", problem=str(problem), node=self._node.name)
                    pause = RECONNECT_LEAST_SECONDS
            finally:
                self._disconnected()
                wire.abort()
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, RECONNECT_MOST_SECONDS)
            await self._link.look_again()  # another server may have taken over

    def replied(self, reply: Any) -> None:
        """Take what Redis says on the connection."""
        kind, channel, data = reply
        if kind == b"smessage":
            if channel == self._probe_channel:
                self._probe_heard(float(data))
            elif channel == _CONTROL:
                self._link.on_control(data)
            else:
                self._heard.setdefault(channel, []).append(data)
        elif kind == b"ssubscribe":
            self._confirm(channel)
        elif channel in self._leaving:
            self._leaving[channel] -= 1
            if not self._leaving[channel]:
                del self._leaving[channel]
        elif self._wire is not None:
            # Nobody asked for it: the slot has moved.
            self._wire.end(StoreUnavailableError("the server ended a subscription"))

    def paused(self) -> None:
        """Pass on what was heard in one go."""
        heard, self._heard = self._heard, {}
        for channel, messages in heard.items():
            self._link.on_messages(channel, messages)

    async def _serve(self, wire: _EarWire) -> None:
        """Subscribe everything again, then hear and probe until one of these fails."""
        again = (self._probe_channel, *self.channels)
        self._waiting = {channel: deque([None]) for channel in again}
        self._wire = wire
        self.heard_at = time.monotonic()
        for channel in again:
            self._send("SSUBSCRIBE", channel)
        probe = asyncio.create_task(self._probe(), name="pubsub-probe")
        try:
            await asyncio.wait((wire.over, probe), return_when=asyncio.FIRST_COMPLETED)
            await (probe if probe.done() else wire.over)
        finally:
            probe.cancel()
            wire.over.cancel()

    def _disconnected(self) -> None:
        self._wire = None
        self._commands.clear()
        self._leaving.clear()
        waiting, self._waiting = self._waiting, {}
        for futures in waiting.values():
            _fail(futures, "the pub/sub connection was lost")

    def _send(self, verb: str, channel: bytes) -> None:
        """Send at the end of this turn of the loop, in order, with all else that is asked for in it."""
        if self._wire is None:
            return
        if not self._commands:
            asyncio.get_running_loop().call_soon(self._write)
        self._commands.append((verb, channel))

    def _write(self) -> None:
        commands, self._commands = self._commands, []
        if self._wire is None:
            return
        for verb, run in groupby(commands, key=lambda command: command[0]):
            channels = [channel for _, channel in run]
            # A server of a cluster takes only channels of one slot in a command.
            step = 1 if self._client.topology.clustered else CHANNELS_PER_COMMAND
            for first in range(0, len(channels), step):
                self._wire.send(pack((verb, *channels[first : first + step])))

    def _confirm(self, channel: bytes) -> None:
        waiting = self._waiting.get(channel)
        if not waiting:
            return  # it moved meanwhile
        confirmed = waiting.popleft()
        if not waiting:
            del self._waiting[channel]
        if confirmed is None:
            if channel in self.channels:
                self._link.resubscribed(channel)
        elif not confirmed.done():
            confirmed.set_result(None)

    async def _probe(self) -> None:
        while True:
            await self._client.publish(self._probe_channel.decode(), str(time.monotonic()).encode())
            await asyncio.sleep(PROBE_INTERVAL_SECONDS)
            if time.monotonic() - self.heard_at > PROBE_TIMEOUT_SECONDS:
                raise StoreUnavailableError("the canary was not heard")

    def _probe_heard(self, sent_at: float) -> None:
        self.heard_at = time.monotonic()
        PROBE_SECONDS.set(self.heard_at - sent_at)


def _fail(waiting: Iterable["asyncio.Future[None] | None"], reason: str) -> None:
    for confirmed in waiting:
        if confirmed is not None and not confirmed.done():
            confirmed.set_exception(StoreUnavailableError(reason))
