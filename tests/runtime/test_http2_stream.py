"""A connection passes on all frames but GOAWAY, in whatever pieces they arrive, and refuses the streams beyond it."""

import asyncio
import socket
import ssl
from itertools import pairwise
from typing import Any

import pytest
from httpcore2 import AsyncNetworkStream, ReadTimeout, WriteError
from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime.http2_stream import GOAWAY, HEADERS, MAX_UNSENT_BYTES, PREFACE, RST_STREAM, Http2Stream

DATA, SETTINGS = 0x0, 0x4
LAST = 2**31 - 1


def frame(kind: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, 0)) + stream.to_bytes(4, "big") + payload


def goaway(last: int) -> bytes:
    return frame(GOAWAY, 0, last.to_bytes(4, "big") + bytes(4) + b'{"reason": "Shutdown"}')


def refusal(stream: int) -> bytes:
    return frame(RST_STREAM, stream, (7).to_bytes(4, "big"))


class Pieces(AsyncNetworkStream):
    """A connection on which these pieces arrive, and then its end, unless it `stays_open`."""

    def __init__(self, *pieces: bytes, stays_open: bool = False):
        self.pieces = [*pieces]
        self.stays_open = stays_open
        self.written: list[bytes] = []
        self.info: dict[str, Any] = {}
        self.fails = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore2's
        if self.pieces:
            return self.pieces.pop(0)
        if timeout is None or not self.stays_open:
            return b""
        await asyncio.sleep(timeout)
        raise ReadTimeout

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore2's
        if self.fails:
            raise WriteError
        self.written.append(buffer)

    async def aclose(self) -> None:
        """Do nothing."""

    def get_extra_info(self, info: str) -> Any:
        return self.info[info]


async def passed(*pieces: bytes, opened: tuple[int, ...] = ()) -> tuple[bytes, int]:
    """Return what a connection passes on of these pieces, and how often it reports that it is shut down."""
    reports: list[None] = []
    stream = Http2Stream(Pieces(*pieces), lambda: reports.append(None))
    await stream.write(PREFACE + frame(SETTINGS, 0) + b"".join(frame(HEADERS, number, b"x") for number in opened))
    found = b""
    while data := await stream.read(1024):
        found += data
    await stream.aclose()
    return found, len(reports)


FRAMES = [frame(SETTINGS, 0), frame(HEADERS, 1, b"head"), goaway(3), frame(DATA, 1, b"x" * 300), frame(HEADERS, 3)]


@given(st.lists(st.integers(0, sum(map(len, FRAMES))), max_size=12))
def test_frames_are_passed_on_whole_in_whatever_pieces_they_arrive(cuts: list[int]) -> None:
    everything = b"".join(FRAMES)
    places = [0, *sorted(set(cuts)), len(everything)]
    pieces = [everything[begin:end] for begin, end in pairwise(places) if end > begin]
    found, reports = asyncio.run(passed(*pieces, opened=(1, 3, 5, 7)))
    refused = refusal(5) + refusal(7)
    assert found == FRAMES[0] + FRAMES[1] + refused + FRAMES[3] + FRAMES[4]
    assert reports == 1


@pytest.mark.parametrize(
    ("pieces", "refused"),
    [
        ([goaway(LAST), goaway(3)], [5, 7]),
        ([goaway(LAST)], []),
        ([goaway(0)], [1, 3, 5, 7]),
        ([goaway(5), goaway(1)], [7, 3, 5]),
        ([goaway(2)], [3, 5, 7]),
        ([goaway(LAST | 1 << 31)], []),
    ],
)
async def test_streams_beyond_the_last_one_are_refused_once(pieces: list[bytes], refused: list[int]) -> None:
    found, reports = await passed(*pieces, opened=(1, 3, 5, 7))
    assert found == b"".join(map(refusal, refused))
    assert reports == 1


async def test_a_stream_that_is_opened_after_the_end_is_refused() -> None:
    stream = Http2Stream(Pieces(goaway(1), frame(DATA, 1), stays_open=True), lambda: None)
    await stream.write(frame(HEADERS, 1))
    assert await stream.read(1024, 1.0) == frame(DATA, 1)
    await stream.write(frame(HEADERS, 3) + frame(DATA, 3))
    assert await stream.read(1024, 1.0) == refusal(3)
    with pytest.raises(ReadTimeout):
        await stream.read(1024, 0.1)
    await stream.aclose()


async def test_what_is_written_in_a_few_turns_leaves_together() -> None:
    inner = Pieces()
    stream = Http2Stream(inner, lambda: None)
    for kind in (HEADERS, DATA, DATA):
        await stream.write(frame(kind, 1))
    while not inner.written:
        await asyncio.sleep(0)
    assert inner.written == [frame(HEADERS, 1) + frame(DATA, 1) * 2]
    large = frame(DATA, 1, bytes(MAX_UNSENT_BYTES))
    await stream.write(large)
    assert inner.written[1] == large  # the writer waits


async def test_a_failed_write_fails_the_next_one() -> None:
    inner = Pieces()
    inner.fails = True
    stream = Http2Stream(inner, lambda: None)
    await stream.write(frame(HEADERS, 1))
    for _ in range(5):
        await asyncio.sleep(0)
    with pytest.raises(WriteError):
        await stream.write(frame(HEADERS, 3))


@pytest.mark.parametrize(
    ("pieces", "is_over"), [([], False), ([frame(SETTINGS, 0)], False), ([goaway(1)], True), ([b""], True)]
)
async def test_an_idle_connection_is_over_when_its_server_says_so(pieces: list[bytes], is_over: bool) -> None:
    inner = Pieces(*pieces, stays_open=True)
    ours, theirs = socket.socketpair()
    inner.info = {"socket": ours, "ssl_object": Undecided()}
    stream = Http2Stream(inner, lambda: None)
    with ours, theirs:
        assert not await stream.is_over()  # there is nothing to read
        theirs.send(b"a record of TLS")
        assert await stream.is_over() is is_over


class Undecided:
    """A TLS object that waits for more."""

    def read(self, size: int) -> bytes:
        raise ssl.SSLWantReadError


async def test_a_frame_of_an_absurd_length_is_passed_on_as_it_is() -> None:
    nonsense = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    assert await passed(nonsense) == (nonsense, 0)
