"""WebSocket: an asyncio protocol over the websockets library's sans-I/O core, on a socket that HTTP gave away.

The core does what RFC 6455 asks of an endpoint: masks, fragments, control frames, close. It weighs more than all the
rest of a connection, and an open inbox hardly ever says anything: so it exists only while there is something for it to
do. An event's frame is the same bytes for every connection (a server does not mask, section 5.1), so it is built once
and goes straight to the transport. No extension is offered: permessage-deflate costs 33-100 KB a connection (measured).
"""

import asyncio
import binascii
import codecs
import logging
import time
from collections.abc import Callable, Sequence
from types import GeneratorType
from typing import TYPE_CHECKING, cast

from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN, SERVER, Protocol
from websockets.server import ServerProtocol
from websockets.streams import StreamReader
from websockets.typing import Subprotocol
from websockets.utils import accept_key

from gateway.domain.errors import CloseCode
from gateway.domain.event import Event
from gateway.domain.messages import Error, ServerMessage
from gateway.domain.session import PART_OF_A_FRAME, Close
from gateway.live.connection import Connection, encode_json, goodbye
from gateway.live.handshake import Handshake

if TYPE_CHECKING:
    from gateway.live.hub import Hub

HeaderList = Sequence[tuple[str, str]]
"""Headers as they came, with lower-case names."""

PATH = "/realtime/ws"
SUBPROTOCOL = Subprotocol("inbox.v1")

_PING = Frame(Opcode.PING, b"").serialize(mask=False)

_PONG_HEAD = b"\x8a\x80"
"""How a client answers `_PING`: final, pong, masked, no payload (RFC 6455, section 5.2). Four bytes of mask follow."""

_PIECE_BYTES = 512
"""What the core gets in one go: a peer that is closed for what it says is heard for 85 frames longer at most, not for
all of the quarter megabyte that one read may bring."""

_FRAMES_A_TURN = 128
"""How many frames of one peer are taken in one go, some 1 ms. No more than that are allowed in a minute by default, so
that what a peer says beyond is not kept until its next turn."""

_LAST_WORDS = 64
"""How many frames and reads of a peer are looked at after the goodbye: its close frame should be among them."""

_IGNORED_BYTES = 16 * 1024 * 1024
"""How much is read of a peer without listening, so that it can read why. A socket that is closed with bytes unread
resets the connection, and what waits on the way to the peer may be lost."""

_IGNORE_PAUSE_SECONDS = 0.01
"""Between two such reads, each of up to a quarter megabyte: that is 25 MB/s at most."""

_Utf8Decoder = codecs.getincrementaldecoder("utf-8")

_logger = logging.getLogger("gateway.websocket")
_logger.setLevel(logging.CRITICAL)  # what peers do wrong is counted, not logged


def _select_subprotocol(protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


class Core(Protocol):
    """The library's core, but for what it leaves to others, or does otherwise than the specification says.

    Each frame is given to `take` before the next is looked at, so that what comes first in a packet decides.
    """

    def __init__(self, take: Callable[[Frame], None], max_size: int | None):
        super().__init__(SERVER, max_size=max_size, logger=_logger)
        self.trouble: Exception | None = None
        self.frames = 0
        self.unheeded = 0
        """Frames and reads since the session's end."""
        self.held = b""
        """What came and has to wait for its turn; reading is paused meanwhile."""
        self.listening = True
        self.ignored_bytes = 0
        self._take = take
        self._text: codecs.IncrementalDecoder | None = None

    @property
    def between_frames(self) -> bool:
        """Whether it has taken all bytes so far as whole frames: its parser waits for the first byte of the next."""
        waits_in = cast("GeneratorType[None, None, None]", self.parser).gi_yieldfrom
        return isinstance(waits_in, GeneratorType) and waits_in.gi_code is StreamReader.at_eof.__code__

    def recv_frame(self, frame: Frame) -> None:
        """Take a frame. Raises UnicodeDecodeError, which the parser takes for the end of the connection."""
        self.frames += 1
        if frame.opcode is Opcode.CLOSE:
            # Like any control frame it may come between fragments (section 5.4), which the library takes for an error.
            self.current_size = None
        if frame.opcode is Opcode.TEXT:
            self._text = _Utf8Decoder()
        if frame.opcode in (Opcode.TEXT, Opcode.CONT) and self._text is not None:
            self._text.decode(frame.data, final=frame.fin)
            if frame.fin:
                self._text = None
        if frame.opcode is not Opcode.PING:  # which whoever takes it answers in its turn
            super().recv_frame(frame)
            self.events.clear()
        try:
            self._take(frame)
        except Exception as trouble:
            self.trouble = trouble  # the parser would keep it to itself
            raise


class WebSocketConnection(Connection):
    """One open inbox over WebSocket."""

    name = "websocket"
    path = PATH
    opened_status = 101
    answers_heartbeats = True

    __slots__ = ("core", "fragments", "head")

    def __init__(self, hub: "Hub", accepted_at: float | None = None):
        super().__init__(hub, accepted_at)
        self.core: Core | None = None
        self.head = b""
        self.fragments: list[Frame] | None = None

    def start(self, transport: asyncio.BaseTransport, headers: HeaderList, handshake: Handshake) -> None:
        """Take over the socket of a request to upgrade."""
        self.connection_made(transport)
        self.began(handshake)
        accepted = self._accept(headers, handshake.request_id)
        if not accepted:
            self.session.disconnected()
            self._end()
        elif self.hub.draining:
            self.perform(self.session.refused(CloseCode.DRAINING, retry_after_ms=0))
        elif handshake.problem is not None:
            self.perform(self.session.refused(CloseCode.INVALID_REQUEST, handshake.problem))
        else:
            self.origin = handshake.origin
            self._open(handshake.credentials, handshake.since)
        if not handshake.credentials:
            self.transport.write(self._begin())  # it is the client who speaks next

    # -- outgoing

    @classmethod
    def encode_event(cls, event: Event) -> bytes:
        """Build the event's text frame."""
        return Frame(Opcode.TEXT, event.text).serialize(mask=False)

    def encode_message(self, message: ServerMessage) -> bytes:
        """Build a text frame; the first one brings the response's head along, which saves a system call."""
        return self._begin() + Frame(Opcode.TEXT, encode_json(message)).serialize(mask=False)

    def write_heartbeat(self) -> None:
        """Send a ping frame; the peer's pong is its sign of life."""
        if self.core is None or self.core.state is OPEN:
            self.transport.write(_PING)

    def write_goodbye(self, close: Close) -> None:
        """Send what is wrong, the goodbye and a close frame; the peer's answer ends the connection."""
        core = self._core()
        self.fragments = None
        self._flush()  # the answers to what came before
        if core.state is not OPEN:
            return
        if close.problem is not None:
            self.transport.write(self.encode_message(Error(close.problem.code, close.problem.message)))
        self.transport.write(self.encode_message(goodbye(close)))
        core.send_close(close.code.value, close.code.reason)
        self._flush()

    # -- incoming

    def data_received(self, data: bytes) -> None:
        """UserSubscription the peer's bytes to the core and act on what they mean."""
        if self.head:
            self.transport.write(self._begin())
        if self.core is None and len(data) == 6 and data.startswith(_PONG_HEAD):
            self.perform(self.session.record_activity(time.monotonic()))
            return
        core = self._core()
        if not core.listening:
            self._ignore(core, len(data))
        elif core.held:
            core.held += data
        else:
            self._read(core, data)

    def _read(self, core: Core, data: bytes) -> None:
        """Have the core take as many frames as may be taken in one go; the others wait for their turn."""
        if self.session.closed:
            core.unheeded += 1
        frames_before = core.frames
        for start in range(0, len(data), _PIECE_BYTES):
            if core.unheeded > _LAST_WORDS:
                break
            if core.frames - frames_before > _FRAMES_A_TURN:
                self._hold(core, data[start:])
                break
            core.receive_data(data[start : start + _PIECE_BYTES])
        self._flush()
        if core.trouble is not None:
            raise core.trouble
        if core.state is not OPEN:
            if core.unheeded > _LAST_WORDS:
                self._stop_listening(core)
        elif core.frames == frames_before:
            self.perform(self.session.record_activity(time.monotonic(), cost=PART_OF_A_FRAME))
        elif self.fragments is None and not core.held and core.between_frames:
            self._drop_core()

    def _hold(self, core: Core, data: bytes) -> None:
        core.held = data
        self.transport.pause_reading()
        self.hub.scheduler.add(self._take_held)

    def _take_held(self) -> None:
        core = self.core
        if core is None or self.transport.is_closing():
            return
        held, core.held = core.held, b""
        try:
            self._read(core, held)
        except Exception:
            self.transport.abort()
            raise
        if self.core is None or not self.core.held:
            self._read_on()

    def eof_received(self) -> None:
        """Take note that the peer sends no more; returning None closes the transport."""
        if self.core is not None:
            self.core.receive_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self._drop_core()

    def message_received(self, frames: Sequence[Frame], now: float) -> None:
        """Take a whole message."""
        self.perform(self.session.message_received(b"".join([frame.data for frame in frames]), now))

    # -- the handshake (RFC 6455, section 4.2)

    def _accept(self, headers: HeaderList, request_id: str) -> bool:
        """Answer the request; say whether the answer is 101."""
        named = dict(headers)
        key, offered = named.get("sec-websocket-key", ""), named.get("sec-websocket-protocol")
        ordinary = (
            len(named) == len(headers)
            and named.get("sec-websocket-version") == "13"
            and offered in (None, SUBPROTOCOL)
            and _is_nonce(key)
        )
        if not ordinary:
            return self._negotiate(headers, request_id)
        # What the library would answer, at a tenth of its cost.
        chosen = f"Sec-WebSocket-Protocol: {offered}\r\n" if offered else ""
        self.head = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_key(key)}\r\n{chosen}X-Request-Id: {request_id}\r\n\r\n"
        ).encode()
        return True

    def _negotiate(self, headers: HeaderList, request_id: str) -> bool:
        """Have the library look at what is unusual."""
        library = ServerProtocol(select_subprotocol=_select_subprotocol, logger=_logger)
        response = library.accept(Request(PATH, Headers(headers)))
        if response.status_code == 400:
            response.headers["Sec-WebSocket-Version"] = "13"  # whoever speaks another one must be told (section 4.4)
        response.headers["X-Request-Id"] = request_id
        library.send_response(response)
        self.transport.write(b"".join(library.data_to_send()))
        if library.state is not OPEN:
            self.log_opening(response.status_code)
        return library.state is OPEN

    def _begin(self) -> bytes:
        head, self.head = self.head, b""
        return head

    # -- the core

    def _core(self) -> Core:
        if self.core is None:
            self.core = Core(self._frame_received, self.hub.max_message_bytes)
        return self.core

    def _drop_core(self) -> None:
        if self.core is not None:
            self.core.parser.close()  # it refers to itself: without this its memory would wait for a collection
            self.core = None

    # -- frames

    def _frame_received(self, frame: Frame) -> None:
        if self.session.closed:
            self._core().unheeded += 1
            return  # what comes after the end means nothing (sections 1.4 and 7.1.7)
        now = time.monotonic()
        match frame.opcode:
            case Opcode.PONG:
                self.perform(self.session.record_activity(now))
            case Opcode.PING:
                self.perform(self.session.record_activity(now))
                if not self.session.closed:
                    self._core().send_pong(frame.data)
            case Opcode.CLOSE:  # which the core answers
                self.perform(self.session.record_activity(now))
            case _:
                self._data_received(frame, now)

    def _data_received(self, frame: Frame, now: float) -> None:
        fragments, self.fragments = self.fragments or [], None
        fragments.append(frame)
        if frame.fin:
            self._flush()  # the answers to pings that came before
            self.message_received(fragments, now)
        else:
            self.fragments = fragments
            # Fragments count too, or a message of ten thousand would pass as one.
            self.perform(self.session.record_activity(now))

    def _flush(self) -> None:
        """Write what the core has to say in one go: many pings must not be as many system calls."""
        core = self._core()
        parts = core.data_to_send()
        if data := b"".join(parts):
            self.transport.write(data)
        if b"" in parts:  # the core's way to say that the connection ends here
            self.session.disconnected()
            if core.parser_exc is None:
                self._end()
            else:
                self._stop_listening(core)

    def _end(self) -> None:
        self.slot = self.hub.schedule_cut(self)
        self.transport.close()

    # -- a peer that goes on after the end

    def _stop_listening(self, core: Core) -> None:
        """Send no more, and read without looking until the peer ends the connection or is cut."""
        if core.listening and not self.transport.is_closing():
            core.listening = False
            core.held, self.fragments = b"", None
            self.slot = self.hub.schedule_cut(self)
            self.transport.write_eof()

    def _ignore(self, core: Core, count: int) -> None:
        core.ignored_bytes += count
        if core.ignored_bytes > _IGNORED_BYTES:
            self.transport.abort()
        else:
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(_IGNORE_PAUSE_SECONDS, self._read_on)

    def _read_on(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()


def _is_nonce(key: str) -> bool:
    """Whether this is 16 bytes in base64, as RFC 6455 wants a key."""
    try:
        return len(binascii.a2b_base64(key, strict_mode=True)) == 16
    except (binascii.Error, ValueError):
        return False
