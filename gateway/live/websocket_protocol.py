"""WebSocket frames (RFC 6455) by the websockets library's sans-I/O protocol.

This is the only module that depends on how websockets works inside. tests/live/test_websocket_protocol.py tests each of
these facts, and names the one that a new version breaks:

- `Protocol.parser` is a generator. It calls `recv_frame` for each frame before it parses the next one, and between two
  frames it is suspended in `StreamReader.at_eof`.
- An exception in `recv_frame` ends the connection: UnicodeDecodeError with close code 1007, others with 1011. The
  parser keeps it in `parser_exc` and does not raise it.
- `current_size` is set while a fragmented message is incomplete, and a close frame then counts as a violation.
- `data_to_send` returns an empty byte string as the mark that the connection ends.
- `parser.close()` removes the reference cycle between a protocol and its parser.
"""

import codecs
import logging
from collections.abc import Callable
from types import GeneratorType
from typing import cast

from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, SERVER, Protocol
from websockets.streams import StreamReader

_Utf8Decoder = codecs.getincrementaldecoder("utf-8")

logger = logging.getLogger("gateway.websocket")
logger.setLevel(logging.CRITICAL)  # violations of peers are counted, not logged


class WebSocketProtocol(Protocol):
    """The library's protocol, with UTF-8 checked in every fragment and with pings left to the caller.

    `on_frame` is called with each frame before the next one is parsed, so frames of one packet take effect in their
    order. If it raises, the exception is kept in `trouble`.
    """

    def __init__(self, on_frame: Callable[[Frame], None], max_size: int | None):
        super().__init__(SERVER, max_size=max_size, logger=logger)
        self.trouble: Exception | None = None
        self.frames = 0
        """How many frames were received."""
        self._on_frame = on_frame
        self._text: codecs.IncrementalDecoder | None = None

    @property
    def is_open(self) -> bool:
        """Whether neither side has begun to close."""
        return self.state is OPEN

    @property
    def between_frames(self) -> bool:
        """Whether all bytes so far were whole frames: the parser waits for the first byte of the next one."""
        waits_in = cast("GeneratorType[None, None, None]", self.parser).gi_yieldfrom
        return isinstance(waits_in, GeneratorType) and waits_in.gi_code is StreamReader.at_eof.__code__

    @property
    def failed(self) -> bool:
        """Whether the peer violated the protocol, or `on_frame` raised."""
        return self.parser_exc is not None

    def recv_frame(self, frame: Frame) -> None:
        """Process a frame. Raise UnicodeDecodeError for invalid text, which the parser turns into a close."""
        self.frames += 1
        if frame.opcode is Opcode.CLOSE:
            # A control frame may come between fragments (section 5.4). The library treats that as a violation.
            self.current_size = None
        if frame.opcode is Opcode.TEXT:
            self._text = _Utf8Decoder()
        if frame.opcode in (Opcode.TEXT, Opcode.CONT) and self._text is not None:
            self._text.decode(frame.data, final=frame.fin)
            if frame.fin:
                self._text = None
        if frame.opcode is not Opcode.PING:  # `on_frame` responds to pings, in order
            super().recv_frame(frame)
            self.events.clear()
        try:
            self._on_frame(frame)
        except Exception as trouble:
            self.trouble = trouble
            raise

    def take_output(self) -> tuple[bytes, bool]:
        """Return the bytes to write, and whether the connection ends after them."""
        parts = self.data_to_send()
        return b"".join(parts), b"" in parts

    def release(self) -> None:
        """Free the memory of a protocol that is no longer needed, without waiting for a garbage collection."""
        self.parser.close()
