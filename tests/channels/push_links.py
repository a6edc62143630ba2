"""Messages for the tests of push services, and links that record what adapters ask of them."""

import time
from collections.abc import Mapping
from typing import Any

from gateway.channels.message import Message
from gateway.channels.provider import Answer, Provider
from gateway.runtime.outbound import OutboundHttp
from gateway.runtime.outbound_http2 import OutboundHttp2
from tests.channels.messages import ID, StubLinks, message_to

__all__ = ["ID", "PushLinks", "push_to"]


def push_to(provider: Provider, destination: Mapping[str, Any], **changes: Any) -> Message:
    """Return a message to a device, without an address and a category. `changes` are fields of it."""
    return message_to(provider, destination, **{"action_url": None, "category": "", **changes})


class PushLinks(StubLinks):
    """Links to a stub. `clock` is added to the time."""

    def __init__(self, base: str, http: OutboundHttp | OutboundHttp2 | None = None):
        super().__init__(base, http=http)
        self.clock = 0.0
        self.pools: list[str] = []
        self.defaults: list[str] = []

    @property
    def memos(self) -> dict[str, dict[str, Any]]:
        """Return all dictionaries that are kept."""
        return self._memos

    def now(self) -> float:
        """Return the time of the clock."""
        return time.time() + self.clock

    def base_url(self, default: str) -> str:
        """Return the address of the stub, and record the one that it replaces."""
        self.defaults.append(default)
        return super().base_url(default)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        seconds: float | None = None,
        pool: str = "",
        tenants: bool = False,
    ) -> Answer:
        """Send a request, and record its pool."""
        self.pools.append(pool)
        return await super().request(method, url, headers=headers, body=body, seconds=seconds, pool=pool)
