"""The inside of the websockets library on which `websocket_protocol` relies. A failure names what a version changed.

test_websocket_frames.py tests the behaviour towards peers.
"""

import gc
import weakref
from types import GeneratorType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol
from websockets.streams import StreamReader

from gateway.live.websocket_protocol import WebSocketProtocol
from tests.live.test_websocket_frames import PING_MESSAGE, frame


def ignore(frame: Frame) -> None:
    """Do nothing with a frame."""


def test_the_librarys_parser_is_a_generator() -> None:
    assert isinstance(Protocol(SERVER).parser, GeneratorType), "websockets: Protocol.parser is no generator any more"


def test_between_frames_the_parser_is_suspended_in_at_eof() -> None:
    waits_in = Protocol(SERVER).parser.gi_yieldfrom  # type: ignore[attr-defined] # declared as an iterator
    message = "websockets: the parser no longer waits in StreamReader.at_eof for the first byte of a frame"
    assert isinstance(waits_in, GeneratorType), message
    assert waits_in.gi_code is StreamReader.at_eof.__code__, message


@given(st.lists(st.binary(max_size=200), max_size=6), st.data())
def test_the_protocol_reports_whether_a_frame_is_incomplete(payloads: list[bytes], data: st.DataObject) -> None:
    frames = [Frame(Opcode.BINARY, payload).serialize(mask=True) for payload in payloads]
    sent = b"".join(frames)
    ends = {len(b"".join(frames[:count])) for count in range(len(frames) + 1)}
    cuts = data.draw(st.sets(st.integers(0, len(sent)), max_size=8) | st.just(ends))
    received: list[Frame] = []
    protocol, taken = WebSocketProtocol(received.append, max_size=None), 0
    for cut in sorted(cuts):
        protocol.receive_data(sent[taken:cut])
        taken = cut
        assert protocol.between_frames == (taken in ends), "websockets: the parser's position is not recognized"
    assert [each.data for each in received] == payloads[: len([end for end in ends if 0 < end <= taken])]


def test_each_frame_is_passed_on_before_the_next_one_is_parsed() -> None:
    open_at_frame: list[bool] = []

    def close(frame: Frame) -> None:
        open_at_frame.append(protocol.is_open)
        if protocol.is_open:
            protocol.send_close(4000)

    protocol = WebSocketProtocol(close, max_size=None)
    protocol.receive_data(frame(Opcode.TEXT, PING_MESSAGE) * 2)
    assert open_at_frame == [True, False], "websockets: Protocol.recv_frame is no longer called frame by frame"
    assert protocol.frames == 2


def test_an_exception_of_the_gateway_is_kept_and_closes_with_1011() -> None:
    def fail(frame: Frame) -> None:
        raise KeyError("a fault of the gateway")

    protocol = WebSocketProtocol(fail, max_size=None)
    protocol.receive_data(frame(Opcode.TEXT, PING_MESSAGE))
    assert isinstance(protocol.trouble, KeyError)
    assert protocol.failed, "websockets: exceptions of recv_frame are no longer kept in parser_exc"
    assert protocol.take_output() == (b"\x88\x02\x03\xf3", True), "websockets: no close with 1011, then the end"


def test_invalid_text_closes_with_1007() -> None:
    protocol = WebSocketProtocol(ignore, max_size=None)
    protocol.receive_data(frame(Opcode.TEXT, b"\xff"))
    data, ends = protocol.take_output()
    assert (data[2:4], ends) == (b"\x03\xef", True), "websockets: UnicodeDecodeError no longer closes with 1007"
    assert protocol.trouble is None


def test_a_close_between_fragments_is_no_violation() -> None:
    protocol = WebSocketProtocol(ignore, max_size=None)
    protocol.receive_data(frame(Opcode.TEXT, b"{", fin=False) + frame(Opcode.CLOSE, b"\x03\xe8"))
    data, ends = protocol.take_output()
    assert (data, ends) == (b"\x88\x02\x03\xe8", True), "websockets: current_size no longer shows an incomplete message"
    assert not protocol.failed


def test_a_ping_gets_no_response_from_the_library() -> None:
    protocol = WebSocketProtocol(ignore, max_size=None)
    protocol.receive_data(frame(Opcode.PING, b"x"))
    assert protocol.take_output() == (b"", False)


def test_an_open_connection_has_no_end_in_its_output() -> None:
    protocol = WebSocketProtocol(ignore, max_size=None)
    protocol.send_text(b"x")
    assert protocol.take_output() == (b"\x81\x01x", False), "websockets: data_to_send has an empty item before the end"


@pytest.mark.parametrize("used", [False, True])
def test_a_released_protocol_needs_no_garbage_collection(used: bool) -> None:
    protocol = WebSocketProtocol(ignore, max_size=None)
    if used:
        protocol.receive_data(frame(Opcode.TEXT, PING_MESSAGE)[:3])
    reference = weakref.ref(protocol)
    gc.disable()
    try:
        protocol.release()
        del protocol
        assert reference() is None, "websockets: a cycle other than that through Protocol.parser keeps the object"
    finally:
        gc.enable()
