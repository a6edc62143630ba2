"""Reads the bytes of one connection as HTTP/1.1 requests, however they are split into packets. It does no I/O.

Bytes that were fed and are not read yet are kept. The caller bounds them: it feeds no more until it has read.
"""

from gateway.domain.errors import ErrorCode
from gateway.server.chunks import ChunkedBody
from gateway.server.request import MAX_HEAD_BYTES, Head, RefusedRequestError, check_beginning, read_head

MAX_EMPTY_LINES = 4
"""The most empty lines before a request. Some old clients send one after a body (RFC 9112, section 2.2)."""

CHUNKS_AT_ONCE = 64
"""The most chunks that are decoded in one slice of work (measured: 1 µs each)."""


class RequestReader:
    """The requests of one connection. Read a head, then its body until that is finished, then the next head."""

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self._searched = 0
        self._line_is_read = False
        self._empty_lines = 0
        self._is_first = True
        self._left = 0
        self._chunks: ChunkedBody | None = None
        self._last: tuple[bytes, Head] | None = None

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        self._data = self._data[self._at :] + data if self._data else data
        self._at = 0

    @property
    def has_more(self) -> bool:
        """Whether bytes were fed that are not read yet."""
        return self._at < len(self._data)

    def take_rest(self) -> bytes:
        """Return the bytes that are not read yet, and drop them."""
        rest = self._data[self._at :]
        self._data, self._at = b"", 0
        return rest

    # -- heads

    def read_head(self) -> Head | None:
        """Return the next request's head, None if it is incomplete. Raises RefusedRequestError."""
        data = self._data
        while data.startswith(b"\r\n", self._at):
            self._at += 2
            self._searched = 0
            self._empty_lines += 1
            if self._empty_lines > MAX_EMPTY_LINES:
                raise RefusedRequestError(ErrorCode.MALFORMED_REQUEST, "A request begins with its method")
        at = self._at
        end = data.find(b"\r\n\r\n", max(at, self._searched - 3))
        if (len(data) if end < 0 else end) - at > MAX_HEAD_BYTES:
            raise RefusedRequestError(ErrorCode.HEADERS_TOO_LARGE, ErrorCode.HEADERS_TOO_LARGE.kind.message)
        if end < 0:
            self._data, self._at = data[at:], 0
            self._line_is_read = check_beginning(self._data, self._searched, line_is_read=self._line_is_read)
            self._searched = len(self._data)
            return None
        head = self._head_of(data[at:end])
        self._at = end + 4
        self._searched = self._empty_lines = 0
        self._line_is_read = False
        self._left = head.body_bytes or 0
        self._chunks = ChunkedBody() if head.body_bytes is None else None
        if self._at == len(data):
            self._data, self._at = b"", 0
        return head

    def _head_of(self, block: bytes) -> Head:
        """Return the head in a block of bytes: the object returned before if the block is the same.

        Most clients repeat their heads. To compare one takes 1 µs, to read it 4 or more (measured). The first head of a
        connection is not kept, see `request.read_head`.
        """
        if self._last is not None and self._last[0] == block:
            return self._last[1]
        head = read_head(block, is_first=self._is_first)
        if not self._is_first:
            self._last = (block, head)
        self._is_first = False
        return head

    @property
    def is_head(self) -> bool:
        """Whether a request whose head was refused is a HEAD, whose response has no body."""
        return self._data.startswith(b"HEAD ", self._at)

    # -- bodies

    @property
    def body_finished(self) -> bool:
        """Whether the whole body was read."""
        return self._chunks.finished if self._chunks is not None else not self._left

    @property
    def body_needs_slice(self) -> bool:
        """Whether more of the body can be read, in another slice of work."""
        return self._chunks is not None and not (self._chunks.finished or self._chunks.needs_data)

    @property
    def body_bytes_to_come(self) -> int:
        """The bytes of the body that are yet to be received; 0 for a chunked body, whose length is unknown."""
        to_come = self._left - (len(self._data) - self._at)
        return to_come if to_come > 0 else 0  # `max` takes three times as long

    def read_body(self) -> tuple[list[bytes], int]:
        """Return the next parts of the body, and the number of bytes read for them. Raises RefusedRequestError."""
        before = self._at
        if self._chunks is None:
            content = [self._data[before : before + self._left]]
            self._left -= len(content[0])
            self._at += len(content[0])
        else:
            content, self._at = self._chunks.decode(self._data, before, CHUNKS_AT_ONCE)
        size = self._at - before
        self._drop_what_was_read()
        return content, size

    def _drop_what_was_read(self) -> None:
        if self._at == len(self._data):
            self._data, self._at = b"", 0
