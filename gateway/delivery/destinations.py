"""Destinations that have a rate of their own, such as a channel of Slack: one message a second, from all processes."""

import asyncio
import hashlib

from gateway.channels.message import Message
from gateway.channels.outcome import Outcome, Scope, Throttled
from gateway.channels.provider import Provider
from gateway.store.lanes import LaneStore

MAX_WAIT_MS = 2000
"""How long a message waits for its destination while its claim is held. A longer wait is left to the schedule."""


class Destinations:
    """Reserves messages to destinations. Methods raise StoreUnavailableError."""

    def __init__(self, lanes: LaneStore):
        self._lanes = lanes

    async def reserve(self, provider: Provider, message: Message) -> Outcome | None:
        """Wait until a destination takes a message. Return None then, or an outcome if that is too long."""
        rate = provider.destination_rate
        if rate is None or provider.destination_key is None:
            return None
        key = _key(provider, message)
        granted, wait_ms = await self._lanes.reserve(key, rate.per_second, rate.burst, MAX_WAIT_MS)
        if not granted:
            return Throttled(wait_ms / 1000, Scope.DESTINATION, "waiting for the rate of the destination")
        if wait_ms:
            await asyncio.sleep(wait_ms / 1000)
        return None

    async def throttled(self, provider: Provider, message: Message, until: float) -> None:
        """Note that a destination takes nothing before a time, in unix seconds by the clock of Redis."""
        if provider.destination_key is not None:
            await self._lanes.hold(_key(provider, message), int(until * 1000))


def _key(provider: Provider, message: Message) -> str:
    """Return the name of a destination. It is a digest, because a destination may be an address with a secret."""
    assert provider.destination_key is not None
    text = f"{message.project_id} {provider.destination_key(message)}"
    return f"{provider.name}:{hashlib.sha256(text.encode()).hexdigest()[:24]}"
