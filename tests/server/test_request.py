"""The head of a request: RFC 9112, read strictly."""

import pytest

from gateway.domain.errors import ErrorCode
from gateway.server.request import MAX_FIELDS, Head, RefusedRequestError, check_beginning, read_head


def head(*lines: str, first: str = "POST /a HTTP/1.1", host: str | None = "Host: inbox") -> Head:
    """Read a head with some lines."""
    return read_head("\r\n".join([first, *([host] if host is not None else []), *lines]).encode("latin-1"))


def refusal(*lines: str, first: str = "POST /a HTTP/1.1", host: str | None = "Host: inbox") -> ErrorCode:
    """Return the code of the error with which a head is refused."""
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
def test_the_length_of_a_body_is_read(lines: list[str], length: int | None) -> None:
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
def test_a_body_whose_end_is_ambiguous_is_refused(lines: list[str]) -> None:
    assert refusal(*lines) is ErrorCode.MALFORMED_REQUEST


def test_a_chunked_body_in_http_1_0_is_refused() -> None:
    assert refusal("Transfer-Encoding: chunked", first="POST / HTTP/1.0") is ErrorCode.MALFORMED_REQUEST


@pytest.mark.parametrize("coding", ["gzip, chunked", "identity, chunked"])
def test_an_unsupported_transfer_coding_has_an_error_code_of_its_own(coding: str) -> None:
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
def test_a_header_that_is_not_a_name_a_colon_and_a_value_on_one_line_is_refused(line: str) -> None:
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
def test_a_request_line_that_is_not_a_method_a_target_and_a_version_is_refused(first: str) -> None:
    assert refusal(first=first) is ErrorCode.MALFORMED_REQUEST


@pytest.mark.parametrize("version", ["0.9", "1.2", "2.0", "3.0", "9.9"])
def test_other_versions_have_an_error_code_of_their_own(version: str) -> None:
    assert refusal(first=f"GET / HTTP/{version}") is ErrorCode.HTTP_VERSION_NOT_SUPPORTED


@pytest.mark.parametrize("target", ["inbox:443", "/", "http://inbox/"])
def test_connect_is_refused(target: str) -> None:
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
def test_a_malformed_host_or_more_than_one_is_refused(host: str | None) -> None:
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
def test_an_absolute_target_overrides_the_host_header(target: str, path: bytes, query: bytes, host: bytes) -> None:
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
def test_a_client_can_ask_to_close_the_connection(lines: list[str], *, keep_alive: bool) -> None:
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
def test_a_websocket_handshake_is_a_get_of_http_1_1_without_a_body(
    first: str, lines: list[str], *, wanted: bool
) -> None:
    assert head(*lines, first=first).wants_websocket is wanted


def test_the_number_of_headers_has_a_bound() -> None:
    assert len(head(*(f"X-{number}: a" for number in range(MAX_FIELDS - 1))).fields) == MAX_FIELDS
    assert refusal(*(f"X-{number}: a" for number in range(MAX_FIELDS))) is ErrorCode.HEADERS_TOO_LARGE


@pytest.mark.parametrize(
    "beginning", ["", "G", "GET", "GET ", "GET /a", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nX: a\r", "\r"]
)
def test_the_beginning_of_a_head_is_accepted(beginning: str) -> None:
    check_beginning(beginning.encode())


@pytest.mark.parametrize(
    "beginning", ["GET /\r\n", "GET /\n", "\x16\x03\x01\x02\0", "GET / HTTP/1.1\r\nX: a\n", "\0", " ", "{", "é"]
)
def test_bytes_that_cannot_become_a_head_are_refused_at_once(beginning: str) -> None:
    with pytest.raises(RefusedRequestError):
        check_beginning(beginning.encode())
