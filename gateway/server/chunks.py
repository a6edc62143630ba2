"""A body in chunks (RFC 9112, section 7.1), decoded as it comes.

What is no content is bounded: white space, extensions and sizes may be as long as the content they frame and a little
more; trailers have a bound of their own. Extensions and trailers are checked and dropped. A trailer never becomes a
header, or a credential could come behind the checks of what stands before it (section 6.5.1 of RFC 9110).
"""

import re

from gateway.domain.errors import ErrorCode
from gateway.server.request import RefusedRequestError, read_fields

MAX_TRAILER_BYTES = 8 * 1024
"""All trailers together; hardly any client sends one."""

MAX_OVERHEAD_BYTES = 16 * 1024
"""What sizes and extensions may come to beyond `_FREE_BYTES` a chunk and as much as the content. Go's bound."""

_FREE_BYTES = 16
"""Of overhead for each chunk: a size with its line ends needs five or more."""

_MAX_LINE_BYTES = 1024

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[^\x00-\x08\x0a-\x1f\x7f]{0,1000})?\r\n")
_SIZE_BEGINS = re.compile(rb"(?:[0-9A-Fa-f]{1,16}(?:;[^\x00-\x08\x0a-\x1f\x7f]{0,1000})?\r?)?")


class ChunkedBody:
    """One body. `finished` says whether its end was read, `needs_data` whether no more can be read of what there is."""

    __slots__ = ("_behind_content", "_behind_last", "_left", "_overhead", "finished", "needs_data")

    def __init__(self) -> None:
        self.finished = False
        self.needs_data = True
        self._left = 0
        self._behind_content = False
        self._behind_last = False
        self._overhead = 0

    def decode(self, data: bytes, at: int, most_chunks: int) -> tuple[list[bytes], int]:
        """Return the content in `data` from `at` on, of so many chunks at most, and where to go on.

        What is behind that has to come again, with more data if it is to be understood. Raises RefusedRequestError.
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
                        raise _malformed("A chunk is longer than it says")
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
            raise _malformed("The chunks hold too little content for what stands around it")

    def _check_size(self, data: bytes, at: int) -> None:
        """Raise unless this may become a chunk's size when more comes."""
        if len(data) - at > _MAX_LINE_BYTES or not _SIZE_BEGINS.fullmatch(data, at):
            raise _malformed("A chunk begins with its size")

    def _read_trailers(self, data: bytes, at: int) -> int:
        """Drop the trailers and the empty line behind them; return where they end, or `at` when more is needed."""
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
