"""WebSocket: a small asyncio protocol on uvicorn's `ws=` hook over the websockets library's sans-I/O core.

The core does what RFC 6455 asks of an endpoint: handshake, masks, fragments, control frames, close. An event's frame
is the same bytes for every connection (a server does not mask, section 5.1), so it is built once and goes straight to
the transport. No extension is offered: permessage-deflate costs 33-100 KB a connection (measured).
"""

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from websockets.frames import CloseCode as StandardCloseCode
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from gateway.domain.errors import CloseCode, ErrorCode, Problem
from gateway.domain.event import Event
from gateway.domain.session import Close, Error, ServerMessage
from gateway.live.connection import Connection, encode_json, goodbye
from gateway.live.handshake import origin_allowed, read_handshake
from gateway.telemetry import log

if TYPE_CHECKING:
    from gateway.live.hub import Hub

PATH = "/realtime/ws"
SUBPROTOCOL = Subprotocol("inbox.v1")

_PING = Frame(Opcode.PING, b"").serialize(mask=False)

_logger = logging.getLogger("gateway.websocket")
_logger.setLevel(logging.CRITICAL)  # what peers do wrong is counted, not logged


def _select_subprotocol(protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


class WebSocketConnection(Connection):
    """One open inbox over WebSocket. uvicorn hands over the transport and the handshake's bytes."""

    name = "websocket"
    answers_heartbeats = True

    __slots__ = ("fragments", "protocol", "text")

    def __init__(self, hub: "Hub"):
        super().__init__(hub)
        self.protocol = ServerProtocol(
            select_subprotocol=_select_subprotocol, max_size=hub.max_message_bytes, logger=_logger
        )
        self.fragments: list[bytes] | None = None
        self.text = False

    # -- outgoing

    @staticmethod
    def encode_event(event: Event) -> bytes:
        """Build the event's text frame."""
        return Frame(Opcode.TEXT, event.text).serialize(mask=False)

    def encode_message(self, message: ServerMessage) -> bytes:
        """Build a text frame."""
        return Frame(Opcode.TEXT, encode_json(message)).serialize(mask=False)

    def write_heartbeat(self) -> None:
        """Send a ping frame; the peer's pong is its sign of life."""
        if self.protocol.state is OPEN:
            self.transport.write(_PING)

    def write_goodbye(self, close: Close) -> None:
        """Send what is wrong, the goodbye and a close frame; the peer's answer ends the connection."""
        if self.protocol.state is not OPEN:
            self.transport.close()
            return
        if close.problem is not None:
            self.transport.write(self.encode_message(Error(close.problem.code, close.problem.message)))
        self.transport.write(self.encode_message(goodbye(close)))
        self.protocol.send_close(close.code.value, close.code.reason)
        self._flush()

    # -- incoming

    def data_received(self, data: bytes) -> None:
        """Feed the peer's bytes to the core and act on what they mean."""
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if isinstance(event, Request):
                self._shake_hands(event)
            elif isinstance(event, Frame):
                self._frame_received(event)
        self._flush()

    def eof_received(self) -> None:
        """Take note that the peer sends no more; returning None closes the transport."""
        self.protocol.receive_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and break the core's reference cycle so that its memory is free at once."""
        super().connection_lost(exc)
        self.protocol.parser.close()

    def _shake_hands(self, request: Request) -> None:
        path, _, query = request.path.partition("?")
        if path.rstrip("/") != PATH:
            self.protocol.send_response(self.protocol.reject(404, f"WebSockets are served at {PATH}.\n"))
            return
        response = self.protocol.accept(request)
        self.protocol.send_response(response)
        self._flush()
        if self.hub.access_log:
            log.info("request", method="GET", path=PATH, status=response.status_code)
        if self.protocol.state is not OPEN:
            return
        handshake = read_handshake(request.headers.raw_items(), query)
        if self.hub.draining:
            self.carry_out(self.session.refused(CloseCode.DRAINING, retry_after_ms=0))
        elif not origin_allowed(handshake.origin, self.hub.allowed_origins):
            kind = ErrorCode.ORIGIN_NOT_ALLOWED.kind
            self.carry_out(self.session.refused(CloseCode.FORBIDDEN, Problem(kind.message, kind.code)))
        else:
            self._open(handshake.credentials, handshake.since)

    def _frame_received(self, frame: Frame) -> None:
        now = time.monotonic()
        match frame.opcode:
            case Opcode.PONG:
                self.carry_out(self.session.heard(now, counted=False))
            case Opcode.TEXT | Opcode.BINARY | Opcode.CONT:
                self._data_received(frame, now)
            case _:  # a ping, which the core answers, or a close
                self.carry_out(self.session.heard(now))

    def _data_received(self, frame: Frame, now: float) -> None:
        if frame.opcode is not Opcode.CONT:
            self.fragments = []
            self.text = frame.opcode is Opcode.TEXT
        assert self.fragments is not None, "the core lets no continuation through without a beginning"
        self.fragments.append(bytes(frame.data))
        if not frame.fin:
            # Fragments count too, or a message of ten thousand would pass as one.
            self.carry_out(self.session.heard(now))
            return
        data, self.fragments = b"".join(self.fragments), None
        if self.text:
            try:
                data.decode()
            except UnicodeDecodeError:
                self.protocol.fail(StandardCloseCode.INVALID_DATA, "not UTF-8")
                return
        self.carry_out(self.session.message_received(data, now))

    def _flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                self.transport.write(data)
            else:  # the core's way to say that the connection ends here
                self.session.peer_gone()
                self._end()

    def _end(self) -> None:
        self.slot = self.hub.schedule_cut(self)
        self.transport.close()
