"""The requests of one connection, in any packets."""

import time

import pytest

from gateway.domain.errors import ErrorCode
from gateway.server.reader import CHUNKS_AT_ONCE, MAX_EMPTY_LINES, RequestReader
from gateway.server.request import MAX_HEAD_BYTES, RefusedRequestError, _read_headers

GET = b"GET /a HTTP/1.1\r\nHost: inbox\r\n\r\n"


def test_requests_follow_each_other() -> None:
    reader = RequestReader()
    reader.feed(b"POST /b HTTP/1.1\r\nHost: inbox\r\nContent-Length: 3\r\n\r\nabc" + GET)
    first = reader.read_head()
    assert first is not None
    assert first.raw_path == b"/b"
    assert reader.read_body() == ([b"abc"], 3)
    assert reader.body_finished
    second = reader.read_head()
    assert second is not None
    assert second.raw_path == b"/a"
    assert not reader.has_more


def test_an_incomplete_head_is_kept_until_the_rest_is_fed() -> None:
    reader = RequestReader()
    for byte in GET[:-1]:
        reader.feed(bytes([byte]))
        assert reader.read_head() is None
    reader.feed(GET[-1:])
    assert reader.read_head() is not None


def test_the_bytes_of_a_body_that_are_yet_to_be_received_are_counted() -> None:
    reader = RequestReader()
    reader.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
    reader.read_head()
    assert reader.body_bytes_to_come == 7
    assert reader.read_body() == ([b"abc"], 3)
    assert not reader.body_finished


def test_a_body_of_many_chunks_is_read_in_slices() -> None:
    reader = RequestReader()
    reader.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    reader.read_head()
    reader.feed(b"1\r\na\r\n" * (CHUNKS_AT_ONCE + 1) + b"0\r\n\r\n")
    parts, slices = list[bytes](), 0
    while not reader.body_finished:
        assert slices == 0 or reader.body_needs_slice
        content, _ = reader.read_body()
        parts += content
        slices += 1
    assert b"".join(parts) == b"a" * (CHUNKS_AT_ONCE + 1)
    assert slices == 2
    assert not reader.body_needs_slice


def test_the_rest_is_what_was_not_read() -> None:
    reader = RequestReader()
    reader.feed(GET + b"rest")
    reader.read_head()
    assert reader.take_rest() == b"rest"
    assert not reader.has_more


def test_a_head_has_a_bound() -> None:
    reader = RequestReader()
    reader.feed(b"GET / HTTP/1.1\r\nX: " + b"a" * MAX_HEAD_BYTES)
    with pytest.raises(RefusedRequestError) as refused:
        reader.read_head()
    assert refused.value.code is ErrorCode.HEADERS_TOO_LARGE


def test_a_few_empty_lines_may_stand_before_a_request() -> None:
    reader = RequestReader()
    reader.feed(b"\r\n" * MAX_EMPTY_LINES + GET)
    assert reader.read_head() is not None
    reader.feed(b"\r\n" * (MAX_EMPTY_LINES + 1) + GET)
    with pytest.raises(RefusedRequestError):
        reader.read_head()


def test_a_refused_head_request_is_recognized() -> None:
    reader = RequestReader()
    reader.feed(b"HEAD / HTTP/1.1\r\n\r\n")
    with pytest.raises(RefusedRequestError):
        reader.read_head()
    assert reader.is_head


@pytest.mark.parametrize("beginning", ["GET /", "GET / HTTP/1.1\r\nX: ", "GET / HTTP/1.1\r\n"])
def test_the_cost_of_a_head_that_arrives_byte_by_byte_does_not_grow_with_its_length(beginning: str) -> None:
    reader = RequestReader()
    reader.feed(beginning.encode())
    began = time.thread_time()
    for _ in range(32 * 1024):
        assert reader.read_head() is None
        reader.feed(b"a")
    assert time.thread_time() - began < 2  # 0.2 s; 6 s if all of it were checked again each time


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
def test_bytes_that_cannot_become_a_head_are_refused_at_once_in_any_packets(packets: list[str]) -> None:
    reader = RequestReader()
    *earlier, last = packets
    for packet in earlier:
        reader.feed(packet.encode())
        assert reader.read_head() is None
    reader.feed(last.encode())
    with pytest.raises(RefusedRequestError):
        reader.read_head()


def test_headers_are_remembered_from_the_second_request_of_a_connection_on() -> None:
    """The first is often the handshake of a live connection, which does not come again."""
    _read_headers.cache_clear()
    reader = RequestReader()
    for expected in (0, 1, 1):
        reader.feed(b"GET /notifications HTTP/1.1\r\nHost: a\r\nX-Only-Here: 1\r\n\r\n")
        assert reader.read_head() is not None
        assert _read_headers.cache_info().currsize == expected
