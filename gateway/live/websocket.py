"""WebSocket connections: an asyncio protocol over `websocket_protocol`, on a socket that the HTTP ingress hands over.

The protocol object weighs more than the rest of a connection, and clients rarely send anything. So it exists only while
a frame is incomplete or the connection closes. The pong that responds to a heartbeat is recognized without it. The
frame of an event is the same bytes for every connection, because a server does not mask (RFC 6455, section 5.1): it is
built once and written to each transport. No extension is offered: permessage-deflate costs 33-100 KB a connection
(measured).
"""

import asyncio
import time
from collections.abc import Mapping, Sequence

from websockets.frames import Frame, Opcode

from gateway.domain.effects import Close
from gateway.domain.errors import CloseCode
from gateway.domain.event import Event
from gateway.domain.messages import ServerMessage
from gateway.domain.session import PART_OF_A_FRAME
from gateway.live.connection import Connection, encode_json
from gateway.live.handshake import Handshake
from gateway.live.hub_interface import HubInterface
from gateway.live.websocket_handshake import SWITCHING_PROTOCOLS, HeaderList, accept
from gateway.live.websocket_protocol import WebSocketProtocol

PATH = "/realtime/ws"

_PING = Frame(Opcode.PING, b"").serialize(mask=False)

_PONG_HEAD = b"\x8a\x80"
"""The head of a client's response to `_PING`: final, pong, masked, no payload (RFC 6455, section 5.2).

Four bytes of mask follow.
"""

_PIECE_BYTES = 512
"""How many bytes are parsed at a time.

After a peer is closed for what it sent, at most 85 more of its frames are parsed, and not all of the quarter megabyte
that one read may return.
"""

_FRAMES_PER_SLICE = 128
"""How many frames of one peer are processed at a time, some 1 ms of work.

The default limit is 120 frames a minute, so a peer that exceeds it is closed within its first slice.
"""

_MOST_AFTER_CLOSE = 64
"""How many frames and reads of a peer are parsed after the server's close frame.

The peer's own close frame should be among them.
"""

_MOST_DISCARDED_BYTES = 16 * 1024 * 1024
"""How many bytes of a peer are read and discarded, so that it can read why it is closed.

A socket that is closed with unread bytes resets the connection, and data on its way to the peer may be lost.
"""

_DISCARD_PAUSE_SECONDS = 0.01
"""The pause between two such reads, each of up to a quarter megabyte: that is 25 MB/s at most."""


def _text_frame(text: bytes) -> bytes:
    """Return a frame that is not masked (RFC 6455, section 5.2). The library's takes ten times as long (measured)."""
    length = len(text)
    if length < 126:
        return b"\x81%c%b" % (length, text)
    if length < 65536:
        return b"\x81\x7e%b%b" % (length.to_bytes(2), text)
    return b"\x81\x7f%b%b" % (length.to_bytes(8), text)


class _FrameProtocol(WebSocketProtocol):
    """The protocol of a connection, and the state of received bytes that are not parsed."""

    held = b""
    """Bytes that wait for the connection's next slice. Reading is paused meanwhile."""
    after_close = 0
    """How many frames and reads came after the end of the session."""
    discarding = False
    """Whether received bytes are discarded unparsed."""
    discarded_bytes = 0


class WebSocketConnection(Connection):
    """A live connection over WebSocket."""

    name = "websocket"
    path = PATH
    opened_status = SWITCHING_PROTOCOLS
    responds_to_heartbeats = True

    __slots__ = ("fragments", "head", "protocol")

    def __init__(self, hub: HubInterface[Connection], accepted_at: float | None = None):
        super().__init__(hub, accepted_at)
        self.protocol: _FrameProtocol | None = None
        self.head = b""
        self.fragments: list[Frame] | None = None

    def start(
        self, transport: asyncio.BaseTransport, named: Mapping[str, str], headers: HeaderList, handshake: Handshake
    ) -> None:
        """Attach the connection to the socket of an opening request, and respond to the request."""
        self.connection_made(transport)
        self.begin(handshake)
        response = accept(PATH, named, headers, handshake.request_id)
        if not response.accepted:
            self.transport.write(response.data)
            self.log_opening(response.status)
            self.session.disconnected()
            self._end()
            return
        self.head = response.data
        if self.hub.draining:
            self.perform(self.session.refused(CloseCode.DRAINING, retry_after_ms=0))
        elif handshake.problem is not None:
            self.perform(self.session.refused(CloseCode.INVALID_REQUEST, handshake.problem))
        else:
            self.origin = handshake.origin
            self.perform(self.session.credentials_found(handshake.credentials, handshake.since))
        if not handshake.credentials:
            self.transport.write(self._take_head())  # the client sends the first message

    # -- outgoing

    @classmethod
    def encode_event(cls, event: Event) -> bytes:
        """Return the text frame of an event."""
        return _text_frame(event.text)

    def encode_message(self, message: ServerMessage) -> bytes:
        """Return a text frame. The first one follows the handshake's response, which saves a system call."""
        return self._take_head() + _text_frame(encode_json(message))

    def write_heartbeat(self) -> None:
        """Write a ping frame. The peer responds with a pong."""
        if self.protocol is None or self.protocol.is_open:
            self.transport.write(_PING)

    def write_goodbye(self, close: Close) -> None:
        """Write an error if there is one, a goodbye and a close frame. The peer's close frame ends the connection."""
        protocol = self._open_protocol()
        self.fragments = None
        self._flush(protocol)  # the responses to what came before
        if not protocol.is_open:
            return
        if close.error is not None:
            self.transport.write(self.encode_message(close.error))
        self.transport.write(self.encode_message(close.goodbye))
        protocol.send_close(close.code.value, close.code.reason)
        self._flush(protocol)

    # -- incoming bytes

    def data_received(self, data: bytes) -> None:
        """Parse the peer's bytes and act on its messages."""
        if self.head:
            self.transport.write(self._take_head())
        if self.protocol is None and len(data) == 6 and data.startswith(_PONG_HEAD):
            self.perform(self.session.record_activity(time.monotonic()))
            return
        protocol = self._open_protocol()
        if protocol.discarding:
            self._discard(protocol, len(data))
        elif protocol.held:
            protocol.held += data
        else:
            self._parse(protocol, data)

    def _parse(self, protocol: _FrameProtocol, data: bytes) -> None:
        """Process as many frames as one slice may have, and hold the rest."""
        if self.session.closed:
            protocol.after_close += 1
        frames_before = protocol.frames
        for start in range(0, len(data), _PIECE_BYTES):
            if protocol.after_close > _MOST_AFTER_CLOSE:
                break
            if protocol.frames - frames_before > _FRAMES_PER_SLICE:
                self._hold(protocol, data[start:])
                break
            protocol.receive_data(data[start : start + _PIECE_BYTES])
        self._flush(protocol)
        if protocol.trouble is not None:
            raise protocol.trouble
        if not protocol.is_open:
            if protocol.after_close > _MOST_AFTER_CLOSE:
                self._stop_parsing(protocol)
        elif protocol.frames == frames_before:
            self.perform(self.session.record_activity(time.monotonic(), cost=PART_OF_A_FRAME))
        elif self.fragments is None and not protocol.held and protocol.between_frames:
            self._drop_protocol()

    def _hold(self, protocol: _FrameProtocol, data: bytes) -> None:
        protocol.held = data
        self.transport.pause_reading()
        self.hub.scheduler.add(self._parse_held)

    def _parse_held(self) -> None:
        protocol = self.protocol
        if protocol is None or self.transport.is_closing():
            return
        held, protocol.held = protocol.held, b""
        try:
            self._parse(protocol, held)
        except Exception:
            self.transport.abort()
            raise
        if self.protocol is None or not self.protocol.held:
            self._resume_reading()

    def eof_received(self) -> None:
        """Record that the peer sends no more. Returning None closes the transport."""
        if self.protocol is not None:
            self.protocol.receive_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the session, remove the connection from the hub, and free the protocol."""
        super().connection_lost(exc)
        self._drop_protocol()

    # -- frames

    def _frame_received(self, frame: Frame) -> None:
        if self.session.closed:
            self._open_protocol().after_close += 1
            return  # frames after the close are ignored (sections 1.4 and 7.1.7)
        now = time.monotonic()
        match frame.opcode:
            case Opcode.PONG | Opcode.CLOSE:  # the protocol responds to a close
                self.perform(self.session.record_activity(now))
            case Opcode.PING:
                self.perform(self.session.record_activity(now))
                if not self.session.closed:
                    self._open_protocol().send_pong(frame.data)
            case _:
                self._data_frame_received(frame, now)

    def _data_frame_received(self, frame: Frame, now: float) -> None:
        fragments, self.fragments = self.fragments or [], None
        fragments.append(frame)
        if frame.fin:
            self._flush(self._open_protocol())  # the pongs for pings that came before
            self.message_received(fragments, now)
        else:
            self.fragments = fragments
            # A fragment counts like a message: otherwise one message of ten thousand fragments would count once.
            self.perform(self.session.record_activity(now))

    def message_received(self, frames: Sequence[Frame], now: float) -> None:
        """Act on a complete message."""
        self.perform(self.session.message_received(b"".join([frame.data for frame in frames]), now))

    # -- the protocol

    def _open_protocol(self) -> _FrameProtocol:
        if self.protocol is None:
            self.protocol = _FrameProtocol(self._frame_received, self.hub.max_message_bytes)
        return self.protocol

    def _drop_protocol(self) -> None:
        if self.protocol is not None:
            self.protocol.release()
            self.protocol = None

    def _take_head(self) -> bytes:
        head, self.head = self.head, b""
        return head

    def _flush(self, protocol: _FrameProtocol) -> None:
        """Write the protocol's output at once, so that many pings do not cause as many system calls."""
        data, ends = protocol.take_output()
        if data:
            self.transport.write(data)
        if ends:
            self.session.disconnected()
            if protocol.failed:
                self._stop_parsing(protocol)
            else:
                self._end()

    def _end(self) -> None:
        self.hub.deadlines.schedule_abort(self)
        self.transport.close()

    # -- a peer that continues to send after the end

    def _stop_parsing(self, protocol: _FrameProtocol) -> None:
        """Send no more, and discard what the peer sends until it ends the connection or is aborted."""
        if not protocol.discarding and not self.transport.is_closing():
            protocol.discarding = True
            protocol.held, self.fragments = b"", None
            self.hub.deadlines.schedule_abort(self)
            self.transport.write_eof()

    def _discard(self, protocol: _FrameProtocol, count: int) -> None:
        protocol.discarded_bytes += count
        if protocol.discarded_bytes > _MOST_DISCARDED_BYTES:
            self.transport.abort()
        else:
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(_DISCARD_PAUSE_SECONDS, self._resume_reading)

    def _resume_reading(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()
