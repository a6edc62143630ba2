"""The worker's ears: a channel per user, subscribed at the server of its slot, and a canary that proves we hear.

A hung Redis raises nothing, and one that restarted resubscribes silently while what was published is gone. So each
ear publishes to a channel of its own through the ordinary connection and expects to hear that within the probe
timeout; otherwise it starts over. After every new start it subscribes everything again and reports each channel as
`resubscribed`, for the hub to read the logs. In a cluster there is one ear for each primary. When a slot moves, its
server ends what is subscribed in it, or answers MOVED; then the channels of this slot, and no others, find another ear.
"""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import count, groupby
from typing import Any

from gateway.runtime.tasks import Outage, keep_running
from gateway.settings import Settings
from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.generation import note_generation
from gateway.store.redis.problems import StoreUnavailableError, explained
from gateway.store.redis.protocol import ConnectionLostError, RedisProtocol, ReplyError, pack
from gateway.store.redis.router import unavailable
from gateway.store.redis.topology import Node, slot_of
from gateway.telemetry.metrics import PROBE_SECONDS

PROBE_INTERVAL_SECONDS = 1.0
PROBE_TIMEOUT_SECONDS = 3.0
CHANNELS_PER_COMMAND = 500
RECONNECT_LEAST_SECONDS = 0.05
RECONNECT_MOST_SECONDS = 1.0

_CONTROL = keys.CONTROL.encode()


class Subscriber:
    """Subscribes channels and reports what is published on them. `run` must be running.

    `on_messages(channel, messages)`, which came together, `on_resubscribed(channel)` and `on_control(message)` are
    called from the reader and must not block. An empty control message means that some may have been missed.
    """

    def __init__(self, settings: Settings, client: FunctionClient, worker_id: str):
        self._timeout = settings.redis_timeout_seconds
        self._client = client
        self._worker_id = worker_id
        self._ears: dict[Node, ShardSubscriber] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # Channels that lost their server, and who waits for them to be subscribed.
        self._homeless: dict[bytes, _Waiting] = {_CONTROL: deque()}
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
            raise StoreUnavailableError(detail="the pub/sub connection is down")
        await ear.subscribe(channel)

    def unsubscribe(self, channel: bytes) -> None:
        """Hear no more of a channel."""
        _fail(self._homeless.pop(channel, ()), "the channel was left")
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
            # Should this be run again, the channels find new ears.
            for ear in self._ears.values():
                self._homeless.update(ear.give_up(ear.channels))
            self._ears.clear()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def look_again(self) -> None:
        """Read the map of slots again: something says that it has changed."""
        try:
            await self._client.topology.refresh()
        except ConnectionLostError:
            await asyncio.sleep(RECONNECT_MOST_SECONDS * random.uniform(0.5, 1.5))

    def moved(self, channels: Mapping[bytes, "_Waiting"], redirection: str, node: Node) -> None:
        """Find another server for channels that this one serves no more; a redirection may say which."""
        self._homeless.update(channels)
        if redirection:
            self._client.topology.redirected(redirection, node)
        # In the time that the reading takes, more channels may come; and who has just read it need not again.
        self._client.topology.refresh_soon().add_done_callback(lambda _: self._changed.set())

    def resubscribed(self, channel: bytes) -> None:
        """Pass on that a channel was not heard for a while."""
        if channel == _CONTROL:
            self.on_control(b"")
        else:
            self.on_resubscribed(channel)

    def _home(self, channel: bytes) -> "ShardSubscriber | None":
        node = self._client.topology.node_of(channel)
        return self._ears.get(node) if node is not None else None

    def _settle(self) -> None:
        """Have one ear at each server, and each channel at the ear of its slot."""
        nodes = set(self._client.topology.nodes)
        if not nodes:
            return
        for node in self._ears.keys() - nodes:
            ear = self._ears.pop(node)
            self._homeless.update(ear.give_up(ear.channels))
            ear.task.cancel()
        for node in nodes - self._ears.keys():
            self._ears[node] = self._new_ear(node)
        if self._client.topology.clustered:
            for ear in self._ears.values():
                self._homeless.update(ear.give_up([name for name in ear.channels if self._home(name) is not ear]))
        homeless, self._homeless = self._homeless, {}
        for channel, waiting in homeless.items():
            home = self._home(channel)
            assert home is not None, "every slot has a server, and every server an ear"
            home.adopt(channel, waiting)

    def _new_ear(self, node: Node) -> "ShardSubscriber":
        ear = ShardSubscriber(self, node, self._client, self._worker_id, self._timeout)
        ear.task = asyncio.create_task(keep_running("pubsub", ear.run), name=f"pubsub {node.name}")
        self._tasks.add(ear.task)
        ear.task.add_done_callback(self._tasks.discard)
        return ear


class _ShardProtocol(RedisProtocol):
    """The connection of an ear."""

    def __init__(self, ear: "ShardSubscriber"):
        super().__init__()
        self._ear = ear
        self.over: asyncio.Future[None] = self._loop.create_future()

    def on_reply(self, reply: Any) -> None:
        if isinstance(reply, list) and len(reply) == 3:
            self._ear.replied(reply)
        elif not isinstance(reply, ReplyError):
            self.end(StoreUnavailableError(detail=f"an answer that nobody asked for: {reply!r:.100}"))
        elif not self._ear.redirected(str(reply)):
            self.end(explained(str(reply)))

    def on_lost(self) -> None:
        self.end(ConnectionLostError("the connection was lost"))

    def on_pause(self) -> None:
        self._ear.paused()

    def end(self, problem: Exception) -> None:
        if not self.over.done():
            self.over.set_exception(problem)


class ShardSubscriber:
    """The subscriptions at one server."""

    task: asyncio.Task[None]

    def __init__(self, owner: Subscriber, node: Node, client: FunctionClient, worker_id: str, timeout_seconds: float):
        self._owner = owner
        self._node = node
        self._client = client
        self._timeout = timeout_seconds
        self._worker_id = worker_id
        self._probe_channel = b""
        self._outage = Outage("pubsub_lost", "pubsub_recovered", node=node.name)
        self._protocol: _ShardProtocol | None = None
        self.heard_at = 0.0
        self._probe_heard_at = 0.0
        self.channels: set[bytes] = set()
        self._waiting: dict[bytes, _Waiting] = {}
        self._commands: list[tuple[str, bytes]] = []
        self._heard: dict[bytes, list[bytes]] = {}
        # How many confirmations of our own unsubscribing are still to come.
        self._leaving: dict[bytes, int] = {}

    @property
    def healthy(self) -> bool:
        return self._protocol is not None and time.monotonic() - self._probe_heard_at < PROBE_TIMEOUT_SECONDS

    async def subscribe(self, channel: bytes) -> None:
        if self._protocol is None:
            raise StoreUnavailableError(detail="the pub/sub connection is down")
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(channel, deque()).append(confirmed)
        self.channels.add(channel)
        self._send("SSUBSCRIBE", channel)
        # No timeout: a Redis that does not answer fails the probe, which fails everybody who waits.
        await confirmed

    def unsubscribe(self, channel: bytes) -> None:
        if channel in self.channels:
            self.channels.discard(channel)
            if self._protocol is not None:
                self._leaving[channel] = self._leaving.get(channel, 0) + 1
            self._send("SUNSUBSCRIBE", channel)

    def adopt(self, channel: bytes, waiting: "_Waiting") -> None:
        """Take over a channel that was subscribed elsewhere, or was to be."""
        self.channels.add(channel)
        if self._protocol is None:
            _fail(waiting, "the pub/sub connection is down")
            return
        # The first confirmation reports it: what was published before may not have been heard.
        self._waiting.setdefault(channel, deque()).extend((None, *waiting))
        for _ in range(len(waiting) + 1):
            self._send("SSUBSCRIBE", channel)

    def give_up(self, channels: Iterable[bytes]) -> dict[bytes, "_Waiting"]:
        """Let go of channels that have moved; give who waits for them."""
        moved = {}
        for channel in tuple(channels):
            moved[channel] = self._who_waits(channel)
            self.unsubscribe(channel)
        return moved

    async def run(self) -> None:
        """Keep the connection up until cancelled."""
        pause = RECONNECT_LEAST_SECONDS
        while True:
            protocol = _ShardProtocol(self)
            try:
                await protocol.open(self._node.make_connection(), self._timeout)
                await self._serve(protocol)
            except ConnectionLostError as problem:
                self._outage.begin(unavailable(problem))
            except StoreUnavailableError as problem:
                self._outage.begin(problem)
            finally:
                self._disconnected()
                protocol.abort()
            if self._probe_heard_at:
                pause = RECONNECT_LEAST_SECONDS
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, RECONNECT_MOST_SECONDS)
            await self._owner.look_again()  # another server may have taken over

    def replied(self, reply: Any) -> None:
        """Take what Redis says on the connection."""
        kind, channel, data = reply
        if kind == b"smessage":
            if channel == self._probe_channel:
                self._probe_heard(data)
            elif channel == _CONTROL:
                self._owner.on_control(data)
            else:
                self._heard.setdefault(channel, []).append(data)
        elif kind == b"ssubscribe":
            self._confirm(channel)
        elif channel in self._leaving:
            self._leaving[channel] -= 1
            if not self._leaving[channel]:
                del self._leaving[channel]
        elif channel == self._probe_channel or channel in self.channels:
            self._slot_moved(slot_of(channel), "")  # nobody asked for it

    def redirected(self, reply: str) -> bool:
        """Act on an error that says where a slot is; say whether it is one."""
        if not reply.startswith("MOVED ") or not self._client.topology.clustered:
            return False
        self._slot_moved(int(reply.split(" ")[1]), reply)
        return True

    def paused(self) -> None:
        """Pass on what was heard in one go."""
        heard, self._heard = self._heard, {}
        for channel, messages in heard.items():
            self._owner.on_messages(channel, messages)

    def _slot_moved(self, slot: int, redirection: str) -> None:
        moved = [name for name in self.channels | self._waiting.keys() if slot_of(name) == slot]
        gone = {name: self._who_waits(name) for name in moved if name != self._probe_channel}
        self.channels -= gone.keys()
        for name in [name for name in self._leaving if slot_of(name) == slot]:
            del self._leaving[name]  # the server has nothing left to confirm
        self._owner.moved(gone, redirection, self._node)
        if slot == slot_of(self._probe_channel):
            self._take_probe_channel()

    def _who_waits(self, channel: bytes) -> "_Waiting":
        """Take out who waits for a channel, but for what we asked for ourselves."""
        return deque(future for future in self._waiting.pop(channel, ()) if future is not None)

    def _take_probe_channel(self) -> None:
        """Probe on a channel that this server serves, if it still serves any."""
        node_of = self._client.topology.node_of
        names = (keys.probe(f"{self._worker_id}-{number}") for number in count())
        served = self._node in self._client.topology.nodes
        self._probe_channel = next(name.encode() for name in names if node_of(name) is self._node) if served else b""
        if self._probe_channel:
            self._waiting.setdefault(self._probe_channel, deque()).append(None)
            self._send("SSUBSCRIBE", self._probe_channel)

    async def _serve(self, protocol: _ShardProtocol) -> None:
        """Subscribe everything again, then hear and probe until one of these fails."""
        self._waiting = {channel: deque([None]) for channel in self.channels}
        self._protocol = protocol
        self.heard_at = time.monotonic()  # as if: from now on it counts how long we hear nothing
        self._probe_heard_at = 0.0
        self._take_probe_channel()
        for channel in self.channels:
            self._send("SSUBSCRIBE", channel)
        probe = asyncio.create_task(self._probe(), name="pubsub-probe")
        noting = asyncio.create_task(self._note_generation(), name="pubsub-note-generation")
        try:
            await asyncio.wait((protocol.over, probe), return_when=asyncio.FIRST_COMPLETED)
            await (probe if probe.done() else protocol.over)
        finally:
            probe.cancel()
            noting.cancel()
            protocol.over.cancel()

    def _disconnected(self) -> None:
        self._protocol = None
        self._commands.clear()
        self._leaving.clear()
        waiting, self._waiting = self._waiting, {}
        for futures in waiting.values():
            _fail(futures, "the pub/sub connection was lost")

    def _send(self, verb: str, channel: bytes) -> None:
        """Send at the end of this turn of the loop, in order, with all else that is asked for in it."""
        if self._protocol is None:
            return
        if not self._commands:
            asyncio.get_running_loop().call_soon(self._write)
        self._commands.append((verb, channel))

    def _write(self) -> None:
        commands, self._commands = self._commands, []
        if self._protocol is None:
            return
        for verb, run in groupby(commands, key=lambda command: command[0]):
            channels = [channel for _, channel in run]
            # A server of a cluster takes only channels of one slot in a command.
            step = 1 if self._client.topology.clustered else CHANNELS_PER_COMMAND
            for first in range(0, len(channels), step):
                self._protocol.send(pack((verb, *channels[first : first + step])))

    def _confirm(self, channel: bytes) -> None:
        waiting = self._waiting.get(channel)
        if not waiting:
            return  # it moved meanwhile
        confirmed = waiting.popleft()
        if not waiting:
            del self._waiting[channel]
        if confirmed is None:
            if channel in self.channels:
                self._owner.resubscribed(channel)
        elif not confirmed.done():
            confirmed.set_result(None)

    async def _probe(self) -> None:
        while True:
            silence = StoreUnavailableError(detail="the canary was not heard")
            if self._probe_channel:
                try:
                    await self._client.publish(self._probe_channel.decode(), str(time.monotonic()).encode())
                except StoreUnavailableError as problem:
                    if not problem.answered:
                        raise
                    # What is published may still be heard: a refusal of some moments is no reason to start over.
                    silence = problem
            await asyncio.sleep(PROBE_INTERVAL_SECONDS)
            if time.monotonic() - self.heard_at > PROBE_TIMEOUT_SECONDS:
                raise silence

    async def _note_generation(self) -> None:
        """Have the server keep that it was promoted, which may be why we are connecting."""
        while True:
            try:
                await note_generation(self._client, self._node)
            except StoreUnavailableError:
                await asyncio.sleep(PROBE_INTERVAL_SECONDS)  # a slot of its may be on the move
            else:
                return

    def _probe_heard(self, sent_at: bytes) -> None:
        with contextlib.suppress(ValueError):  # nobody else should publish there
            PROBE_SECONDS.set(time.monotonic() - float(sent_at))
            self.heard_at = self._probe_heard_at = time.monotonic()
            self._outage.end()


_Waiting = deque["asyncio.Future[None] | None"]
"""Who waits for the next confirmations of a channel, in order; None is a resubscription's."""


def _fail(waiting: Iterable["asyncio.Future[None] | None"], reason: str) -> None:
    for confirmed in waiting:
        if confirmed is not None and not confirmed.done():
            confirmed.set_exception(StoreUnavailableError(detail=reason))
