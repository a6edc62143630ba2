"""What is a request and what is none: RFC 9112, read strictly."""

import time

import pytest

from gateway.domain.errors import ErrorCode
from gateway.server.chunks import MAX_OVERHEAD_BYTES, MAX_TRAILER_BYTES, ChunkedBody
from gateway.server.reader import RequestReader
from gateway.server.request import MAX_FIELDS, Head, RefusedRequestError, check_beginning, read_head

NO_LIMIT = 1_000_000


def head(*lines: str, first: str = "POST /a HTTP/1.1", host: str | None = "Host: inbox") -> Head:
    """Read a head of some lines."""
    return read_head("\r\n".join([first, *([host] if host is not None else []), *lines]).encode("latin-1"))


def refusal(*lines: str, first: str = "POST /a HTTP/1.1", host: str | None = "Host: inbox") -> ErrorCode:
    """Return why a head is refused."""
    with pytest.raises(RefusedRequestError) as refused:
        head(*lines, first=first, host=host)
    return refused.value.code


def test_a_head_is_its_line_and_its_headers() -> None:
    read = head("X-A:\t b c \t", "x-a:", first="GET //a%20b?c=d?e HTTP/1.1")
    assert (read.method, read.raw_path, read.query, read.version) == ("GET", b"//a%20b", b"c=d?e", "1.1")
    assert read.fields == [(b"host", b"inbox"), (b"x-a", b"b c"), (b"x-a", b"")]
    assert (read.body_bytes, read.keep_alive, read.wants_websocket) == (0, True, False)


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        ([], 0),
        (["Content-Length: 5"], 5),
        (["content-length:005"], 5),
        (["Transfer-Encoding: chunked"], None),
        (["transfer-encoding:\tChunKed "], None),
        (["Connection: content-length", "Content-Length: 5"], 5),
        (["Connection: Upgrade", "Upgrade: h2c", "Content-Length: 5"], 5),
        (["Upgrade: websocket", "Connection: upgrade", "Transfer-Encoding: chunked"], None),
    ],
)
def test_the_length_of_a_body_is_one(lines: list[str], length: int | None) -> None:
    assert head(*lines).body_bytes == length


@pytest.mark.parametrize(
    "lines",
    [
        *(["Content-Length: 5", "Transfer-Encoding: chunked"], ["Transfer-Encoding: chunked", "Content-Length: 0"]),
        *(["Content-Length: 5", "Content-Length: 5"], ["Content-Length: 5", "content-length: 6"]),
        *(
            [f"Content-Length: {value}"]
            for value in ("5, 5", "5,6", "+5", "-5", "", "5 5", "0x5", "5.0", "1e3", "\xb2")
        ),
        *([f"Content-Length: {value}"] for value in ("9" * 19, "9" * 4000, "5\x0b", "\x0c5", "5;a", '"5"')),
        *([f"Transfer-Encoding: {value}"] for value in ("chunked, identity", "identity", "chunked, chunked", "")),
        *(
            [f"Transfer-Encoding: {value}"]
            for value in (",chunked", "chunked,", "xchunked", "chunked;a=b", "\x0bchunked")
        ),
        *(
            ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
            ["Transfer-Encoding:", "Transfer-Encoding: chunked"],
        ),
        *(
            ["Transfer-Encoding: chunked", "transfer-encoding: identity"],
            ["Transfer-Encoding: identity, chunked, gzip"],
        ),
    ],
    ids=" | ".join,
)
def test_a_body_whose_end_is_not_clear_is_refused(lines: list[str]) -> None:
    assert refusal(*lines) is ErrorCode.MALFORMED_REQUEST


def test_chunks_are_not_of_http_1_0() -> None:
    assert refusal("Transfer-Encoding: chunked", first="POST / HTTP/1.0") is ErrorCode.MALFORMED_REQUEST


@pytest.mark.parametrize("coding", ["gzip, chunked", "identity, chunked"])
def test_a_coding_that_is_not_understood_is_named(coding: str) -> None:
    assert refusal(f"Transfer-Encoding: {coding}") is ErrorCode.TRANSFER_CODING_NOT_IMPLEMENTED


@pytest.mark.parametrize(
    "line",
    [
        *(
            "X : a",
            "X\t: a",
            " X: a",
            "\tX: a",
            ": a",
            "X",
            "",
            "X Y: a",
            "X\xe9: a",
            "X\0: a",
            "X@: a",
            "(X): a",
            "X;: a",
        ),
        *(
            "X: a\0",
            "X: a\x01b",
            "X: a\x7f",
            "X: a\x0bb",
            "X: a\rb",
            "X: a\nb",
            "X: a\n Y: b",
            "X: a\r\n b",
            "X: a\r\n\tb",
        ),
        *("X: a\nContent-Length: 5", "X: a\rContent-Length: 5", "X: a\r\n\rContent-Length: 5", "X: a\r\r\nY: b"),
    ],
)
def test_a_header_is_a_name_a_colon_and_a_value_on_one_line(line: str) -> None:
    assert refusal(line) is ErrorCode.MALFORMED_REQUEST


@pytest.mark.parametrize(
    "first",
    [
        *("GET /", "GET  / HTTP/1.1", "GET /  HTTP/1.1", "GET\t/ HTTP/1.1", "GET / a HTTP/1.1", "GET / HTTP/1.1 "),
        *(" GET / HTTP/1.1", "GET / http/1.1", "GET / HTTP/1", "GET / HTTP/1.10", "GET / HTTP/01.1", "GET / HTTP/x.1"),
        *(
            "GET / HTTP/1.1\0",
            "GET /\x7f HTTP/1.1",
            "GET /\xe9 HTTP/1.1",
            "GET /\0 HTTP/1.1",
            "G(T / HTTP/1.1",
            "/ HTTP/1.1",
        ),
        *(
            "GET a HTTP/1.1",
            "GET a/b HTTP/1.1",
            "GET /#a HTTP/1.1",
            "GET * HTTP/1.1",
            "GET ? HTTP/1.1",
            "GET inbox:80 HTTP/1.1",
        ),
        *(
            "GET ftp://a/ HTTP/1.1",
            "GET http:/// HTTP/1.1",
            "GET http:// HTTP/1.1",
            "GET http://u@a/ HTTP/1.1",
            "HTTP/1.1",
        ),
        *("", "GET", f"{'G' * 33} / HTTP/1.1", "GET http://a\\b/ HTTP/1.1", "GET http://a#b HTTP/1.1"),
    ],
)
def test_the_first_line_is_a_method_a_target_and_a_version(first: str) -> None:
    assert refusal(first=first) is ErrorCode.MALFORMED_REQUEST


@pytest.mark.parametrize("version", ["0.9", "1.2", "2.0", "3.0", "9.9"])
def test_other_versions_are_refused_as_such(version: str) -> None:
    assert refusal(first=f"GET / HTTP/{version}") is ErrorCode.HTTP_VERSION_NOT_SUPPORTED


@pytest.mark.parametrize("target", ["inbox:443", "/", "http://inbox/"])
def test_the_gateway_is_no_proxy(target: str) -> None:
    assert refusal(first=f"CONNECT {target} HTTP/1.1") is ErrorCode.METHOD_NOT_IMPLEMENTED


@pytest.mark.parametrize("host", ["Host: a", "host:a:80", "HOST: [::1]:80", "Host: a.b-c_d:"])
def test_a_host_is_a_name_or_an_address_with_a_port(host: str) -> None:
    assert head(host=host).fields


@pytest.mark.parametrize(
    "host",
    [
        *(None, "Host: a\r\nHost: a", "Host: a\r\nhost: b", "Host:", "Host: ", "Host: a b", "Host: a/b", "Host: a,b c"),
        *(
            "Host: http://a",
            "Host: u@a",
            "Host: a?b",
            "Host: a#b",
            "Host: a:b",
            "Host: [::1",
            "Host: \xe9",
            "Host: a\\b",
        ),
        *('Host: "a"', "Host: <a>", "Host: a:80:80", "Host: :80"),
    ],
)
def test_what_is_no_host_or_more_than_one_is_refused(host: str | None) -> None:
    assert refusal(host=host) is ErrorCode.MALFORMED_REQUEST


def test_http_1_0_needs_no_host() -> None:
    read = head(first="GET / HTTP/1.0", host=None)
    assert (read.version, read.keep_alive) == ("1.0", False)


@pytest.mark.parametrize(
    ("target", "path", "query", "host"),
    [
        ("http://other/a?b=c", b"/a", b"b=c", b"other"),
        ("HTTPS://other:8443/", b"/", b"", b"other:8443"),
        ("http://other", b"/", b"", b"other"),
        ("http://other?b", b"/", b"b", b"other"),
        ("http://[::1]:80//a//", b"//a//", b"", b"[::1]:80"),
    ],
)
def test_a_whole_address_wins_over_the_host_header(target: str, path: bytes, query: bytes, host: bytes) -> None:
    read = head("Host-Not: x", first=f"GET {target} HTTP/1.1")
    assert (read.raw_path, read.query, read.fields) == (path, query, [(b"host", host), (b"host-not", b"x")])


@pytest.mark.parametrize(
    ("lines", "keep_alive"),
    [
        (["Connection: close"], False),
        (["Connection: keep-alive", "Connection: x , CLOSE"], False),
        (["Connection: closed"], True),
        (["Connection: keep-alive"], True),
    ],
)
def test_a_connection_closes_when_the_client_says_so(lines: list[str], *, keep_alive: bool) -> None:
    assert head(*lines).keep_alive is keep_alive


@pytest.mark.parametrize(
    ("first", "lines", "wanted"),
    [
        ("GET / HTTP/1.1", ["Connection: Upgrade", "Upgrade: websocket"], True),
        ("GET / HTTP/1.1", ["Connection: keep-alive", "connection: x,UPGRADE", "upgrade: h2c, WebSocket"], True),
        ("GET / HTTP/1.1", ["Upgrade: websocket"], False),
        ("GET / HTTP/1.1", ["Connection: Upgrade"], False),
        ("GET / HTTP/1.1", ["Connection: Upgrade", "Upgrade: h2c"], False),
        ("GET / HTTP/1.1", ["Connection: Upgrade", "Upgrade: websockets"], False),
        ("GET / HTTP/1.1", ["Connection: Upgrade", "Upgrade: websocket", "Content-Length: 5"], False),
        ("GET / HTTP/1.1", ["Connection: Upgrade", "Upgrade: websocket", "Transfer-Encoding: chunked"], False),
        ("GET / HTTP/1.0", ["Connection: Upgrade", "Upgrade: websocket"], False),
        ("POST / HTTP/1.1", ["Connection: Upgrade", "Upgrade: websocket"], False),
        ("HEAD / HTTP/1.1", ["Connection: Upgrade", "Upgrade: websocket"], False),
    ],
)
def test_a_websocket_is_asked_for_with_a_get_of_http_1_1_without_a_body(
    first: str, lines: list[str], *, wanted: bool
) -> None:
    assert head(*lines, first=first).wants_websocket is wanted


def test_the_number_of_headers_has_a_bound() -> None:
    assert len(head(*(f"X-{number}: a" for number in range(MAX_FIELDS - 1))).fields) == MAX_FIELDS
    assert refusal(*(f"X-{number}: a" for number in range(MAX_FIELDS))) is ErrorCode.HEADERS_TOO_LARGE


@pytest.mark.parametrize(
    "beginning", ["", "G", "GET", "GET ", "GET /a", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nX: a\r", "\r"]
)
def test_half_a_head_may_become_a_whole_one(beginning: str) -> None:
    check_beginning(beginning.encode())


@pytest.mark.parametrize(
    "beginning", ["GET /\r\n", "GET /\n", "\x16\x03\x01\x02\0", "GET / HTTP/1.1\r\nX: a\n", "\0", " ", "{", "é"]
)
def test_what_cannot_become_a_head_is_refused_at_once(beginning: str) -> None:
    with pytest.raises(RefusedRequestError):
        check_beginning(beginning.encode())


@pytest.mark.parametrize("beginning", ["GET /", "GET / HTTP/1.1\r\nX: ", "GET / HTTP/1.1\r\n"])
def test_a_head_that_comes_byte_by_byte_costs_no_more_for_each_byte_than_for_the_first(beginning: str) -> None:
    reader = RequestReader()
    reader.feed(beginning.encode())
    began = time.thread_time()
    for _ in range(32 * 1024):
        assert reader.read_head() is None
        reader.feed(b"a")
    assert time.thread_time() - began < 2  # 0.2 s; 6 s when all of it was looked at again each time


@pytest.mark.parametrize(
    "packets",
    [
        ["\r", "\n\nGET / HTTP/1.1\r\n"],
        ["GET / HTTP/1.1\r", "\nX: a\n"],
        ["GET / HTTP/1.1\r\nX: a", "\nY: b\r\n"],
        ["GET / HTTP/1.1\r\nX: a\r", "\nY", "\n"],
        ["GET / HT", "TP/1.1\r", "\n", "X: a\r", "\n\n"],
        ["GET / HTTP/1.1 \r", "\n"],
    ],
)
def test_what_cannot_become_a_head_is_refused_at_once_in_any_packets(packets: list[str]) -> None:
    reader = RequestReader()
    *earlier, last = packets
    for packet in earlier:
        reader.feed(packet.encode())
        assert reader.read_head() is None
    reader.feed(last.encode())
    with pytest.raises(RefusedRequestError):
        reader.read_head()


# ---- bodies in chunks


def decode(data: bytes, step: int = NO_LIMIT, most_chunks: int = NO_LIMIT) -> tuple[bytes, bytes]:
    """Decode a body that comes in packets of a size; return its content and what follows it."""
    body, content, held, at = ChunkedBody(), b"", b"", 0
    for start in range(0, len(data), step):
        held, at = held[at:] + data[start : start + step], 0
        while True:
            parts, at = body.decode(held, at, most_chunks)
            content += b"".join(parts)
            if body.finished or body.needs_data:
                break
    assert body.finished, "there is no end"
    return content, held[at:]


WHOLE = (
    b"3\r\nabc\r\nA;x=y;z\r\n0123456789\r\n0001;\r\n\r\r\n000;a\r\nX: y\r\nContent-Length: 7\r\n\r\nGET / HTTP/1.1\r\n"
)


@pytest.mark.parametrize("step", [1, 2, 3, 7, NO_LIMIT])
@pytest.mark.parametrize("most_chunks", [1, 2, NO_LIMIT])
def test_chunks_are_decoded_over_any_packets_and_in_any_slices(step: int, most_chunks: int) -> None:
    content, rest = decode(WHOLE, step, most_chunks)
    assert content == b"abc0123456789\r"
    assert WHOLE.endswith(rest)
    assert len(rest) <= len(b"GET / HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"\r\n",
            b"x\r\n",
            b"-1\r\n",
            b"+1\r\n",
            b"0x1\r\n",
            b" 1\r\n",
            b"1 \r\n",
            b"1 ;a\r\n",
            b"1\n",
            b"1\r",
            b";a\r\n",
            b"1_0\r\n",
        ),
        *(
            b"1\r\nabc",
            b"1\r\na\n",
            b"1\r\na\r\r\n",
            b"2\r\na\r\n\r\n0\r\n",
            b"1;\0\r\na",
            b"1;a\nb\r\na",
            b"1;a\rb\r\na",
        ),
        *(b"F" * 17 + b"\r\n", b"0" * 17 + b"1\r\n", b"1;" + b"x" * 2000, b"1" * 2000),
        *(
            b"0\r\nX\r\n\r\n",
            b"0\r\nX : y\r\n\r\n",
            b"0\r\nX: y\nZ: z\r\n\r\n",
            b"0\r\nX: y\r\n z\r\n\r\n",
            b"0\r\nX: \0\r\n\r\n",
        ),
    ],
    ids=lambda data: repr(data[:30]),
)
def test_what_are_no_chunks_is_refused_in_one_packet_or_in_many(data: bytes) -> None:
    for step in (1, NO_LIMIT):
        with pytest.raises(RefusedRequestError):
            decode(data + b"x" * (data == b"1\r"), step)


def test_trailers_have_a_bound_whether_they_end_or_not() -> None:
    assert decode(b"0\r\nX: " + b"x" * (MAX_TRAILER_BYTES - 3) + b"\r\n\r\n") == (b"", b"")
    for trailers in (
        b"X: " + b"x" * MAX_TRAILER_BYTES,
        b"X: y\r\n" * MAX_TRAILER_BYTES,
        b"X: " + b"x" * MAX_TRAILER_BYTES + b"\r\n\r\n",
    ):
        for step in (1000, NO_LIMIT):
            with pytest.raises(RefusedRequestError) as refused:
                decode(b"0\r\n" + trailers, step)
            assert refused.value.code is ErrorCode.HEADERS_TOO_LARGE


def test_a_trailer_counts_like_a_header() -> None:
    with pytest.raises(RefusedRequestError):
        decode(b"0\r\n" + b"X:y\r\n" * (MAX_FIELDS + 1) + b"\r\n")


def test_extensions_may_be_as_long_as_the_content_and_a_little_more() -> None:
    small = b"1;" + b"x" * 500 + b"\r\na\r\n"
    assert decode(small * 30 + b"0\r\n\r\n")[0] == b"a" * 30
    with pytest.raises(RefusedRequestError):
        decode(small * (1 + MAX_OVERHEAD_BYTES // 480) + b"0\r\n\r\n")
    large = b"200;" + b"x" * 500 + b"\r\n" + b"a" * 512 + b"\r\n"
    assert len(decode(large * 1000 + b"0\r\n\r\n")[0]) == 512_000


def test_a_byte_a_chunk_is_no_attack_by_itself() -> None:
    assert decode(b"1\r\na\r\n" * 20_000 + b"0\r\n\r\n")[0] == b"a" * 20_000
