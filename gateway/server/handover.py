"""The requests whose socket becomes a live connection's, and how it takes the socket over."""

import asyncio
import re
from collections.abc import Callable
from typing import NamedTuple

from gateway.domain.proxy import Proxies
from gateway.live.connection import Connection
from gateway.live.handshake import read_handshake
from gateway.live.hub import Hub
from gateway.live.sse import PATH as SSE_PATH
from gateway.live.sse import Http10SseConnection, SseConnection, SseHeadConnection
from gateway.live.websocket import PATH as WEBSOCKET_PATH
from gateway.live.websocket import WebSocketConnection
from gateway.server.request import Head

_COMMON_PATH = "/realtime"


class LiveRequest(NamedTuple):
    """A request for a live connection, of the one kind that it is."""

    kind: type[WebSocketConnection] | type[SseConnection]
    head: Head

    def take_over(
        self,
        hub: Hub,
        proxies: Proxies,
        transport: asyncio.Transport,
        request_id: str,
        peer: Callable[[], str],
        rest: bytes,
        *,
        accepted_at: float,
        is_full: bool,
    ) -> None:
        """Make the connection the owner of the socket. `rest` is what followed the request.

        `accepted_at` is when the socket, or a later request on it, began: the time for credentials counts from there.
        `is_full` says that the transport has asked for a pause in writing, which it does not repeat to the new owner.
        """
        connection: Connection = self.kind(hub, accepted_at)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.head.fields]
        handshake = read_handshake(dict(headers), self.head.query.decode("latin-1"))
        proof = handshake.credentials.hmac or handshake.credentials.token or handshake.credentials.api_secret
        # Who proves nothing may be a new user, and those are counted by address.
        client = proxies.client(peer(), headers) if hub.access_log or not proof else ""
        handshake = handshake._replace(request_id=request_id, client=client)
        if isinstance(connection, WebSocketConnection):
            connection.start(transport, headers, handshake)
        else:
            assert isinstance(connection, SseConnection), "there is no third kind"
            connection.start(transport, handshake)
        if is_full:
            connection.pause_writing()
        if rest and isinstance(connection, WebSocketConnection):
            connection.data_received(rest)


def live_request(head: Head, path: str, prefix: str) -> LiveRequest | None:
    """Return what to give the socket to; None when the request is to be answered like any other.

    `prefix` is that of INBOX_PUBLIC_URL, which not every proxy takes away. A request to upgrade that is not for the
    WebSocket's path is answered like any other, as if it had no such header.
    """
    if _COMMON_PATH not in path:
        return None
    tidy = re.sub("/{2,}", "/", path).rstrip("/")
    tidy = tidy[len(prefix) :] if prefix and tidy.startswith(f"{prefix}/") else tidy
    if tidy == SSE_PATH and head.method in ("GET", "HEAD") and not head.is_websocket_handshake:
        if head.method == "HEAD":
            return LiveRequest(SseHeadConnection, head)
        return LiveRequest(SseConnection if head.version == "1.1" else Http10SseConnection, head)
    if tidy == WEBSOCKET_PATH and head.wants_websocket:
        return LiveRequest(WebSocketConnection, head)
    return None
