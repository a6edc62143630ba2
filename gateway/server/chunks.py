"""Decodes a chunked body (RFC 9112, section 7.1) while it is received.

Everything that is not content is bounded. Sizes and extensions together may be a little longer than the content that
they frame, and trailers have a bound of their own. Extensions and trailers are checked and dropped. A trailer never
becomes a header: otherwise a client could send a credential after the headers were checked (RFC 9110, section 6.5.1).
"""

import re

from gateway.domain.errors import ErrorCode
from gateway.server.request import RefusedRequestError, read_fields

MAX_TRAILER_BYTES = 8 * 1024
"""The most bytes of all trailers of a body together. Hardly any client sends one."""

MAX_OVERHEAD_BYTES = 16 * 1024
"""The most bytes of sizes and extensions, beyond `_FREE_BYTES` a chunk and the length of the content. Go's bound."""

_FREE_BYTES = 16
"""The overhead of a chunk that is not counted: a size with its line ends takes five bytes or more."""

_MAX_LINE_BYTES = 1024

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[^\x00-\x08\x0a-\x1f\x7f]{0,1000})?\r\n")
_SIZE_BEGINS = re.compile(rb"(?:[0-9A-Fa-f]{1,16}(?:;[^\x00-\x08\x0a-\x1f\x7f]{0,1000})?\r?)?")


class ChunkedBody:
    """One body. `finished`: whether its end was read. `needs_data`: whether `decode` needs more data to continue."""

    __slots__ = ("_behind_content", "_behind_last", "_left", "_overhead", "finished", "needs_data")

    def __init__(self) -> None:
        self.finished = False
        self.needs_data = True
        self._left = 0
        self._behind_content = False
        self._behind_last = False
        self._overhead = 0

    def decode(self, data: bytes, at: int, most_chunks: int) -> tuple[list[bytes], int]:
        """Decode `data` from the offset `at` on, up to `most_chunks` chunks. Return the content and the next offset.

        Pass the data from the next offset again, with more data appended if `needs_data`. Raises RefusedRequestError.
        """
        content: list[bytes] = []
        size = len(data)
        while most_chunks and at < size and not self.finished:
            if self._left:
                content.append(data[at : at + self._left])
                at += len(content[-1])
                self._left -= len(content[-1])
            elif self._behind_content:
                if not data.startswith(b"\r\n", at):
                    if size - at >= 2 or data[at] != 13:
                        raise _malformed("A chunk is longer than its size")
                    break
                at += 2
                self._behind_content = False
            elif self._behind_last:
                behind = self._read_trailers(data, at)
                if behind == at:
                    break
                at = behind
            else:
                line = _SIZE.match(data, at)
                if line is None:
                    self._check_size(data, at)
                    break
                at = line.end()
                most_chunks -= 1
                self._begin(int(line[1], 16), at - line.start())
        self.needs_data = most_chunks > 0 or at == size
        return content, at

    def _begin(self, size: int, line_bytes: int) -> None:
        self._left = size
        self._behind_content = size > 0
        self._behind_last = size == 0
        self._overhead = max(0, self._overhead + line_bytes + 2 - _FREE_BYTES - size)
        if self._overhead > MAX_OVERHEAD_BYTES:
            raise _malformed("The chunks have too little content for their overhead")

    def _check_size(self, data: bytes, at: int) -> None:
        """Raise RefusedRequestError if this cannot be the beginning of a chunk's size."""
        if len(data) - at > _MAX_LINE_BYTES or not _SIZE_BEGINS.fullmatch(data, at):
            raise _malformed("A chunk begins with its size")

    def _read_trailers(self, data: bytes, at: int) -> int:
        """Drop the trailers and the empty line after them. Return where they end, `at` if more data is needed."""
        if data.startswith(b"\r\n", at):
            self.finished = True
            return at + 2
        end = data.find(b"\r\n\r\n", at)
        if (len(data) if end < 0 else end) - at > MAX_TRAILER_BYTES:
            raise RefusedRequestError(
                ErrorCode.HEADERS_TOO_LARGE, f"The trailers are larger than {MAX_TRAILER_BYTES} bytes"
            )
        if end < 0:
            return at
        read_fields(data[at:end])
        self.finished = True
        return end + 4


def _malformed(message: str) -> RefusedRequestError:
    return RefusedRequestError(ErrorCode.MALFORMED_REQUEST, message)
