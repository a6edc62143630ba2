"""A connection over HTTP/2 that keeps the answers which follow a GOAWAY frame.

A server that shuts a connection down says with GOAWAY which stream is the last that it processes. The answers of
streams up to that one still come (RFC 9113, 6.8). But h2 takes no frame after a GOAWAY, so that all these answers would
be lost (python-hyper/h2#1181). This stream passes all frames on but GOAWAY. Its owner opens another connection for new
requests. A stream beyond the last one gets RST_STREAM with REFUSED_STREAM, as if the server had sent it: it was not
processed (RFC 9113, 8.7), and may be sent again.

httpcore2 writes the headers, the body and the end of each request by themselves. They leave together here.
"""

import asyncio
import ssl
from collections.abc import Callable

from httpcore2 import AsyncNetworkStream, ReadTimeout

from gateway.runtime.outbound_connections import is_readable

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES = 9
HEADERS, RST_STREAM, GOAWAY = 0x1, 0x3, 0x7
REFUSED_STREAM = 0x7

MAX_FRAME_BYTES = 1 << 20
"""Many times what the settings allow. What claims to be larger is passed on, and h2 refuses it."""

MAX_UNSENT_BYTES = 64 * 1024
WRITE_SECONDS = 10.0
CHUNK_BYTES = 64 * 1024

GOING_AWAY_SECONDS = 0.05
"""How often a connection that is shut down looks for streams that were opened in spite of that."""

PEEK_SECONDS = 0.01


class Http2Stream(AsyncNetworkStream):
    """A connection with TLS. `on_goaway` is called when the server begins to shut it down."""

    def __init__(self, stream: AsyncNetworkStream, on_goaway: Callable[[], None]):
        self._stream = stream
        self._on_goaway = on_goaway
        self._received = bytearray()
        self._passed = bytearray()
        self._unsent = bytearray()
        self._flushing: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self.is_closed = False
        self._highest = 0
        self._refused: set[int] = set()
        self._last: int | None = None
        self.get_extra_info = stream.get_extra_info  # type: ignore[method-assign]

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore2's
        """Return whole frames without GOAWAY, b"" at the end. Raises ReadError and ReadTimeout."""
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        while not self._passed:
            limit = None if deadline is None else max(0.0, deadline - loop.time())
            if self._last is not None:
                limit = GOING_AWAY_SECONDS if limit is None else min(limit, GOING_AWAY_SECONDS)
            try:
                data = await self._stream.read(max_bytes, limit)
            except ReadTimeout:
                if self._last is None or (deadline is not None and loop.time() >= deadline):
                    raise
                data = b""
                self._refuse()
            else:
                if not data:
                    return b""
                self._take(data)
        passed = bytes(self._passed)
        self._passed.clear()
        return passed

    def _take(self, data: bytes) -> None:
        """Divide what was received into frames, and pass them on."""
        self._received += data
        place = 0
        while len(self._received) >= place + HEAD_BYTES:
            end = place + HEAD_BYTES + int.from_bytes(self._received[place : place + 3], "big")
            if end - place > MAX_FRAME_BYTES:
                end = len(self._received)
            if len(self._received) < end:
                break
            if self._received[place + 3] == GOAWAY:
                self._shut_down(int.from_bytes(self._received[place + HEAD_BYTES : place + HEAD_BYTES + 4], "big"))
            else:
                self._passed += self._received[place:end]
            place = end
        del self._received[:place]

    def _shut_down(self, last: int) -> None:
        is_first = self._last is None
        self._last = last & 0x7FFFFFFF
        self._refuse()
        if is_first:
            self._on_goaway()

    def _refuse(self) -> None:
        """Pass on a refusal for each stream beyond the last one that the server processes."""
        assert self._last is not None
        beyond = range((self._last + 1) | 1, self._highest + 1, 2)  # clients have the odd numbers
        for number in [each for each in beyond if each not in self._refused]:
            head = (4).to_bytes(3, "big") + bytes((RST_STREAM, 0)) + number.to_bytes(4, "big")
            self._passed += head + REFUSED_STREAM.to_bytes(4, "big")
            self._refused.add(number)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore2's
        """Send whole frames, soon. Raises WriteError if an earlier write has failed."""
        if self._failure is not None:
            raise self._failure
        self._note_streams(buffer)
        self._unsent += buffer
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush(), name="flush HTTP/2")
        if len(self._unsent) > MAX_UNSENT_BYTES:
            await asyncio.shield(self._flushing)

    def _note_streams(self, buffer: bytes) -> None:
        place = len(PREFACE) if buffer.startswith(PREFACE) else 0
        while place + HEAD_BYTES <= len(buffer):
            if buffer[place + 3] == HEADERS:
                self._highest = max(self._highest, int.from_bytes(buffer[place + 5 : place + 9], "big"))
            place += HEAD_BYTES + int.from_bytes(buffer[place : place + 3], "big")

    async def _flush(self) -> None:
        for _ in range(2):  # httpcore2 takes a turn of the event loop for each write
            await asyncio.sleep(0)
        try:
            while self._unsent:
                data = bytes(self._unsent)
                self._unsent.clear()
                await self._stream.write(data, WRITE_SECONDS)
        except Exception as failure:  # of httpcore2; the next write raises it, and the reader meets the end
            self._failure = failure
        self._flushing = None

    async def is_over(self) -> bool:
        """Return whether the server has shut down a connection that nobody reads, because it is idle."""
        data = self._decrypted()
        if data is None and is_readable(self.get_extra_info("socket").fileno()):
            try:
                data = await self._stream.read(CHUNK_BYTES, PEEK_SECONDS)
            except ReadTimeout:  # a part of a TLS record
                data = None
            except Exception:  # of httpcore2
                return True
        if data == b"":
            return True
        self._take(data or b"")
        return self._last is not None

    def _decrypted(self) -> bytes | None:
        """Return what TLS has read already, b"" at the end, None if it has nothing."""
        found: ssl.SSLObject = self.get_extra_info("ssl_object")
        try:
            return found.read(CHUNK_BYTES)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLError:
            return b""

    async def aclose(self) -> None:
        """Close the connection."""
        self.is_closed = True
        if self._flushing is not None:
            self._flushing.cancel()
        await self._stream.aclose()


class TlsBackendStream(AsyncNetworkStream):
    """A connection before TLS. Unlike that of httpcore2, it is closed if the handshake is cancelled."""

    def __init__(self, stream: AsyncNetworkStream, wrap: Callable[[AsyncNetworkStream], AsyncNetworkStream]):
        self._stream = stream
        self._wrap = wrap
        self.read, self.write, self.aclose = stream.read, stream.write, stream.aclose  # type: ignore[method-assign]
        self.get_extra_info = stream.get_extra_info  # type: ignore[method-assign]

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature of httpcore2
    ) -> AsyncNetworkStream:
        """Return the connection with TLS."""
        try:
            return self._wrap(await self._stream.start_tls(ssl_context, server_hostname, timeout))
        except BaseException:
            await self._stream.aclose()
            raise
