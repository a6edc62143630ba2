"""uvicorn's HTTP protocol, except that a request for a live connection gives its socket to the live path.

An ASGI response that never ends costs a task, a request cycle and several futures: 18 KB and 23 µs an event in the
measurements behind the design; uvicorn's way to a WebSocket parses every handshake twice. Giving the socket away costs
one small object, and HTTP keeps uvicorn's parser.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.domain.errors import BODY_IS_LATE, ErrorCode, Problem
from gateway.domain.proxy import PEER, REQUEST_ID
from gateway.live.connection import encode_json
from gateway.live.handshake import Handshake, read_handshake
from gateway.live.sse import PATH as SSE_PATH
from gateway.live.sse import Http10SseConnection, SseConnection
from gateway.live.websocket import WebSocketConnection

if TYPE_CHECKING:
    from gateway.live.hub import Hub


MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers together; Apache and nginx take 8 to 32 KB by default."""


MAX_PIPELINED = 32
"""Requests that may wait on one connection for the answers to those before them. uvicorn takes all that comes in one
read, which may be thousands at some kilobytes each; hardly any client sends even two."""


class _JoinedWrites:
    """A transport on which the writes of one turn of the loop leave together, at its end.

    uvicorn writes a response's head and its body apart, which is two system calls (measured: 25 to 40 µs each).
    """

    def __init__(self, transport: asyncio.Transport):
        self.transport = transport
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Write at the end of this turn."""
        if not self._parts:
            asyncio.get_running_loop().call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        """Close once all is written."""
        self._flush()
        self.transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def _flush(self) -> None:
        if self._parts:
            data = b"".join(self._parts)
            self._parts.clear()
            self.transport.write(data)


class HttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 on one socket, until the socket is given to a live connection."""

    def __init__(self, hub: "Hub", **arguments: Any):
        super().__init__(**arguments)
        self._hub = hub
        self._given_away = False
        self._cut_off = False
        self._in_head = True
        self._head_bytes = 0
        self._slot: int | None = None
        self._in_body = False
        self._peer: str | None = None

    def peer(self) -> str:
        """Return the address that this connection comes from, "" if it is gone already."""
        if self._peer is None:
            name = self.transport.get_extra_info("peername")
            self._peer = str(name[0]) if isinstance(name, tuple) else ""
        return self._peer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Take a socket, whose first request is due."""
        # What uvicorn does here, but for the addresses: asking takes 10 µs, and not every request needs the answer.
        self.connections.add(self)
        self.transport = _JoinedWrites(transport)  # type: ignore[assignment] # it is one in all but name
        self.flow = FlowControl(self.transport)
        self.scheme = "http"
        self._expect(self._hub.limits.authentication_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the socket."""
        self._came_in_time()
        super().connection_lost(exc)

    def on_deadline(self, now: float) -> None:
        """Cut a client that did not finish its request in time; one that waits for the answer is told why."""
        self._slot = None
        if self._in_body and not self.cycle.response_complete:
            self.cycle.scope[BODY_IS_LATE] = True  # type: ignore[literal-required] # ASGI allows servers' own
            self.cycle.message_event.set()
        else:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse; then let go of the parser if the socket went to a live connection."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._given_away and not self._cut_off:
                self._give_to_websocket(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        if self.transport.get_protocol() is not self:
            # The parser and this object refer to each other: without this they would wait for a collection.
            self.parser = None  # type: ignore[assignment] # as uvicorn does in connection_lost
        elif self._in_head:
            # The parser keeps an unfinished head whole, whoever sends it.
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse_head()
        elif self._in_body and self._slot is None:
            # Nearly every body comes with its head, and none of those needs a deadline.
            self._expect(self._hub.body_seconds)

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._in_head = True
        self._head_bytes = 0
        self._expect(self._hub.limits.authentication_seconds)
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header without the white space around its value (RFC 9110, 5.5); the parser leaves that behind it."""
        super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """Start the request, or give the socket to an event stream."""
        self._in_head = False
        self._came_in_time()
        if self._given_away or self._cut_off:
            return  # what a client sends after its request for a stream means nothing
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self.parser.get_method() == b"GET":
            if self.parser.should_upgrade() and self._get_upgrade() == b"websocket":
                self._given_away = True  # once the parser says where the head ends
                return
            if self._url_path() == SSE_PATH:
                self._give_to_stream()
                return
        if len(self.pipeline) >= MAX_PIPELINED:
            self._cut_off = True
            self.transport.abort()
            return
        self._in_body = True
        super().on_headers_complete()
        request_id = self._request_id()
        self.scope[PEER] = self.peer  # type: ignore[literal-required] # ASGI allows servers' own
        self.scope[REQUEST_ID] = request_id  # type: ignore[literal-required]
        if self.cycle is not None:
            headers = self.server_state.default_headers
            self.cycle.default_headers = [*headers, (b"x-request-id", request_id.encode())]
        if self._hub.draining and self.cycle is not None:
            # Told with the answer, a client sends its next request elsewhere; without, into a closed connection.
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Pass the body on, but for that of a request whose socket is gone."""
        if not (self._given_away or self._cut_off):
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Finish the request, but for one whose socket is gone."""
        self._in_body = False
        self._came_in_time()
        if not (self._given_away or self._cut_off):
            super().on_message_complete()

    def _expect(self, seconds: float) -> None:
        when = time.monotonic() + seconds
        self._slot = self._hub.unfinished_requests.schedule(self, when, self._slot)

    def _came_in_time(self) -> None:
        if self._slot is not None:
            self._hub.unfinished_requests.cancel(self, self._slot)
            self._slot = None

    def _refuse_head(self) -> None:
        kind = ErrorCode.HEADERS_TOO_LARGE.kind
        body = encode_json({"errors": [Problem(kind.message, kind.code, kind.suggestion)]})
        head = f"HTTP/1.1 {kind.status} Request Header Fields Too Large\r\nConnection: close\r\n"
        fields = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write((head + fields).encode() + body)
        self.transport.close()

    def _url_path(self) -> str:
        path: bytes = self._live_target().split(b"?", 1)[0]
        return "/" + path.decode("latin-1").strip("/")

    def _live_target(self) -> bytes:
        """Return the request's target without the prefix of INBOX_PUBLIC_URL, which not every proxy takes away."""
        target: bytes = self.url
        prefix = self._hub.public_prefix
        return target[len(prefix) :] if prefix and target.startswith(prefix + b"/realtime/") else target

    def _give_to_stream(self) -> None:
        self._given_away = True
        old = self.parser.get_http_version() == "1.0"
        stream = Http10SseConnection(self._hub) if old else SseConnection(self._hub)
        transport, handshake = self._let_go()
        transport.set_protocol(stream)
        stream.start(transport, handshake)

    def _give_to_websocket(self, rest: bytes) -> None:
        connection = WebSocketConnection(self._hub)
        transport, handshake = self._let_go()
        transport.set_protocol(connection)
        connection.start(transport, self._live_target().decode("latin-1"), self._header_list(), handshake)
        if rest:
            connection.data_received(rest)

    def _let_go(self) -> tuple[asyncio.Transport, Handshake]:
        self.connections.discard(self)
        query = self.url.partition(b"?")[2].decode("latin-1")
        transport: asyncio.Transport = self.transport.transport  # type: ignore[attr-defined] # of _JoinedWrites
        headers = self._header_list()
        handshake = read_handshake(dict(headers), query)
        proof = handshake.credentials.hmac or handshake.credentials.token or handshake.credentials.api_secret
        # Who proves nothing may be a new user, and those are counted by address.
        client = self._hub.proxies.client(self.peer(), headers) if self._hub.access_log or not proof else ""
        return transport, handshake._replace(request_id=self._request_id(), client=client)

    def _request_id(self) -> str:
        """Return the name of the request whose head is complete: a trusted proxy's, or a new one."""
        for name, value in self.headers:
            if name == b"x-request-id" and self._hub.proxies.trust(self.peer()):
                return self._hub.request_ids.accept(value.decode("latin-1"))
        return self._hub.request_ids.next()

    def _header_list(self) -> list[tuple[str, str]]:
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.headers]
