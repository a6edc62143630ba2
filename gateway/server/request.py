"""Reads the head of an HTTP/1.1 request: the request line and the headers (RFC 9112).

The gateway and a proxy in front of it must read the same bytes as the same requests. Otherwise part of one client's
body could be served as another client's request (request smuggling). RFC 9112 lets a recipient repair some faults. The
gateway refuses them: line ends other than CRLF, folded lines, white space before a colon, more than one length.
`Upgrade` is read only to recognise WebSocket handshakes; any other protocol in it is ignored, as RFC 9110 (section 7.8)
allows.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from gateway.api.core.requests import Known
from gateway.domain.errors import ErrorCode

MAX_HEAD_BYTES = 64 * 1024
"""The most bytes of request line and headers together. Apache and nginx allow 8 to 32 KB by default."""

MAX_FIELDS = 100
"""The most headers of a request, or trailers. Apache allows as many."""

KNOWN_BLOCKS = 1024
KNOWN_BYTES = 1024
"""How many blocks of headers are remembered with what was read from them, and how long they are at most: some 4 MB.
A client sends the same headers with request after request, and their reading is half the cost of a head (measured)."""

_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CONTROLS = bytes({*range(32), 127} - {*b"\t\r\n"})

# No known protocol has longer methods.
_REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) ([!\"$-~]+) HTTP/([0-9])\.([0-9])")
_TARGET = bytes({*range(ord("!"), ord("~") + 1)} - {ord("#")})
_METHODS = {name.encode(): name for name in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")}
_VERSIONS: dict[bytes, Literal["1.0", "1.1"]] = {b"HTTP/1.1": "1.1", b"HTTP/1.0": "1.0"}
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
"""The headers that decide where a request ends, what kind of connection it asks for, and what its id is."""

Fields = list[tuple[bytes, bytes]]
"""Names in lower case, and values without the white space around them, in the order in which they were sent."""


class RefusedRequestError(Exception):
    """A request that is not valid HTTP or too large. Nothing after it on its connection can be read either."""

    def __init__(self, code: ErrorCode, message: str):
        super().__init__(message)
        self.code = code


class Headers(NamedTuple):
    """The headers of a request, and what they say in a version of HTTP. Requests with the same headers share it."""

    fields: Fields
    by_name: Mapping[str, str]
    """The headers as text; of repeated ones the last."""
    host: bytes | None
    body_bytes: int | None
    """The length of the body, None for a chunked one."""
    keep_alive: bool
    expects_continue: bool
    offers_websocket: bool
    """Whether a GET with these headers and no body asks for a WebSocket."""
    has_websocket_key: bool
    request_id: str
    known: Known
    """What the API knows of the headers."""


class Head(NamedTuple):
    """A request without its body. The fields from `fields` on are those of `Headers`."""

    method: str
    target: bytes
    raw_path: bytes
    query: bytes
    version: Literal["1.0", "1.1"]
    fields: Fields
    by_name: Mapping[str, str]
    body_bytes: int | None
    keep_alive: bool
    expects_continue: bool
    wants_websocket: bool
    is_websocket_handshake: bool
    """Whether it is a WebSocket client's handshake, and not only an `Upgrade` that may be ignored."""
    request_id: str
    known: Known


def check_beginning(beginning: bytes, checked: int = 0, *, line_is_read: bool = False) -> bool:
    """Check the beginning of an incomplete head. Return whether its request line is complete.

    `checked` is the number of bytes that an earlier call checked, and `line_is_read` is what that call returned. These
    bytes are not checked again: otherwise a head that arrives byte by byte would cost the square of its length. Raises
    RefusedRequestError for a beginning that cannot become a valid head.
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


def read_head(block: bytes, *, is_first: bool = True) -> Head:
    """Read a complete head, passed without the empty line at its end. Raises RefusedRequestError.

    Headers are remembered only if the head `is_first` of its connection is false: most first heads of connections are
    handshakes of live connections, which are not repeated, and whose memory counts.
    """
    line, _, rest = block.partition(b"\r\n")
    method, target, version = _read_request_line(line)
    is_remembered = not is_first and len(rest) <= KNOWN_BYTES
    headers = _read_headers(rest, version) if is_remembered else _read_headers.__wrapped__(rest, version)
    fields, by_name, host, body_bytes, keep_alive, expects_continue, offers, has_key, request_id, known = headers
    raw_path, query, authority = _read_target(method, target)
    if authority is not None and authority != host:
        # RFC 9112, section 3.2.2: the authority of the target replaces the Host header.
        fields = [(name, authority if name == b"host" else value) for name, value in fields]
        by_name = _by_name(fields)
    wants = offers and method == "GET"
    # This takes half the time of the constructor (measured).
    return tuple.__new__(
        Head,
        (
            method,
            target,
            raw_path,
            query,
            version,
            fields,
            by_name,
            body_bytes,
            keep_alive,
            expects_continue,
            wants,
            wants and has_key,
            request_id,
            known,
        ),
    )


@lru_cache(maxsize=KNOWN_BLOCKS)
def _read_headers(block: bytes, version: Literal["1.0", "1.1"]) -> Headers:
    """Read the headers of a head. Raises RefusedRequestError."""
    fields = read_fields(block) if block else []
    decisive: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        if name in _DECISIVE:
            decisive.setdefault(name, []).append(value)
    body_bytes = _read_body_length(decisive, version)
    tokens = _list(decisive.get(b"connection", ()))
    is_1_1 = version == "1.1"
    upgrades = is_1_1 and body_bytes == 0 and b"upgrade" in tokens
    return Headers(
        fields,
        _by_name(fields),
        _read_host(decisive.get(b"host"), version),
        body_bytes,
        is_1_1 and b"close" not in tokens,
        is_1_1 and b"100-continue" in _list(decisive.get(b"expect", ())),
        upgrades and b"websocket" in _list(decisive.get(b"upgrade", ())),
        b"sec-websocket-key" in decisive,
        decisive[b"x-request-id"][0].decode("latin-1") if b"x-request-id" in decisive else "",
        Known(),
    )


def _by_name(fields: Fields) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in fields}


def read_fields(block: bytes) -> Fields:
    """Read headers or trailers, passed without the end of the last line. Raises RefusedRequestError."""
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
    parts = line.split(b" ")
    if len(parts) == 3 and parts[0] in _METHODS and parts[2] in _VERSIONS:
        target = parts[1]
        if target and not target.translate(None, _TARGET):
            # Nearly every line. This takes a third of the time of the expression below (measured).
            return _METHODS[parts[0]], target, _VERSIONS[parts[2]]
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise _malformed(
            "The first line is a method, a path of ASCII without spaces, and HTTP/1.1, with one space between"
        )
    method, target, major, minor = match.groups()
    if major != b"1" or minor not in (b"0", b"1"):
        raise RefusedRequestError(ErrorCode.HTTP_VERSION_NOT_SUPPORTED, "Only HTTP/1.1 and HTTP/1.0 are supported")
    return method.decode(), target, "1.1" if minor == b"1" else "1.0"


def _read_host(hosts: Sequence[bytes] | None, version: str) -> bytes | None:
    if hosts is None:
        if version == "1.1":
            raise _malformed("The Host header is missing")
        return None
    if len(hosts) > 1:
        raise _malformed("There is more than one Host header")
    if not _HOST.fullmatch(hosts[0]):
        raise _malformed("The Host header is not a host")
    return hosts[0]


def _read_target(method: str, target: bytes) -> tuple[bytes, bytes, bytes | None]:
    """Return the path, the query, and the authority if the target has one (RFC 9112, section 3.2)."""
    if method == "CONNECT":
        raise RefusedRequestError(ErrorCode.METHOD_NOT_IMPLEMENTED, "This is not a proxy: CONNECT is not supported")
    if target.startswith(b"/"):
        raw_path, _, query = target.partition(b"?")
        return raw_path, query, None
    if target == b"*" and method == "OPTIONS":
        return target, b"", None
    absolute = _ABSOLUTE_FORM.fullmatch(target)
    if absolute is None or not _HOST.fullmatch(absolute[1]):
        raise _malformed("The first line holds a path, or an http address")
    return absolute[2] or b"/", absolute[3][1:], absolute[1]


def _read_body_length(decisive: Mapping[bytes, Sequence[bytes]], version: str) -> int | None:
    """Return the length of the body, None for a chunked one (RFC 9112, section 6.3)."""
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
                    ErrorCode.TRANSFER_CODING_NOT_IMPLEMENTED, "Only the Transfer-Encoding chunked is supported"
                )
            raise _malformed("Transfer-Encoding must be chunked, once")
        return None
    if lengths is None:
        return 0
    if len(lengths) > 1:
        raise _malformed("There is more than one Content-Length header")
    if not lengths[0].isdigit() or len(lengths[0]) > 18:  # so that it fits into 63 bits
        raise _malformed("The Content-Length header is not a length")
    return int(lengths[0])


def _list(values: Sequence[bytes]) -> list[bytes]:
    """Return the elements of a list header, in lower case. Repeated headers form one list (RFC 9110, section 5.3)."""
    return [element.strip(b" \t").lower() for value in values for element in value.split(b",")]


def _malformed(message: str) -> RefusedRequestError:
    return RefusedRequestError(ErrorCode.MALFORMED_REQUEST, message)
