"""Server-sent events (WHATWG HTML, section 9.2) without a task or a queue per stream.

The HTTP ingress hands over the socket of `GET /realtime/sse` once the request's head is parsed. From then on a stream
is one small object that the hub writes to. An event is the same bytes for every stream: a record in a chunk of its own
(RFC 9112, section 7.1). Without chunks, clients that read the body in blocks, as those based on Python's requests do,
would keep the end of an event until the next one fills the block. Nothing is written before the credentials are
verified, so a refusal is an ordinary response with its status.
"""

import asyncio
import time
from functools import lru_cache
from http import HTTPStatus
from typing import ClassVar

from gateway.domain.effects import Close
from gateway.domain.errors import CloseCode, ErrorCode
from gateway.domain.event import Event, on_one_line
from gateway.domain.messages import Goodbye, Ready, Reset, ServerMessage
from gateway.domain.origin import ANY, allow_origin
from gateway.live.connection import Connection, encode_json
from gateway.live.handshake import Handshake
from gateway.live.hub_interface import HubInterface

PATH = "/realtime/sse"

_HEARTBEAT = b": heartbeat\n"
"""A comment needs no empty line after it, and some clients (httpx-sse) would parse one as an event without data."""

_REFUSALS = {
    CloseCode.UNAUTHORIZED: HTTPStatus.UNAUTHORIZED,
    CloseCode.TOKEN_EXPIRED: HTTPStatus.UNAUTHORIZED,
    CloseCode.TOKEN_REVOKED: HTTPStatus.UNAUTHORIZED,
    CloseCode.CREDENTIALS_ROTATED: HTTPStatus.UNAUTHORIZED,
    CloseCode.AUTHENTICATION_TIMEOUT: HTTPStatus.UNAUTHORIZED,
    CloseCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    CloseCode.INVALID_REQUEST: HTTPStatus.UNPROCESSABLE_ENTITY,
    # A 204 tells an EventSource to stop reconnecting. The other statuses that do so are errors.
    CloseCode.TOO_MANY_CONNECTIONS: HTTPStatus.NO_CONTENT,
}
"""The statuses for clients that should not reconnect.

Any other refusal is a stream with only a goodbye, because an EventSource reconnects only after a 200.
"""


@lru_cache(maxsize=64)
def _head(status: HTTPStatus, readable_by: str | None, *fields: str) -> bytes:
    """Return the head of a response, except for its last field and its end: the id of the request."""
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        *fields,
        "X-Content-Type-Options: nosniff",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    if readable_by is not None:
        lines.append(f"Access-Control-Allow-Origin: {readable_by}")
        lines.append("Access-Control-Expose-Headers: X-Request-Id")
    if readable_by != ANY:
        lines.append("Vary: Origin")
    return "\r\n".join([*lines, "X-Request-Id: "]).encode()


class SseConnection(Connection):
    """A live connection over server-sent events."""

    name = "sse"
    path = PATH
    opened_status = HTTPStatus.OK.value
    responds_to_heartbeats = False
    head_fields: ClassVar[tuple[str, ...]] = (
        "Content-Type: text/event-stream; charset=utf-8",
        "X-Accel-Buffering: no",
        "Transfer-Encoding: chunked",
    )
    end: ClassVar[bytes] = b"0\r\n\r\n"
    """The end of the body."""

    __slots__ = ("readable_by", "streaming")

    def __init__(self, hub: HubInterface[Connection], accepted_at: float | None = None):
        super().__init__(hub, accepted_at)
        self.streaming = False
        """Whether the head of the response has been written."""
        self.readable_by: str | None = None
        """The origin whose pages may read the response, `*` for any, None for none."""

    def start(self, transport: asyncio.BaseTransport, handshake: Handshake) -> None:
        """Attach the stream to the socket of a request, and verify its credentials or refuse it."""
        self.connection_made(transport)
        self.begin(handshake)
        self.origin = handshake.origin
        self._allow(self.hub.allowed_origins)
        if self.hub.draining:
            self.perform(self.session.refused(CloseCode.DRAINING, retry_after_ms=0))
        elif handshake.problem is not None:
            self.perform(self.session.refused(CloseCode.INVALID_REQUEST, handshake.problem))
        elif not handshake.credentials:
            problem = ErrorCode.API_KEY_NOT_PROVIDED.problem()
            self.perform(self.session.refused(CloseCode.UNAUTHORIZED, problem))
        else:
            self.perform(self.session.credentials_found(handshake.credentials, handshake.since))

    def check_origin(self, allowed_origins: tuple[str, ...]) -> bool:
        """Return whether the origin may connect. Only allowed origins may read the response, even a refusal."""
        self._allow(allowed_origins)
        return super().check_origin(allowed_origins)

    def _allow(self, allowed_origins: tuple[str, ...]) -> None:
        self.readable_by = allow_origin(self.origin or "", allowed_origins)

    # -- outgoing

    @staticmethod
    def frame(record: bytes) -> bytes:
        """Return a record as a chunk."""
        return b"%x\r\n%b\r\n" % (len(record), record)

    @classmethod
    def encode_event(cls, event: Event) -> bytes:
        """Return the record of an event: its name, its position as id, and the same JSON as on every transport."""
        # The text is JSON on one line. ServerSentEvent would return the same, at ten times the cost (measured).
        head = f"event: {event.name}\nid: {event.position}\ndata: ".encode()
        return cls.frame(b"".join((head, event.text, b"\n\n")))

    def encode_message(self, message: ServerMessage) -> bytes:
        """Return the record of a message. The first one follows the head of the response."""
        place = b"id: %b\n" % message.position.encode() if isinstance(message, Ready | Reset) else b""
        retry = message.retry_after_ms if isinstance(message, Goodbye) else None
        pause = b"retry: %d\n" % retry if retry is not None else b""
        name = str(type(message).__struct_config__.tag).encode()
        text = on_one_line(encode_json(message))
        return self._begin_stream() + self.frame(b"%bevent: %b\ndata: %b\n%b\n" % (place, name, text, pause))

    def write_heartbeat(self) -> None:
        """Write a comment, which keeps proxies from closing an idle stream."""
        self.transport.write(self.frame(_HEARTBEAT))

    def refused_status(self, close: Close) -> int:
        """Return the status of a refusal, or that of the stream if its head has been written."""
        return self.opened_status if self.streaming else _REFUSALS.get(close.code, HTTPStatus.OK).value

    def write_goodbye(self, close: Close) -> None:
        """Write a refusal if nothing has been written, else a goodbye with the time to reconnect; close either way."""
        status = _REFUSALS.get(close.code)
        if not self.streaming and status is not None:
            self.transport.write(self._refusal(status, close))
        else:
            error = self.encode_message(close.error) if close.error is not None else b""
            self.transport.write(error + self.encode_message(close.goodbye) + self.end)
        self.transport.close()

    # -- incoming

    def data_received(self, data: bytes) -> None:
        """Ignore data after the request, but count it towards the rate limit: clients have no reason to send any."""
        self.perform(self.session.record_activity(time.monotonic(), cost=1 + len(data) / self.hub.max_message_bytes))

    def eof_received(self) -> None:
        """Return None, which closes the transport: a client that half-closes its socket counts as disconnected."""

    # -- the head of the response

    def _begin_stream(self) -> bytes:
        if self.streaming:
            return b""
        self.streaming = True
        return self._head(HTTPStatus.OK, *self.head_fields)

    def _refusal(self, status: HTTPStatus, close: Close) -> bytes:
        if status is HTTPStatus.NO_CONTENT:
            return self._head(status)
        body = encode_json({"errors": [close.problem or close.code.problem]})
        fields = ("Content-Type: application/json", f"Content-Length: {len(body)}")
        return self._head(status, *fields) + body

    def _head(self, status: HTTPStatus, *fields: str) -> bytes:
        request_id = self.opening.request_id if self.opening is not None else ""
        return b"%b%b\r\n\r\n" % (_head(status, self.readable_by, *fields), request_id.encode())


class Http10SseConnection(SseConnection):
    """A stream without chunks, for clients of HTTP/1.0. Some proxies speak it unless configured otherwise."""

    name = "sse_http10"
    head_fields = SseConnection.head_fields[:2]
    end = b""

    __slots__ = ()

    @staticmethod
    def frame(record: bytes) -> bytes:
        """Return a record unchanged: the body ends with the connection."""
        return record


class SseHeadConnection(SseConnection):
    """The response to `HEAD`: the head that `GET` would get, without a stream (RFC 9110, section 9.3.2)."""

    __slots__ = ()

    def write_goodbye(self, close: Close) -> None:
        """Write the head of the refusal."""
        status = _REFUSALS.get(close.code)
        if status is None:
            head = self._begin_stream()
        else:
            head = self._refusal(status, close).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        self.transport.write(head)
        self.transport.close()

    def _send(self, messages: tuple[ServerMessage | Event, ...]) -> None:
        self.transport.write(self._begin_stream())
        self.log_opening(self.opened_status)
        self.session.disconnected()
        self.hub.deadlines.schedule_abort(self)
        self.transport.close()
