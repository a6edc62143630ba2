"""Messages for the tests of adapters, and the links by which adapters send them to stubs."""

import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from gateway.channels.integration_kind import InstallationKind
from gateway.channels.message import Brand, Message
from gateway.channels.provider import Answer, Provider
from gateway.domain.ids import ProjectId, UserId
from gateway.runtime.outbound import OutboundHttp
from gateway.runtime.outbound_http2 import OutboundHttp2
from tests.outbound import LOOPBACK

ID = UUID("0198c0de-0000-7000-8000-000000000001")


def message_to(provider: Provider, destination: Mapping[str, Any], **changes: Any) -> Message:
    """Return a message. `changes` are fields of it."""
    now = int(time.time())
    fields: dict[str, Any] = {
        "id": ID,
        "project_id": ProjectId("1"),
        "user_id": UserId(str(ID)),
        "notification_id": str(ID),
        "channel": provider.channel,
        "title": "Your order has shipped",
        "content": "It arrives on <b>Friday</b>.",
        "action_url": "https://example.com/orders/7",
        "category": "orders",
        "sent_at": now,
        "expires_at": now + 3600,
        "destination": destination,
        "token_kind": provider.tokens[0].path if provider.tokens else "",
        "brand": Brand(name="Shop"),
        "unread": 3,
        "unseen": 1,
    }
    if provider.integration is not None:
        fields |= {"config": provider.integration.example, "config_id": "0011223344556677"}
    return Message(**{**fields, **changes})


class StubLinks:
    """The links to a stub, over real connections. `base` is its address, and `installations` those of the user."""

    def __init__(
        self,
        base: str = "",
        contact: str = "mailto:ops@example.com",
        http: OutboundHttp | OutboundHttp2 | None = None,
    ):
        self.reports = ""
        self.installations: dict[str, dict[str, Any]] = {}
        self.base = base
        self._contact = contact
        self._memos: dict[str, dict[str, Any]] = {}
        self._http = http or OutboundHttp(LOOPBACK)

    def now(self) -> float:
        """Return the unix time in seconds."""
        return time.time()

    def base_url(self, default: str) -> str:
        """Return the address of the stub."""
        return self.base or default

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
        found = await self._http.request(method, url, headers=headers, body=body, seconds=seconds or 5.0, **options)
        return Answer(*found)

    async def connect(self, host: str, port: int, *, seconds: float | None = None) -> Any:
        """Refuse: no adapter that is tested with these links needs it."""
        raise NotImplementedError

    def tls(self) -> Any:
        """Refuse, as `connect`."""
        raise NotImplementedError

    def memo(self, key: str) -> dict[str, Any]:
        """Return a dictionary that is kept."""
        return self._memos.setdefault(key, {})

    def contact(self) -> str:
        """Return the contact of the operator."""
        return self._contact

    def report_url(self, message: Message) -> str:
        """Return the address for reports."""
        return self.reports and f"{self.reports}/{message.notification_id}"

    async def installation(self, message: Message, kind: InstallationKind, place: str) -> Mapping[str, Any] | None:
        """Return an installation."""
        return self.installations.get(place)

    async def replace_installation(
        self,
        message: Message,
        kind: InstallationKind,
        place: str,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
    ) -> bool:
        """Save an installation."""
        self.installations[place] = dict(after)
        return True

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()
