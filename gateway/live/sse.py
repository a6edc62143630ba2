"""Server-sent events (WHATWG HTML, section 9.2) without a task or a queue per stream.

The HTTP protocol hands over the socket of `GET /realtime/sse` once its headers are parsed; from there a stream is one
small object that the hub writes to. An event is the same bytes for every stream: a record in a chunk of its own (RFC
9112, section 7.1), because clients that read a body of unknown length by the block, as all do that rest on Python's
requests, would else sit on the end of an event until the next one filled the block. Nothing is written before the
credentials are verified: a refusal is a plain status.
"""

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar

from sse_starlette.event import ServerSentEvent

from gateway.domain.errors import CloseCode, ErrorCode
from gateway.domain.event import Event, on_one_line
from gateway.domain.messages import Error, Goodbye, Ready, Reset, ServerMessage
from gateway.domain.origin import ANY, allow_origin
from gateway.domain.session import Close
from gateway.live.connection import Connection, encode_json, goodbye
from gateway.live.handshake import Handshake

if TYPE_CHECKING:
    import asyncio

    from gateway.live.hub import Hub

PATH = "/realtime/sse"

_HEARTBEAT = b": heartbeat\n"
"""A comment needs no empty line after it, and some clients (httpx-sse) take one for an event without data."""

_REFUSALS = {
    CloseCode.UNAUTHORIZED: HTTPStatus.UNAUTHORIZED,
    CloseCode.TOKEN_EXPIRED: HTTPStatus.UNAUTHORIZED,
    CloseCode.TOKEN_REVOKED: HTTPStatus.UNAUTHORIZED,
    CloseCode.CREDENTIALS_ROTATED: HTTPStatus.UNAUTHORIZED,
    CloseCode.AUTHENTICATION_TIMEOUT: HTTPStatus.UNAUTHORIZED,
    CloseCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    CloseCode.INVALID_REQUEST: HTTPStatus.UNPROCESSABLE_ENTITY,
    # An EventSource stops for good at 204, and only then without calling it an error.
    CloseCode.TOO_MANY_CONNECTIONS: HTTPStatus.NO_CONTENT,
}
"""The statuses that answer a stream which is not to come back. Any other refusal is a stream that says goodbye at
once, because an EventSource comes back only to a 200."""


def _head(status: HTTPStatus, readable_by: str | None, request_id: str, *fields: str) -> bytes:
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        *fields,
        f"X-Request-Id: {request_id}",
        "X-Content-Type-Options: nosniff",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    if readable_by is not None:
        lines.append(f"Access-Control-Allow-Origin: {readable_by}")
        lines.append("Access-Control-Expose-Headers: X-Request-Id")
    if readable_by != ANY:
        lines.append("Vary: Origin")
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


class SseConnection(Connection):
    """One open inbox over server-sent events, on a socket that the HTTP protocol gave away."""

    name = "sse"
    path = PATH
    opened_status = HTTPStatus.OK.value
    answers_heartbeats = False
    head_fields: ClassVar[tuple[str, ...]] = (
        "Content-Type: text/event-stream; charset=utf-8",
        "X-Accel-Buffering: no",
        "Transfer-Encoding: chunked",
    )
    end: ClassVar[bytes] = b"0\r\n\r\n"
    """What follows the last record."""

    __slots__ = ("readable_by", "streaming")

    def __init__(self, hub: "Hub", accepted_at: float | None = None):
        super().__init__(hub, accepted_at)
        self.streaming = False
        self.readable_by: str | None = None

    def start(self, transport: "asyncio.BaseTransport", handshake: Handshake) -> None:
        """Take over the socket of a request."""
        self.connection_made(transport)
        self.began(handshake)
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
            self._open(handshake.credentials, handshake.since)

    def project_found(self, allowed_origins: tuple[str, ...]) -> bool:
        """Check the origin, and allow it or not to read the answer, whichever that is."""
        self._allow(allowed_origins)
        return super().project_found(allowed_origins)

    def _allow(self, allowed_origins: tuple[str, ...]) -> None:
        self.readable_by = allow_origin(self.origin or "", allowed_origins)

    @staticmethod
    def frame(record: bytes) -> bytes:
        """Make a chunk of a record."""
        return b"%x\r\n%b\r\n" % (len(record), record)

    @classmethod
    def encode_event(cls, event: Event) -> bytes:
        """Frame an event: its name, its position as id, the same JSON as on every transport."""
        # Event text is JSON on one line, so this is what ServerSentEvent would make of it, at a tenth of the cost.
        head = f"event: {event.name}\nid: {event.position}\ndata: ".encode()
        return cls.frame(b"".join((head, event.text, b"\n\n")))

    def encode_message(self, message: ServerMessage) -> bytes:
        """Frame anything else; the first one brings the response's head along."""
        record = ServerSentEvent(
            on_one_line(encode_json(message)).decode(),
            event=str(type(message).__struct_config__.tag),
            id=message.position if isinstance(message, Ready | Reset) else None,
            retry=message.retry_after_ms if isinstance(message, Goodbye) else None,
            sep="\n",
        ).encode()
        return self._begin() + self.frame(record)

    def write_heartbeat(self) -> None:
        """Send a comment, which keeps proxies from closing an idle stream."""
        self.transport.write(self.frame(_HEARTBEAT))

    def refused_status(self, close: Close) -> int:
        """Return the status that the stream begins with, or has begun with."""
        return self.opened_status if self.streaming else _REFUSALS.get(close.code, HTTPStatus.OK).value

    def write_goodbye(self, close: Close) -> None:
        """Refuse with a status if nothing was sent yet, else say goodbye with the time to come back, and close."""
        status = _REFUSALS.get(close.code)
        if not self.streaming and status is not None:
            self.transport.write(self._refusal(status, close))
        else:
            problem = self.encode_message(Error(close.problem.code, close.problem.message)) if close.problem else b""
            self.transport.write(problem + self.encode_message(goodbye(close)) + self.end)
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Ignore what a client sends after its request, which there is no reason to, but count it."""
        self.perform(self.session.record_activity(time.monotonic(), cost=1 + len(data) / self.hub.max_message_bytes))

    def eof_received(self) -> None:
        """Take note that the client is gone; returning None closes the transport."""

    def _begin(self) -> bytes:
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
        return _head(status, self.readable_by, request_id, *fields)


class Http10SseConnection(SseConnection):
    """The same for who speaks HTTP/1.0, as some proxies do until told otherwise: chunks mean nothing to it."""

    name = "sse_http10"
    head_fields = SseConnection.head_fields[:2]
    end = b""

    __slots__ = ()

    @staticmethod
    def frame(record: bytes) -> bytes:
        """Leave a record as it is: the connection's end is the answer's."""
        return record


class SseHeadConnection(SseConnection):
    """The answer to a `HEAD`: what a `GET` would be answered with, and then no stream (RFC 9110, section 9.3.2)."""

    __slots__ = ()

    def write_goodbye(self, close: Close) -> None:
        """Answer with the status that the stream would have been refused with."""
        status = _REFUSALS.get(close.code)
        head = self._begin() if status is None else self._refusal(status, close).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        self.transport.write(head)
        self.transport.close()

    def _send(self, messages: tuple[ServerMessage | Event, ...]) -> None:
        self.transport.write(self._begin())
        self.log_opening(self.opened_status)
        self.session.disconnected()
        self.slot = self.hub.schedule_cut(self)
        self.transport.close()
