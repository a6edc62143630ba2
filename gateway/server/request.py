"""The head of an HTTP/1.1 request: from bytes to what it says, or to why it is refused.

A proxy in front of the gateway must see the same requests in the same bytes, or one client's body becomes another
client's request. So everything that RFC 9112 lets a recipient repair is refused instead: line ends other than CRLF,
folded lines, white space before a colon, more than one length. `Upgrade` is read only to see whether a WebSocket is
wanted; any other is ignored, as RFC 9110 (section 7.8) has it.
"""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from gateway.domain.errors import ErrorCode

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers together; Apache and nginx take 8 to 32 KB by default."""

MAX_FIELDS = 100
"""Headers of a request, or trailers; Apache takes as many."""

_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CONTROLS = bytes({*range(32), 127} - {*b"\t\r\n"})

# Longer methods are of no protocol that we know of.
_REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) ([!\"$-~]+) HTTP/([0-9])\.([0-9])")
_METHOD_BEGINS = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}(?: |\Z)")
_ABSOLUTE_FORM = re.compile(rb"https?://([^/?]*)([^?]*)(.*)", re.IGNORECASE)
_HOST = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=%]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")

_DECISIVE = frozenset(
    {
        *(b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect"),
        *(b"sec-websocket-key", b"x-request-id"),
    }
)
"""The headers that decide where a request ends, whose connection it is, and what it is called."""

Fields = list[tuple[bytes, bytes]]
"""Names in lower case, and values without the white space around them."""


class RefusedRequestError(Exception):
    """A request that is not taken, so that nothing that follows it on its connection can be either."""

    def __init__(self, code: ErrorCode, message: str):
        super().__init__(message)
        self.code = code


class Head(NamedTuple):
    """A request without its body. `body_bytes` is None where the body says in chunks how long it is."""

    method: str
    target: bytes
    raw_path: bytes
    query: bytes
    version: Literal["1.0", "1.1"]
    fields: Fields
    body_bytes: int | None
    keep_alive: bool
    expects_continue: bool
    wants_websocket: bool
    is_websocket_handshake: bool
    """Whether it is what a WebSocket's client sends, and not only an `Upgrade` that may be ignored."""
    request_id: str


def check_beginning(beginning: bytes, checked: int = 0, *, line_is_read: bool = False) -> bool:
    """Raise RefusedRequestError for what cannot become a head, however it goes on.

    Return whether the request line is whole. `checked` says how many bytes were checked before, and `line_is_read`
    what that returned. Those are not looked at again, or a head that comes byte by byte would cost the square of its
    length.
    """
    if _BARE_LINE_FEED.search(beginning, checked):
        raise _malformed("Lines end with CR and LF")
    if line_is_read:
        return True
    end = beginning.find(b"\r\n", max(0, checked - 1))
    if end >= 0:
        _read_request_line(beginning[:end])
    elif beginning not in (b"", b"\r") and not _METHOD_BEGINS.match(beginning):
        raise _malformed("A request begins with its method")
    return end >= 0


def read_head(block: bytes) -> Head:
    """Read a head, which comes without the empty line at its end. Raises RefusedRequestError."""
    line, _, rest = block.partition(b"\r\n")
    method, target, version = _read_request_line(line)
    fields = read_fields(rest) if rest else []
    decisive: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        if name in _DECISIVE:
            decisive.setdefault(name, []).append(value)
    host = _read_host(decisive.get(b"host"), version)
    raw_path, query, authority = _read_target(method, target)
    if authority is not None and authority != host:
        # RFC 9112, section 3.2.2: the target's own is what counts.
        fields = [(name, authority if name == b"host" else value) for name, value in fields]
    body_bytes = _read_body_length(decisive, version)
    tokens = _list(decisive[b"connection"]) if b"connection" in decisive else ()
    wants_websocket = (
        method == "GET"
        and version == "1.1"
        and body_bytes == 0
        and b"upgrade" in tokens
        and b"websocket" in _list(decisive.get(b"upgrade", ()))
    )
    return Head(
        method,
        target,
        raw_path,
        query,
        version,
        fields,
        body_bytes,
        version == "1.1" and b"close" not in tokens,
        version == "1.1" and b"100-continue" in _list(decisive.get(b"expect", ())),
        wants_websocket,
        wants_websocket and b"sec-websocket-key" in decisive,
        decisive[b"x-request-id"][0].decode("latin-1") if b"x-request-id" in decisive else "",
    )


def read_fields(block: bytes) -> Fields:
    """Read headers or trailers, which come without the last line's end. Raises RefusedRequestError."""
    lines = block.split(b"\r\n")
    if len(lines) > MAX_FIELDS:
        raise RefusedRequestError(ErrorCode.HEADERS_TOO_LARGE, f"There are more than {MAX_FIELDS} headers")
    ends = len(lines) - 1
    if block.count(b"\n") != ends or block.count(b"\r") != ends:
        raise _malformed("Lines end with CR and LF")
    if len(block.translate(None, _CONTROLS)) != len(block):
        raise _malformed("A header holds a control character")
    fields = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name.translate(None, _TOKEN):
            raise _malformed("A header is a name, a colon and a value, on one line")
        fields.append((name.lower(), value.strip(b" \t")))
    return fields


def _read_request_line(line: bytes) -> tuple[str, bytes, Literal["1.0", "1.1"]]:
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise _malformed(
            "The first line is a method, a path of ASCII without spaces, and HTTP/1.1, with one space between"
        )
    method, target, major, minor = match.groups()
    if major != b"1" or minor not in (b"0", b"1"):
        raise RefusedRequestError(ErrorCode.HTTP_VERSION_NOT_SUPPORTED, "HTTP/1.1 and HTTP/1.0 are spoken here")
    return method.decode(), target, "1.1" if minor == b"1" else "1.0"


def _read_host(hosts: Sequence[bytes] | None, version: str) -> bytes | None:
    if hosts is None:
        if version == "1.1":
            raise _malformed("The Host header is missing")
        return None
    if len(hosts) > 1:
        raise _malformed("There is more than one Host header")
    if not _HOST.fullmatch(hosts[0]):
        raise _malformed("The Host header is no host")
    return hosts[0]


def _read_target(method: str, target: bytes) -> tuple[bytes, bytes, bytes | None]:
    """Read path, query, and the authority where the target names one (RFC 9112, section 3.2)."""
    if method == "CONNECT":
        raise RefusedRequestError(ErrorCode.METHOD_NOT_IMPLEMENTED, "This is no proxy: there is no CONNECT")
    if target.startswith(b"/"):
        raw_path, _, query = target.partition(b"?")
        return raw_path, query, None
    if target == b"*" and method == "OPTIONS":
        return target, b"", None
    absolute = _ABSOLUTE_FORM.fullmatch(target)
    if absolute is None or not _HOST.fullmatch(absolute[1]):
        raise _malformed("The first line holds a path, or an http address")
    return absolute[2] or b"/", absolute[3][1:], absolute[1]


def _read_body_length(decisive: dict[bytes, list[bytes]], version: str) -> int | None:
    """Read how long the body is (RFC 9112, section 6.3)."""
    lengths, codings = decisive.get(b"content-length"), decisive.get(b"transfer-encoding")
    if codings is not None:
        if lengths is not None:
            raise _malformed("Content-Length and Transfer-Encoding exclude each other")
        if version == "1.0":
            raise _malformed("There is no Transfer-Encoding in HTTP/1.0")
        names = _list(codings)
        if names != [b"chunked"]:
            if names[-1] == b"chunked" and names.count(b"chunked") == 1 and all(names):
                raise RefusedRequestError(
                    ErrorCode.TRANSFER_CODING_NOT_IMPLEMENTED, "No Transfer-Encoding but chunked is understood"
                )
            raise _malformed("Transfer-Encoding is chunked, once")
        return None
    if lengths is None:
        return 0
    if len(lengths) > 1:
        raise _malformed("There is more than one Content-Length header")
    if not lengths[0].isdigit() or len(lengths[0]) > 18:  # which is within 63 bits
        raise _malformed("The Content-Length header is no length")
    return int(lengths[0])


def _list(values: Sequence[bytes]) -> list[bytes]:
    """Read the elements of a header that is a list; several of them are one (RFC 9110, section 5.3)."""
    return [element.strip(b" \t").lower() for value in values for element in value.split(b",")]


def _malformed(message: str) -> RefusedRequestError:
    return RefusedRequestError(ErrorCode.MALFORMED_REQUEST, message)
