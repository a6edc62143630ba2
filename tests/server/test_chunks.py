"""Chunked bodies: RFC 9112, section 7.1, read strictly."""

import pytest

from gateway.domain.errors import ErrorCode
from gateway.server.chunks import MAX_OVERHEAD_BYTES, MAX_TRAILER_BYTES, ChunkedBody
from gateway.server.request import MAX_FIELDS, RefusedRequestError

NO_LIMIT = 1_000_000


def decode(data: bytes, step: int = NO_LIMIT, most_chunks: int = NO_LIMIT) -> tuple[bytes, bytes]:
    """Decode a body that is received in packets of a size. Return its content and what follows it."""
    body, content, held, at = ChunkedBody(), b"", b"", 0
    for start in range(0, len(data), step):
        held, at = held[at:] + data[start : start + step], 0
        while True:
            parts, at = body.decode(held, at, most_chunks)
            content += b"".join(parts)
            if body.finished or body.needs_data:
                break
    assert body.finished, "the body is incomplete"
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
def test_malformed_chunks_are_refused_in_one_packet_or_in_many(data: bytes) -> None:
    for step in (1, NO_LIMIT):
        with pytest.raises(RefusedRequestError):
            decode(data + b"x" * (data == b"1\r"), step)


def test_trailers_have_a_bound_whether_they_are_complete_or_not() -> None:
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


def test_the_number_of_trailers_has_the_bound_of_headers() -> None:
    with pytest.raises(RefusedRequestError):
        decode(b"0\r\n" + b"X:y\r\n" * (MAX_FIELDS + 1) + b"\r\n")


def test_extensions_may_be_as_long_as_the_content_and_a_little_more() -> None:
    small = b"1;" + b"x" * 500 + b"\r\na\r\n"
    assert decode(small * 30 + b"0\r\n\r\n")[0] == b"a" * 30
    with pytest.raises(RefusedRequestError):
        decode(small * (1 + MAX_OVERHEAD_BYTES // 480) + b"0\r\n\r\n")
    large = b"200;" + b"x" * 500 + b"\r\n" + b"a" * 512 + b"\r\n"
    assert len(decode(large * 1000 + b"0\r\n\r\n")[0]) == 512_000


def test_a_body_of_a_byte_a_chunk_is_decoded() -> None:
    assert decode(b"1\r\na\r\n" * 20_000 + b"0\r\n\r\n")[0] == b"a" * 20_000
