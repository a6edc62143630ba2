"""Messages for the tests of push services, and links by which adapters reach the stubs."""

import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from gateway.channels.message import Brand, Message
from gateway.channels.provider import Answer, Provider
from gateway.domain.ids import ProjectId, UserId
from gateway.runtime.outbound import OutboundHttp
from gateway.runtime.outbound_http2 import OutboundHttp2
from tests.outbound import LOOPBACK

ID = UUID("0198c0de-0000-7000-8000-000000000001")


def push_to(provider: Provider, destination: Mapping[str, Any], **changes: Any) -> Message:
    """Return a message to a device. `changes` are fields of it."""
    assert provider.integration is not None
    now = int(time.time())
    fields: dict[str, Any] = {
        "id": ID,
        "project_id": ProjectId("p1"),
        "user_id": UserId(str(ID)),
        "notification_id": str(ID),
        "channel": provider.channel,
        "title": "Your order has shipped",
        "content": "It arrives on <b>Friday</b>.",
        "sent_at": now,
        "expires_at": now + 3600,
        "destination": destination,
        "token_kind": provider.tokens[0].path,
        "config": provider.integration.example,
        "config_id": "0011223344556677",
        "brand": Brand(name="Shop"),
        "unread": 3,
        "unseen": 1,
    }
    return Message(**{**fields, **changes})


class PushLinks:
    """Links to a stub, over real connections. `clock` is added to the time."""

    def __init__(self, base: str, http: OutboundHttp | OutboundHttp2 | None = None):
        self.base = base
        self.clock = 0.0
        self.pools: list[str] = []
        self.memos: dict[str, dict[str, Any]] = {}
        self.defaults: list[str] = []
        self._http = http or OutboundHttp(LOOPBACK)

    def now(self) -> float:
        """Return the time of the clock."""
        return time.time() + self.clock

    def base_url(self, default: str) -> str:
        """Return the address of the stub."""
        self.defaults.append(default)
        return self.base

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
        """Send a request."""
        options: dict[str, Any] = {"pool": pool} if isinstance(self._http, OutboundHttp2) else {}
        self.pools.append(pool)
        return Answer(
            *await self._http.request(method, url, headers=headers, body=body, seconds=seconds or 5.0, **options)
        )

    def memo(self, key: str) -> dict[str, Any]:
        """Return a dictionary that is kept."""
        return self.memos.setdefault(key, {})

    def __getattr__(self, name: str) -> Any:
        """Refuse what no push service needs."""
        raise NotImplementedError(name)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()
