"""The worker's one pub/sub connection: a channel per user, batched subscriptions, and a canary that proves it hears.

A hung Redis raises nothing, and one that restarted resubscribes silently while what was published is gone. So the
link publishes to a channel of its own through the ordinary connections and expects to hear that within the probe
timeout; otherwise it starts over. After every new start it subscribes everything again and reports each channel as
`resubscribed`, for the hub to read the logs.
"""

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Callable
from itertools import groupby

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import RedisError

from gateway.settings import Settings
from gateway.store import keys
from gateway.store.client import FunctionClient, StoreUnavailableError, create_redis
from gateway.telemetry import PROBE_SECONDS, log

PROBE_INTERVAL_SECONDS = 1.0
PROBE_TIMEOUT_SECONDS = 3.0
CHANNELS_PER_COMMAND = 500
RECONNECT_LEAST_SECONDS = 0.05
RECONNECT_MOST_SECONDS = 1.0

_CONTROL = keys.CONTROL.encode()


class PubSubLink:
    """Subscribes channels and reports what is published on them. `run` must be running.

    `on_message(channel, data)`, `on_resubscribed(channel)` and `on_control(message)` are called from the reader and
    must not block. An empty control message means that some may have been missed.
    """

    def __init__(self, settings: Settings, client: FunctionClient, worker_id: str):
        self._pool: ConnectionPool = create_redis(settings).connection_pool
        self._timeout = settings.redis_timeout_seconds
        self._client = client
        self._probe_channel = keys.probe(worker_id).encode()
        self._channels: set[bytes] = set()
        # Who waits for the next confirmations of a channel, in order; None is a resubscription's.
        self._waiting: dict[bytes, deque[asyncio.Future[None] | None]] = {}
        self._commands: list[tuple[str, bytes]] = []
        self._command_added = asyncio.Event()
        self._connected = False
        self._heard_at = 0.0
        self.on_control: Callable[[bytes], None] = lambda message: None
        self.on_message: Callable[[bytes, bytes], None] = lambda channel, data: None
        self.on_resubscribed: Callable[[bytes], None] = lambda channel: None

    @property
    def healthy(self) -> bool:
        """Whether the canary was heard lately."""
        return self._connected and time.monotonic() - self._heard_at < PROBE_TIMEOUT_SECONDS

    async def subscribe(self, channel: bytes) -> None:
        """Subscribe a channel; returns when Redis confirmed it. Raises StoreUnavailableError.

        A channel that was subscribed stays so over reconnects until `unsubscribe`.
        """
        if not self._connected:
            raise StoreUnavailableError("the pub/sub connection is down")
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(channel, deque()).append(confirmed)
        self._channels.add(channel)
        self._send("SSUBSCRIBE", channel)
        try:
            await asyncio.wait_for(confirmed, self._timeout)
        except TimeoutError as problem:
            raise StoreUnavailableError("subscribing took too long") from problem

    def unsubscribe(self, channel: bytes) -> None:
        """Hear no more of a channel."""
        self._channels.discard(channel)
        self._send("SUNSUBSCRIBE", channel)

    async def run(self) -> None:
        """Keep the link up until cancelled."""
        pause = RECONNECT_LEAST_SECONDS
        while True:
            connection: AbstractConnection = self._pool.make_connection()
            try:
                await asyncio.wait_for(connection.connect(), self._timeout)
                await self._serve(connection)
            except* (RedisError, OSError, TimeoutError, StoreUnavailableError) as group:
                if self._connected:
                    log.warning("pubsub_lost", problems=[str(problem) for problem in group.exceptions])
                    pause = RECONNECT_LEAST_SECONDS
            finally:
                self._disconnected()
                await connection.disconnect(nowait=True)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, RECONNECT_MOST_SECONDS)

    async def aclose(self) -> None:
        """Give back what the link holds."""
        await self._pool.disconnect()

    async def _serve(self, connection: AbstractConnection) -> None:
        """Read, write and probe one connection until any of these fails."""
        again = (self._probe_channel, _CONTROL, *self._channels)
        self._commands = [("SSUBSCRIBE", channel) for channel in again]
        self._waiting = {channel: deque([None]) for channel in again}
        self._command_added.set()
        self._connected = True
        self._heard_at = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(connection), name="pubsub-read")
            tasks.create_task(self._write(connection), name="pubsub-write")
            tasks.create_task(self._probe(), name="pubsub-probe")

    def _disconnected(self) -> None:
        self._connected = False
        self._commands.clear()
        for waiting in self._waiting.values():
            for confirmed in waiting:
                if confirmed is not None and not confirmed.done():
                    confirmed.set_exception(StoreUnavailableError("the pub/sub connection was lost"))
        self._waiting.clear()

    def _send(self, verb: str, channel: bytes) -> None:
        if self._connected:
            self._commands.append((verb, channel))
            self._command_added.set()

    async def _write(self, connection: AbstractConnection) -> None:
        """Send what was asked for, in order, all of one turn of the loop together."""
        while True:
            await self._command_added.wait()
            self._command_added.clear()
            commands, self._commands = self._commands, []
            for verb, run in groupby(commands, key=lambda command: command[0]):
                channels = [channel for _, channel in run]
                for first in range(0, len(channels), CHANNELS_PER_COMMAND):
                    await connection.send_command(verb, *channels[first : first + CHANNELS_PER_COMMAND])

    async def _read(self, connection: AbstractConnection) -> None:
        while True:
            # No timeout: silence is normal, and the canary notices when it is not.
            kind, channel, data = await connection.read_response(timeout=math.inf)
            if kind == b"smessage":
                if channel == self._probe_channel:
                    self._probe_heard(float(data))
                elif channel == _CONTROL:
                    self.on_control(data)
                else:
                    self.on_message(channel, data)
            elif kind == b"ssubscribe":
                self._confirm(channel)

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
