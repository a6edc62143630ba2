"""The worker's one pub/sub connection: a channel per user, batched subscriptions, and a canary that proves it hears.

A hung Redis raises nothing, and one that restarted resubscribes silently while what was published is gone. So the
link publishes to a channel of its own through the ordinary connections and expects to hear that within the probe
timeout; otherwise it starts over. After every new start it subscribes everything again and reports each channel as
`resubscribed`, for the hub to read the logs.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from itertools import groupby
from typing import Any

from gateway.settings import Settings
from gateway.store import keys
from gateway.store.client import FunctionClient, StoreUnavailableError
from gateway.store.wire import ReplyError, Wire, WireLostError, pack
from gateway.telemetry import PROBE_SECONDS, log

PROBE_INTERVAL_SECONDS = 1.0
PROBE_TIMEOUT_SECONDS = 3.0
CHANNELS_PER_COMMAND = 500
RECONNECT_LEAST_SECONDS = 0.05
RECONNECT_MOST_SECONDS = 1.0

_CONTROL = keys.CONTROL.encode()


class _Ear(Wire):
    """The connection that hears."""

    def __init__(self, link: "PubSubLink"):
        super().__init__()
        self._link = link
        self.over: asyncio.Future[None] = self._loop.create_future()

    def on_reply(self, reply: Any) -> None:
        if isinstance(reply, ReplyError):
            self.end(StoreUnavailableError(str(reply)))
            return
        self._link.heard(reply)

    def on_lost(self) -> None:
        self.end(WireLostError("the connection was lost"))

    def end(self, problem: Exception) -> None:
        if not self.over.done():
            self.over.set_exception(problem)


class PubSubLink:
    """Subscribes channels and reports what is published on them. `run` must be running.

    `on_message(channel, data)`, `on_resubscribed(channel)` and `on_control(message)` are called from the reader and
    must not block. An empty control message means that some may have been missed.
    """

    def __init__(self, settings: Settings, client: FunctionClient, worker_id: str):
        self._timeout = settings.redis_timeout_seconds
        self._ear: _Ear | None = None
        self._client = client
        self._probe_channel = keys.probe(worker_id).encode()
        self._channels: set[bytes] = set()
        # Who waits for the next confirmations of a channel, in order; None is a resubscription's.
        self._waiting: dict[bytes, deque[asyncio.Future[None] | None]] = {}
        self._commands: list[tuple[str, bytes]] = []
        self._heard_at = 0.0
        self.on_control: Callable[[bytes], None] = lambda message: None
        self.on_message: Callable[[bytes, bytes], None] = lambda channel, data: None
        self.on_resubscribed: Callable[[bytes], None] = lambda channel: None

    @property
    def healthy(self) -> bool:
        """Whether the canary was heard lately."""
        return self._ear is not None and time.monotonic() - self._heard_at < PROBE_TIMEOUT_SECONDS

    async def subscribe(self, channel: bytes) -> None:
        """Subscribe a channel; returns when Redis confirmed it. Raises StoreUnavailableError.

        A channel that was subscribed stays so over reconnects until `unsubscribe`.
        """
        if self._ear is None:
            raise StoreUnavailableError("the pub/sub connection is down")
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(channel, deque()).append(confirmed)
        self._channels.add(channel)
        self._send("SSUBSCRIBE", channel)
        # No timeout: a Redis that does not answer fails the probe, which fails everybody who waits.
        await confirmed

    def unsubscribe(self, channel: bytes) -> None:
        """Hear no more of a channel."""
        self._channels.discard(channel)
        self._send("SUNSUBSCRIBE", channel)

    async def run(self) -> None:
        """Keep the link up until cancelled."""
        pause = RECONNECT_LEAST_SECONDS
        while True:
            ear = _Ear(self)
            try:
                await ear.open(self._client.make_connection(), self._timeout)
                await self._serve(ear)
            except (WireLostError, StoreUnavailableError) as problem:
                if self._ear is not None:
                    log.warning("pubsub_lost", problem=str(problem))
                    pause = RECONNECT_LEAST_SECONDS
            finally:
                self._disconnected()
                ear.abort()
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, RECONNECT_MOST_SECONDS)

    def heard(self, reply: Any) -> None:
        """Take what Redis says on the connection."""
        kind, channel, data = reply
        if kind == b"smessage":
            if channel == self._probe_channel:
                self._probe_heard(float(data))
            elif channel == _CONTROL:
                self.on_control(data)
            else:
                self.on_message(channel, data)
        elif kind == b"ssubscribe":
            self._confirm(channel)

    async def _serve(self, ear: _Ear) -> None:
        """Subscribe everything again, then hear and probe until one of these fails."""
        again = (self._probe_channel, _CONTROL, *self._channels)
        self._waiting = {channel: deque([None]) for channel in again}
        self._ear = ear
        self._heard_at = time.monotonic()
        for channel in again:
            self._send("SSUBSCRIBE", channel)
        probe = asyncio.create_task(self._probe(), name="pubsub-probe")
        try:
            await asyncio.wait((ear.over, probe), return_when=asyncio.FIRST_COMPLETED)
            await (probe if probe.done() else ear.over)
        finally:
            probe.cancel()
            ear.over.cancel()

    def _disconnected(self) -> None:
        self._ear = None
        self._commands.clear()
        for waiting in self._waiting.values():
            for confirmed in waiting:
                if confirmed is not None and not confirmed.done():
                    confirmed.set_exception(StoreUnavailableError("the pub/sub connection was lost"))
        self._waiting.clear()

    def _send(self, verb: str, channel: bytes) -> None:
        """Send at the end of this turn of the loop, in order, with all else that is asked for in it."""
        if self._ear is None:
            return
        if not self._commands:
            asyncio.get_running_loop().call_soon(self._write)
        self._commands.append((verb, channel))

    def _write(self) -> None:
        commands, self._commands = self._commands, []
        if self._ear is None:
            return
        for verb, run in groupby(commands, key=lambda command: command[0]):
            channels = [channel for _, channel in run]
            for first in range(0, len(channels), CHANNELS_PER_COMMAND):
                self._ear.send(pack((verb, *channels[first : first + CHANNELS_PER_COMMAND])))

    def _confirm(self, channel: bytes) -> None:
        waiting = self._waiting[channel]
        confirmed = waiting.popleft()
        if not waiting:
            del self._waiting[channel]
        if confirmed is None:
            if channel == _CONTROL:
                self.on_control(b"")
            elif channel in self._channels:
                self.on_resubscribed(channel)
        elif not confirmed.done():
            confirmed.set_result(None)

    async def _probe(self) -> None:
        while True:
            await self._client.publish(self._probe_channel.decode(), str(time.monotonic()).encode())
            await asyncio.sleep(PROBE_INTERVAL_SECONDS)
            if time.monotonic() - self._heard_at > PROBE_TIMEOUT_SECONDS:
                raise StoreUnavailableError("the canary was not heard")

    def _probe_heard(self, sent_at: float) -> None:
        self._heard_at = time.monotonic()
        PROBE_SECONDS.set(self._heard_at - sent_at)
