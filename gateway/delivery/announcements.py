"""Announcements of Redis that a lane has become due, so that nothing waits for the next look."""

import asyncio
from collections.abc import Callable, Sequence

from gateway.store.lanes import LaneStore
from gateway.store.redis.problems import StoreUnavailableError
from gateway.store.redis.subscriber import Subscriber

RETRY_SECONDS = 0.2


class Announcements:
    """Subscribes to the announcements of all shards. `run` must be running.

    `on_announced(channel)` is called with each, and `on_missed()` when some may have been missed.
    """

    def __init__(
        self,
        lanes: LaneStore,
        subscriber: Subscriber,
        on_announced: Callable[[bytes], None],
        on_missed: Callable[[], None],
    ):
        self._lanes = lanes
        self._subscriber = subscriber
        self._on_announced = on_announced
        self._on_missed = on_missed
        self._channels = frozenset(lanes.channels)
        self._subscribed = False
        subscriber.on_messages = self._dispatch
        subscriber.on_resubscribed = self._resubscribed
        lanes.hears_announcements = self._hears

    async def run(self) -> None:
        """Subscribe, and keep that until cancelled."""
        for channel in self._lanes.channels:
            while True:
                try:
                    await self._subscriber.subscribe(channel)
                    break
                except StoreUnavailableError:
                    await asyncio.sleep(RETRY_SECONDS)
        self._subscribed = True
        self._on_missed()
        await asyncio.Event().wait()

    def _hears(self) -> bool:
        return self._subscribed and self._subscriber.healthy

    def _dispatch(self, channel: bytes, messages: Sequence[bytes]) -> None:
        if channel in self._channels:
            self._on_announced(channel)

    def _resubscribed(self, channel: bytes) -> None:
        self._on_missed()
