"""Recognizes requests for live connections, and hands their sockets over to live connections."""

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from gateway.domain.proxy import Proxies
from gateway.live.handshake import read_handshake
from gateway.live.hub import Hub
from gateway.live.long_poll import PATH as EVENTS_PATH
from gateway.live.long_poll import LongPoll
from gateway.live.sse import PATH as SSE_PATH
from gateway.live.sse import Http10SseConnection, SseConnection, SseHeadConnection
from gateway.live.websocket import PATH as WEBSOCKET_PATH
from gateway.live.websocket import WebSocketConnection
from gateway.server.request import Fields, Head

_COMMON_PATH = "/realtime"

_WAIT = re.compile(rb"(?:^|&)wait=[^&]")
"""Without this field, an operation of the API returns the events that there are."""


class LiveRequest(NamedTuple):
    """A request for a live connection, and the kind of connection that serves it."""

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
        """Create the live connection, which owns the socket from now on. `rest` is the data that followed the request.

        `accepted_at` is when the socket was accepted, or when a later request on it began. The time limit for
        credentials starts then. `is_full`: whether the transport has called `pause_writing`, which it does not repeat
        for its new protocol.
        """
        connection: WebSocketConnection | SseConnection = self.kind(hub, accepted_at)
        head = self.head
        client = proxies.client(peer(), _texts(head.fields)) if hub.access_log else ""
        handshake = read_handshake(head.by_name, head.query.decode("latin-1"), request_id, client)
        proof = handshake.credentials.hmac or handshake.credentials.token or handshake.credentials.api_secret
        if not proof and not client:
            # A client without proof of its identity may be a new user, and new users are counted by client address.
            handshake = handshake._replace(client=proxies.client(peer(), _texts(head.fields)))
        if isinstance(connection, WebSocketConnection):
            connection.start(transport, head.by_name, head.fields, handshake)
        else:
            connection.start(transport, handshake)
        if is_full:
            connection.pause_writing()
        if rest and isinstance(connection, WebSocketConnection):
            connection.data_received(rest)


def _texts(fields: Fields) -> Iterator[tuple[str, str]]:
    return ((name.decode("latin-1"), value.decode("latin-1")) for name, value in fields)


def live_request(head: Head, path: str, prefix: str) -> LiveRequest | None:
    """Return the live request if the head is that of one, None for any other request.

    `prefix` is the path of INBOX_PUBLIC_URL, which not every proxy strips. `Upgrade` is ignored in a request for any
    path but the WebSocket's.
    """
    if _COMMON_PATH not in path:
        return None
    tidy = path
    if path not in (WEBSOCKET_PATH, SSE_PATH, EVENTS_PATH):
        tidy = re.sub("/{2,}", "/", path).rstrip("/")
        tidy = tidy[len(prefix) :] if prefix and tidy.startswith(f"{prefix}/") else tidy
    if tidy == SSE_PATH and head.method in ("GET", "HEAD") and not head.is_websocket_handshake:
        if head.method == "HEAD":
            return LiveRequest(SseHeadConnection, head)
        return LiveRequest(SseConnection if head.version == "1.1" else Http10SseConnection, head)
    if tidy == EVENTS_PATH and head.method == "GET" and _WAIT.search(head.query):
        return LiveRequest(LongPoll, head)
    if tidy == WEBSOCKET_PATH and head.wants_websocket:
        return LiveRequest(WebSocketConnection, head)
    return None
