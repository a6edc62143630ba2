"""The requests that h11 reads from the bytes of a client, and how the connection ends.

The gateway is deliberately stricter than h11. Each difference has a name and a rule here. No other is allowed.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import h11

MAX_EMPTY_LINES = 4


class End(Enum):
    """The state of a connection after the last complete request."""

    WAITS = "it waits for more"
    CLOSES = "the last request closes it"
    REFUSED = "the next bytes are not a request"


@dataclass(frozen=True)
class Request:
    """A complete request."""

    method: str
    target: str
    headers: list[list[str]]
    body: str


def summary(body: bytes) -> str:
    """Return a body as text, a long one as its digest."""
    return body.decode("latin-1") if len(body) < 1000 else f"{len(body)} bytes, {hashlib.sha256(body).hexdigest()}"


_HOST = re.compile(r"([a-z0-9\-._~!$&'()*+,;=%]+|\[[0-9a-f:.]+\])(:[0-9]*)?", re.IGNORECASE)

HEAD_DIFFERENCES: dict[str, Callable[[bytes, h11.Request], Any]] = {
    "a line ends with CR and LF, not with LF alone": lambda raw, _: re.search(rb"(?<!\r)\n", raw),
    "a header is on one line": lambda raw, _: re.search(rb"\n[ \t]", raw),
    "a header contains no control characters": lambda raw, _: re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", raw),
    "a length is sent once": lambda raw, _: len(re.findall(rb"(?i)\ncontent-length:", raw)) > 1,
    "a length is sent once, and not as a list": lambda raw, _: re.search(rb"(?i)\ncontent-length:[^\r\n]*,", raw),
    "a length is within 63 bits": lambda _, request: any(len(value) > 18 for value in _raw(request, "content-length")),
    "a length and chunks exclude each other": lambda raw, request: (
        _raw(request, "transfer-encoding") and re.search(rb"(?i)\ncontent-length:", raw)
    ),
    "HTTP/1.0 has no chunks": lambda _, request: request.http_version == b"1.0" and _raw(request, "transfer-encoding"),
    "a host is a host and an optional port": lambda _, request: any(
        not _HOST.fullmatch(value) for value in _raw(request, "host")
    ),
    "the target is a path or an address, and not that of a proxy request": lambda _, request: not _is_target(request),
    "the version is 1.0 or 1.1": lambda _, request: request.http_version not in (b"1.0", b"1.1"),
    "there are 100 headers at most": lambda _, request: len(request.headers) > 100,
    "a method has 32 letters at most": lambda _, request: len(request.method) > 32,
}
"""The heads that h11 accepts and the gateway refuses, by their bytes and the request that h11 read."""

BODY_DIFFERENCES = {
    "a line ends with CR and LF, not with LF alone": rb"(?<!\r)\n",
    "a chunk's size is not followed by white space": rb"(?:^|\n)[0-9A-Fa-f]+(?:;[^\n]*)?[ \t]+\r",
    "a chunk's size is within 64 bits": rb"(?:^|\n)[0-9A-Fa-f]{17,20}[\r;]",
    "an extension contains no control characters": rb";[^\n]*[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]",
    "a trailer is on one line": rb"\n[ \t]",
    "a trailer contains no control characters": rb":[^\n]*[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]",
}
"""The chunked bodies that h11 may accept and the gateway refuses, by their bytes.

Content may contain the same bytes.
"""

Outcome = tuple[list[Request], End]


def outcomes(data: bytes) -> list[Outcome]:
    """Read all bytes of a connection. Return the outcomes that are allowed, that of h11 last."""
    requests: list[Request] = []
    allowed: list[Outcome] = []
    while True:
        # Empty lines before a request are ignored (RFC 9112, section 2.2).
        lines = re.match(rb"(?:\r\n)*", data)
        assert lines is not None
        if lines.end() > 2 * MAX_EMPTY_LINES:
            return [*allowed, (requests, End.REFUSED)]
        data = data[lines.end() :]
        step = _read_one(data)
        if step.may_be_refused:
            allowed.append((list(requests), End.REFUSED))
        if step.request is not None:
            requests.append(step.request)
        if step.end is not None:
            return [*allowed, (requests, step.end)]
        data = step.rest


@dataclass(frozen=True)
class _Step:
    """A request, or how the connection ends without one."""

    request: Request | None = None
    rest: bytes = b""
    end: End | None = None
    may_be_refused: bool = False


def _read_one(data: bytes) -> _Step:
    if data in (b"", b"\r"):
        return _Step(end=End.WAITS)
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=64 * 1024)
    connection.receive_data(data)
    refused = False
    try:
        event = connection.next_event()
        if not isinstance(event, h11.Request):
            return _Step(end=End.WAITS, may_be_refused=True)
        rest, _ = connection.trailing_data
        head = data[: len(data) - len(rest)]
        if any(differs(head, event) for differs in HEAD_DIFFERENCES.values()):
            return _Step(end=End.REFUSED)
        chunked = bool(_raw(event, "transfer-encoding"))
        if chunked:
            refused = any(re.search(differs, rest) for differs in BODY_DIFFERENCES.values())
        body = b""
        while isinstance(piece := connection.next_event(), h11.Data):
            body += bytes(piece.data)
        if not isinstance(piece, h11.EndOfMessage):
            return _Step(end=End.WAITS, may_be_refused=chunked)
        behind, _ = connection.trailing_data
        connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
        connection.send(h11.EndOfMessage())
    except h11.RemoteProtocolError:
        return _Step(end=End.REFUSED)
    closes = connection.our_state is h11.MUST_CLOSE
    return _Step(_request(event, body), behind, End.CLOSES if closes else None, refused)


def _request(event: h11.Request, body: bytes) -> Request:
    target = event.target.decode("latin-1")
    headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in event.headers]
    if not target.startswith("/") and target != "*":
        address = target.partition("://")[2]
        authority = re.split("[/?]", address)[0]
        headers = [[name, authority if name == "host" else value] for name, value in headers]
        target = address[len(authority) :]
        target = target if target.startswith("/") else "/" + target
    path, _, query = target.partition("?")
    return Request(event.method.decode(), path + ("?" + query if query else ""), headers, summary(body))


def _raw(request: h11.Request, name: str) -> list[str]:
    return [value.decode("latin-1") for found, value in request.headers if found == name.encode()]


def _is_target(request: h11.Request) -> bool:
    target = request.target.decode("latin-1")
    if "#" in target or request.method == b"CONNECT":
        return False
    if target.startswith("/") or (target == "*" and request.method == b"OPTIONS"):
        return True
    address = re.fullmatch("https?://([^/?]*).*", target, re.IGNORECASE)
    return address is not None and _HOST.fullmatch(address[1]) is not None
