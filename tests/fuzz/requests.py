"""HTTP input: requests and other bytes, pipelined, in any packets. The gateway must read the same requests as h11."""

import base64
import json
import time
from typing import Any

from hypothesis import strategies as st

from gateway.server.http import MAX_SKIPPED_BYTES
from tests.fuzz.echo import SEEN
from tests.fuzz.inputs import Input, text_of
from tests.fuzz.oracle import End, Outcome, Request, outcomes
from tests.fuzz.target import Conversation, FuzzTarget

LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
"""A request that follows every input. If it is read as one, the requests before it ended in the right places."""

MAX_MUTATIONS = 2

_tokens = st.text(st.sampled_from("abcXYZ019-_.!~"), min_size=1, max_size=8)
_values = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=20)


def _mostly(usual: Any, unusual: st.SearchStrategy[Any], times: int = 6) -> st.SearchStrategy[Any]:
    return st.one_of(*[st.just(usual)] * times, unusual)


_methods = (
    st.sampled_from(["GET", "GET", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "get"]) | _tokens
)
_targets = st.sampled_from(
    (
        *("/", "/a", "/a?b=c", "/healthz", "/notifications", "//x//", "/a%20b%zz", "/a?b?c"),
        *("http://b/x?y=z", "HTTP://b:80", "http://b?x", "https://u@b/", "*", "/a#b", "x", "b:443", "/?", "/\xe9"),
    )
)
_versions = _mostly(
    "HTTP/1.1", st.sampled_from(["HTTP/1.0", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "http/1.1", ""]), 9
)
_hosts = _mostly(
    [("Host", "a")], st.sampled_from([[], [("host", "")], [("HOST", "[::1]:80")], [("Host", "a"), ("Host", "a")]]), 9
)
_upgrades = st.sampled_from(
    (
        [("Connection", "Upgrade"), ("Upgrade", "h2c")],
        [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABk")],
        [("Upgrade", "TLS/1.2"), ("connection", "keep-alive"), ("Connection", "upgrade")],
        [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")],
    )
)
_extras = st.one_of(
    st.sampled_from(
        (
            *(
                [("Connection", "keep-alive")],
                [("Connection", "close")],
                [("Connection", "x, Close")],
                [("TE", "trailers")],
            ),
            *([("Expect", "100-continue")], [("Trailer", "x")], [("Keep-Alive", "5")], [("Upgrade", "h2c")]),
        )
    ),
    _upgrades,
    st.builds(lambda name, value: [(name, value)], _tokens, _values),
)
_framings = st.sampled_from(
    (
        *([("Content-Length", "5, 5")], [("Content-Length", "+5")], [("Content-Length", "5"), ("Content-Length", "5")]),
        *(
            [("Content-Length", "-1")],
            [("Content-Length", "0x5")],
            [("Content-Length", "")],
            [("Content-Length", "005")],
        ),
        *([("Content-Length", "5"), ("Transfer-Encoding", "chunked")], [("Transfer-Encoding", "chunked, identity")]),
        *(
            [("Transfer-Encoding", "gzip, chunked")],
            [("Transfer-Encoding", "chunked"), ("transfer-encoding", "chunked")],
        ),
        *([("Transfer-Encoding", "\x0bchunked")], [("Transfer-Encoding", "identity")], [("Content-Length", "9" * 20)]),
        *([("Content-Length ", "5")], [("Transfer-Encoding", "Chunked")], [("Transfer_Encoding", "chunked")]),
    )
)
_extensions = _mostly("", st.sampled_from([";a", ";a=b", ' ;a="b c"', ";", " ", ";" + "x" * 60, ";\x7f"]))
_trailers = _mostly(
    "", st.sampled_from(["X: y\r\n", "Content-Length: 9\r\n", "X-MAGICBELL-API-KEY: k\r\n", "x y\r\n", "x\n"]), 4
)


_bodies = st.one_of(
    *[st.binary(max_size=30)] * 10,
    *[st.just(b"GET /inner HTTP/1.1\r\nHost: a\r\n\r\n")] * 10,
    # Larger than the read-ahead of the server, and than one read.
    st.sampled_from([70_000, 150_000, 600_000]).map(lambda size: b"0123456\r" * (size // 8)),
)


@st.composite
def _chunked(draw: st.DrawFn, body: bytes) -> bytes:
    encoded, at = b"", 0
    end: str = draw(_extensions)
    trailers: str = draw(_trailers)
    while at < len(body):
        size = draw(st.integers(min(len(body) - at, 1 + len(body) // 50), len(body) - at))
        length = draw(st.sampled_from(["{:x}", "{:X}", "{:x}", "{:04x}"])).format(size)
        encoded += (length + draw(_extensions)).encode("latin-1") + b"\r\n" + body[at : at + size] + b"\r\n"
        at += size
    return encoded + f"0{end}\r\n{trailers}\r\n".encode("latin-1")


@st.composite
def _requests(draw: st.DrawFn) -> bytes:
    body = draw(_bodies)
    framing, encoded = draw(
        st.one_of(
            st.just(([], b"")),
            st.just(([("Content-Length", str(len(body)))], body)),
            _chunked(body).map(lambda chunks: ([("Transfer-Encoding", "chunked")], chunks)),
            st.tuples(_mostly([("Content-Length", str(len(body)))], _framings, 1), st.just(body)),
        )
    )
    headers = [header for some in draw(st.lists(_extras, max_size=3)) for header in some]
    headers = draw(st.permutations([*draw(_hosts), *framing, *headers]))
    line = f"{draw(_methods)} {draw(_targets)} {draw(_versions)}"
    colon = draw(_mostly(": ", st.sampled_from([":", ":\t ", " : "]), 12))
    head = "".join(f"{each}\r\n" for each in (line, *(name + colon + value for name, value in headers)))
    before: str = draw(_mostly("", st.just("\r\n")))
    whole: bytes = f"{before}{head}\r\n".encode("latin-1") + encoded
    return whole


@st.composite
def _inputs(draw: st.DrawFn) -> Input:
    data = b"".join(draw(st.lists(_requests(), min_size=1, max_size=4)))
    for _ in range(draw(_mostly(0, st.integers(1, MAX_MUTATIONS), 3))):
        at, cut = draw(st.integers(0, len(data))), draw(st.integers(0, 3))
        put = draw(
            st.sampled_from([b"", b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b":", b";", b"0", b"\r\n ", b"\xff"])
        )
        data = data[:at] + put + data[at + cut :]
    data += LAST
    cuts = sorted(draw(st.sets(st.integers(1, len(data) - 1), max_size=draw(st.sampled_from([0, 1, 3, 12])))))
    return {"parts": [text_of(data[start:end]) for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]}


inputs = _inputs()


def check(target: FuzzTarget, tried: Input) -> None:
    """Check that the gateway reads the same requests and bodies as h11, in any packets, and responds to each."""
    parts = [part.encode("latin-1") for part in tried["parts"]]
    allowed = outcomes(b"".join(parts))
    waiting = [requests for requests, end in allowed if end is End.WAITS]
    most = max((len(requests) for requests in waiting), default=None)

    with target.echo() as conversation:
        _send_parts(conversation, parts)
        found = _read_requests(conversation, most)
    assert any(_agrees(found, outcome) for outcome in allowed), (found, allowed)

    methods = [request.method for request in max((requests for requests, _ in allowed), key=len)]
    with target.conversation() as conversation:
        _send_parts(conversation, parts)
        responses = _count(conversation, methods, most)
    data = b"".join(parts)
    # A response before most of the body arrived, or before `100 Continue`, is the last one.
    early = (b"100-continue" in data.lower() and len(parts) > 1) or len(data) > MAX_SKIPPED_BYTES
    assert any(_counts(responses, outcome, early=early) for outcome in allowed), (responses, allowed)


def _send_parts(conversation: Conversation, parts: list[bytes]) -> None:
    for number, part in enumerate(parts):
        if number:
            time.sleep(0.0005)
        if not conversation.send(part):
            break


def _read_requests(conversation: Conversation, most: int | None) -> Outcome:
    """Read responses of the echo server, at most `most`. Return the requests in them, and how the connection ended."""
    requests: list[Request] = []
    end = End.WAITS
    while most is None or len(requests) < most:
        response = conversation.next_response(lambda headers: str(_request_in(headers).get("method", "")))
        if response is None:
            end = End.CLOSES
            break
        if response.status != 200:
            assert response.headers["connection"] == "close", response
            assert response.is_clear() is False
            end = End.REFUSED
            break
        requests.append(Request(**_request_in(response.headers)))
    if end is not End.CLOSES:
        conversation.finish()
        response = conversation.next_response(lambda _: "")
        if response is not None and end is End.WAITS:
            assert response.status >= 400, response
            end = End.REFUSED
            response = conversation.next_response(lambda _: "")
        assert response is None, response
    return requests, end


def _request_in(headers: dict[str, str]) -> dict[str, Any]:
    """Return the request in a response of the echo server, {} for a refusal."""
    request: dict[str, Any] = json.loads(base64.b64decode(headers.get(SEEN.lower(), "e30=")))
    return request


def _agrees(found: Outcome, allowed: Outcome) -> bool:
    return found == allowed


def _count(conversation: Conversation, methods: list[str], most: int | None) -> int:
    """Return the number of responses of the gateway."""
    count = 0
    while most is None or count < most:
        method = methods[count] if count < len(methods) else ""
        if conversation.next_response(lambda _, method=method: method) is None:  # type: ignore[misc] # it is inferred well
            return count
        count += 1
    conversation.finish()
    while conversation.next_response(lambda _: "") is not None:
        count += 1
    return count


def _counts(responses: int, allowed: Outcome, *, early: bool) -> bool:
    """Return whether the number of responses is correct. One more may be a refusal or for an incomplete request."""
    requests, end = allowed
    least = 1 if early else len(requests)
    match end:
        case End.CLOSES:
            return least <= responses <= len(requests)
        case End.REFUSED:
            return min(least, len(requests) + 1) <= responses <= len(requests) + 1
        case End.WAITS:
            return least <= responses <= len(requests) + 1
