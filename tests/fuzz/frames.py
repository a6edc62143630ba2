"""WebSocket input: frames and other bytes, in one packet or in many."""

import json
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode
from websockets.streams import StreamReader

from tests.fuzz.inputs import Input, json_values, text_of, unusual_texts
from tests.fuzz.target import USER, FuzzTarget
from tests.servers import user_headers

FIELDS = ("type", "api_key", "user_external_id", "user_email", "user_hmac", "token", "since")
SERVER_MESSAGES = {"ready", "event", "reset", "renewed", "pong", "error", "goodbye"}
INTERNAL_ERROR = 1011
"""A close code that no input contains, so that it is never an echo."""


def _frame(opcode: int, data: bytes, fin: bool, reserved: int, mask: bytes, claimed: int) -> bytes:
    """Return a frame, valid or not; its header declares `claimed` more bytes than it has."""
    size = max(0, len(data) + claimed)
    extended = b"" if size < 126 else size.to_bytes(2) if size < 65536 else size.to_bytes(8)
    short = {0: size, 2: 126, 8: 127}[len(extended)]
    head = bytes([fin << 7 | reserved << 4 | opcode, (0x80 if mask else 0) | short])
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data)) if mask else data
    return head + extended + mask + masked


def _mostly(usual: Any, unusual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Generate a usual value in most cases, so that unusual values occur beside usual ones."""
    return st.one_of(*[st.just(usual)] * 6, unusual)


_masks = _mostly(b"\0\0\0\0", st.binary(min_size=4, max_size=4)) | _mostly(b"\1\2\3\4", st.just(b""))


def _frames(opcodes: st.SearchStrategy[int], data: st.SearchStrategy[bytes], fin: Any = True) -> Any:
    fins = _mostly(fin, st.booleans())
    return st.builds(_frame, opcodes, data, fins, _mostly(0, st.integers(0, 7)), _masks, _mostly(0, st.integers(-9, 9)))


_auth = st.dictionaries(st.sampled_from(FIELDS), unusual_texts | json_values, max_size=5).map(
    lambda fields: json.dumps({"type": "auth", **fields}).encode()
)
_messages = st.one_of(
    st.just(b'{"type":"ping"}'),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=3).map(lambda value: json.dumps(value).encode()),
    st.text(max_size=40).map(str.encode),
    st.binary(max_size=300),
    st.integers(0, 9000).map(lambda size: b" " * size),
)
_close = st.builds(
    lambda code, reason: code.to_bytes(2) + reason,
    st.sampled_from([1000, 1001, 1005, 1006, 3000, 4999]) | st.integers(0, 65535),
    st.text(max_size=20).map(str.encode) | st.binary(max_size=130),
).filter(lambda data: not data.startswith(INTERNAL_ERROR.to_bytes(2)))
_control = st.one_of(
    _frames(st.just(Opcode.PING), st.binary(max_size=125)),
    _frames(st.just(Opcode.PONG), st.binary(max_size=125)),
    _frames(st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=140)),
)


@st.composite
def _in_fragments(draw: st.DrawFn, messages: st.SearchStrategy[bytes]) -> bytes:
    """Generate a message in fragments, some of them empty, with control frames between."""
    message = draw(messages)
    cuts = sorted(draw(st.lists(st.integers(0, len(message)), min_size=1, max_size=4)))
    pieces = [message[start:end] for start, end in zip([0, *cuts], [*cuts, len(message)], strict=True)]
    data = b""
    for number, piece in enumerate(pieces):
        opcode = draw(st.sampled_from([Opcode.TEXT, Opcode.BINARY])) if number == 0 else Opcode.CONT
        data += draw(_frames(st.just(opcode), st.just(piece), fin=number == len(pieces) - 1))
        data += draw(_mostly(b"", _control))
    return data


@st.composite
def _inputs(draw: st.DrawFn) -> Input:
    """Generate frames, cut into parts anywhere. With credentials or an `auth`, the order of responses varies."""
    repeatable = draw(st.booleans())
    messages = _messages if repeatable else _messages | _auth
    piece = st.one_of(
        _frames(st.sampled_from([Opcode.TEXT, Opcode.TEXT, Opcode.BINARY]), messages),
        _in_fragments(messages),
        _control,
        _frames(st.just(Opcode.CLOSE), st.sampled_from([b"", b"\3", b"\3\xe8"]) | _close),
        _frames(st.integers(0, 15), messages),
        st.binary(max_size=40),
    )
    data = b"".join(draw(st.lists(piece, max_size=8)))
    data *= draw(_mostly(1, st.integers(1, 200))) if len(data) < 400 else 1
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(data) - 1)), max_size=6))) if data else []
    parts = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return {
        "repeatable": repeatable,
        "credentials": not repeatable and draw(st.booleans()),
        "parts": [text_of(part) for part in parts],
    }


inputs = _inputs()


def check(target: FuzzTarget, tried: Input) -> None:
    """Check that the server sends valid frames, and the same for one packet as for many."""
    parts = [part.encode("latin-1") for part in tried["parts"]]
    headers = user_headers(USER) if tried["credentials"] else {}
    apart, together = [_read(target.send_bytes(sent, headers=headers)) for sent in (parts, [b"".join(parts)])]
    for opcode, data in apart + together:
        _assert_allowed(opcode, data)
    if tried["repeatable"]:
        assert apart == together


def _read(received: bytes) -> list[tuple[Opcode, bytes]]:
    """Parse the bytes of a server strictly: they must be complete frames, with none after a close."""
    reader = StreamReader()
    reader.feed_data(received)
    reader.feed_eof()
    frames: list[tuple[Opcode, bytes]] = []
    while not _returned(reader.at_eof()):
        frame: Frame = _returned(Frame.parse(reader.read_exact, mask=False, max_size=None))
        frames.append((frame.opcode, bytes(frame.data)))
    assert Opcode.CLOSE not in [opcode for opcode, _ in frames[:-1]], frames
    return frames


def _returned(generator: Generator[None, None, Any]) -> Any:
    """Return the result of a coroutine of the library whose data is complete."""
    with pytest.raises(StopIteration) as stopped:
        next(generator)
    return stopped.value.value


def _assert_allowed(opcode: Opcode, data: bytes) -> None:
    if opcode is Opcode.TEXT:
        assert json.loads(data)["type"] in SERVER_MESSAGES, data
    elif opcode is Opcode.CLOSE:
        assert Close.parse(data).code != INTERNAL_ERROR, data
    else:
        assert opcode in (Opcode.PING, Opcode.PONG), opcode
