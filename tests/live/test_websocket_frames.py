"""Frames that RFC 6455 allows and frames that it forbids, sent by a real peer to a real gateway.

These tests cover the most important cases of `make conformance`. Most are sent in one packet, and byte by byte.
"""

import asyncio
from dataclasses import dataclass

import pytest
from websockets.frames import Opcode

from tests.live.clients import Ended, RawWebSocket, open_raw_websocket
from tests.servers import Gateway

PING_MESSAGE, PONG_MESSAGE = b'{"type":"ping"}', b'{"type":"pong"}'
UNKNOWN_FIELD = b'{"type":"error","code":"invalid_message","message":"Object contains unknown field `note`"}'
"""Messages that get a response at once, and their responses, which show that a message arrived."""

FIRST_HALF, SECOND_HALF = PING_MESSAGE[:7], PING_MESSAGE[7:]

RESERVED_OPCODES = [*range(3, 8), *range(11, 16)]


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, reserved: int = 0, masked: bool = True) -> bytes:
    """Return a client's frame, allowed or not, with a mask of zeros."""
    size = len(data)
    extended = b"" if size < 126 else size.to_bytes(2) if size < 65536 else size.to_bytes(8)
    short = {0: size, 2: 126, 8: 127}[len(extended)]
    head = bytes([fin << 7 | reserved << 4 | opcode, masked << 7 | short])
    return head + extended + bytes(4 * masked) + data


def close(code: int, reason: bytes = b"") -> bytes:
    """Return a client's close frame with any code."""
    return frame(Opcode.CLOSE, code.to_bytes(2) + reason)


async def send_parts(peer: RawWebSocket, data: bytes, byte_by_byte: bool) -> None:
    """Send bytes in one packet, or each byte in its own."""
    for part in [data[at : at + 1] for at in range(len(data))] if byte_by_byte else [data]:
        try:
            await peer.send_bytes(part)
        except ConnectionError:  # the gateway has closed the connection because of the bytes before
            return
        await asyncio.sleep(0)


async def read_to_end(peer: RawWebSocket) -> list[tuple[Opcode, bytes]]:
    """Read all frames until the server ends the connection."""
    found: list[tuple[Opcode, bytes]] = []
    try:
        while True:
            received = await peer.frame()
            found.append((received.opcode, bytes(received.data)))
    except Ended:
        return found


@pytest.fixture(params=[False, True], ids=["in-one-packet", "byte-by-byte"])
def byte_by_byte(request: pytest.FixtureRequest) -> bool:
    """Return whether each byte is sent in its own packet."""
    return bool(request.param)


# ---- allowed frames


@dataclass(frozen=True)
class Dialogue:
    """The bytes that a peer sends before it closes, and the frames of the response, in order."""

    sent_bytes: bytes
    responses: tuple[tuple[Opcode, bytes], ...]


DIALOGUES = {
    "a text": Dialogue(frame(Opcode.TEXT, PING_MESSAGE), ((Opcode.TEXT, PONG_MESSAGE),)),
    "an empty text in fragments": Dialogue(
        frame(Opcode.TEXT, fin=False)
        + frame(Opcode.CONT, fin=False)
        + frame(Opcode.CONT, PING_MESSAGE, fin=False)
        + frame(Opcode.CONT),
        ((Opcode.TEXT, PONG_MESSAGE),),
    ),
    "a character cut between fragments": Dialogue(
        frame(Opcode.TEXT, b'{"note":"\xf0\x9f', fin=False)
        + frame(Opcode.CONT, b"\x92", fin=False)
        + frame(Opcode.CONT, b'\xa9","type":"ping"}'),
        # The text is valid, so it is decoded as a message. A ping has no such field.
        ((Opcode.TEXT, UNKNOWN_FIELD),),
    ),
    "an empty ping": Dialogue(frame(Opcode.PING), ((Opcode.PONG, b""),)),
    "the longest ping that is allowed": Dialogue(frame(Opcode.PING, b"\xfe" * 125), ((Opcode.PONG, b"\xfe" * 125),)),
    "unsolicited pongs": Dialogue(frame(Opcode.PONG) + frame(Opcode.PONG, b"\xff" * 125), ()),
    "pings and messages in turn, with responses in the same order": Dialogue(
        frame(Opcode.PING, b"1") + frame(Opcode.TEXT, PING_MESSAGE) + frame(Opcode.PING, b"2"),
        ((Opcode.PONG, b"1"), (Opcode.TEXT, PONG_MESSAGE), (Opcode.PONG, b"2")),
    ),
    "pings between fragments, with responses before that of the message": Dialogue(
        frame(Opcode.TEXT, FIRST_HALF, fin=False)
        + frame(Opcode.PING, b"1")
        + frame(Opcode.CONT, fin=False)
        + frame(Opcode.PING, b"2")
        + frame(Opcode.PONG)
        + frame(Opcode.CONT, SECOND_HALF),
        ((Opcode.PONG, b"1"), (Opcode.PONG, b"2"), (Opcode.TEXT, PONG_MESSAGE)),
    ),
}


@pytest.mark.parametrize("dialogue", DIALOGUES.values(), ids=DIALOGUES.keys())
async def test_allowed_frames_get_responses_in_order(
    gateway: Gateway, user: str, dialogue: Dialogue, byte_by_byte: bool
) -> None:
    async with open_raw_websocket(gateway, user) as peer:
        await peer.message()
        await send_parts(peer, dialogue.sent_bytes + close(1000), byte_by_byte)
        assert await read_to_end(peer) == [*dialogue.responses, (Opcode.CLOSE, b"\x03\xe8")]


@pytest.mark.parametrize("size", [125, 126, 127, 4096])
async def test_a_length_may_be_encoded_in_each_form(gateway: Gateway, user: str, size: int, byte_by_byte: bool) -> None:
    async with open_raw_websocket(gateway, user) as peer:
        await peer.message()
        await send_parts(
            peer, frame(Opcode.TEXT, PING_MESSAGE + b" " * (size - len(PING_MESSAGE))) + close(1000), byte_by_byte
        )
        assert await read_to_end(peer) == [(Opcode.TEXT, PONG_MESSAGE), (Opcode.CLOSE, b"\x03\xe8")]


# ---- forbidden frames


VIOLATIONS = {
    **{
        f"reserved bits {bits:03b} on {opcode.name.lower()}": frame(opcode, reserved=bits)
        for bits in range(1, 8)
        for opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.PING)
    },
    "reserved bits on a close": frame(Opcode.CLOSE, reserved=4),
    **{f"opcode {opcode}": frame(opcode) for opcode in RESERVED_OPCODES},
    **{f"opcode {opcode} between fragments": frame(opcode, fin=False) for opcode in RESERVED_OPCODES[:2]},
    **{
        f"{opcode.name.lower()} without a mask": frame(opcode, masked=False)
        for opcode in (Opcode.TEXT, Opcode.PING, Opcode.PONG, Opcode.CLOSE)
    },
    **{
        f"{opcode.name.lower()} of 126 bytes": frame(opcode, b"\x03\xe8".ljust(126, b"x"))
        for opcode in (Opcode.PING, Opcode.PONG, Opcode.CLOSE)
    },
    **{
        f"{opcode.name.lower()} in fragments": frame(opcode, b"\x03\xe8", fin=False)
        for opcode in (Opcode.PING, Opcode.PONG, Opcode.CLOSE)
    },
    "a continuation of nothing": frame(Opcode.CONT, PING_MESSAGE),
    "a continuation of nothing that is not final": frame(Opcode.CONT, PING_MESSAGE, fin=False),
    "a message within a message": frame(Opcode.TEXT, FIRST_HALF, fin=False) + frame(Opcode.TEXT, SECOND_HALF),
    "a close with half a code": frame(Opcode.CLOSE, b"\x03"),
}


@pytest.mark.parametrize("sent_bytes", VIOLATIONS.values(), ids=VIOLATIONS.keys())
async def test_a_violation_ends_the_connection_and_later_frames_get_no_response(
    gateway: Gateway, user: str, sent_bytes: bytes, byte_by_byte: bool
) -> None:
    async with open_raw_websocket(gateway, user) as peer:
        await peer.message()
        await send_parts(peer, frame(Opcode.TEXT, PING_MESSAGE) + sent_bytes, byte_by_byte)
        assert await peer.message() == {"type": "pong"}
        [(opcode, data)] = await read_to_end(peer)
        assert (opcode, data[:2]) == (Opcode.CLOSE, b"\x03\xea")


NOT_UTF8 = {
    "a byte that no character begins with": b"\xff",
    "a continuation of nothing": b"\x80",
    "an overlong slash": b"\xc0\xaf",
    "a surrogate": b"\xed\xa0\x80",
    "beyond the last character": b"\xf4\x90\x80\x80",
    "a character that is cut short": b"\xf0\x9f\x92 ",
}


@pytest.mark.parametrize("text", NOT_UTF8.values(), ids=NOT_UTF8.keys())
async def test_invalid_utf8_ends_the_connection_and_later_frames_get_no_response(
    gateway: Gateway, user: str, text: bytes, byte_by_byte: bool
) -> None:
    async with open_raw_websocket(gateway, user) as peer:
        await peer.message()
        await send_parts(peer, frame(Opcode.TEXT, b'{"note":"' + text + b'","type":"ping"}'), byte_by_byte)
        [(opcode, data)] = await read_to_end(peer)
        assert (opcode, data[:2]) == (Opcode.CLOSE, b"\x03\xef")


async def test_nothing_in_the_packet_of_invalid_utf8_gets_a_response(gateway: Gateway, user: str) -> None:
    async with open_raw_websocket(gateway, user) as peer:
        await peer.message()
        await peer.send_bytes(frame(Opcode.TEXT, b"\xff") + frame(Opcode.TEXT, PING_MESSAGE) + frame(Opcode.PING))
        [(opcode, data)] = await read_to_end(peer)
        assert (opcode, data[:2]) == (Opcode.CLOSE, b"\x03\xef")


@pytest.mark.parametrize("text", NOT_UTF8.values(), ids=NOT_UTF8.keys())
async def test_invalid_utf8_in_a_fragment_ends_the_connection_before_the_message_is_complete(
    gateway: Gateway, user: str, text: bytes
) -> None:
    async with open_raw_websocket(gateway, user) as peer:
        await peer.message()
        await peer.send_bytes(frame(Opcode.TEXT, b'{"note":"', fin=False))
        for byte in text:
            await peer.send_bytes(frame(Opcode.CONT, bytes([byte]), fin=False))
        assert await peer.close_code() == 1007


async def test_a_text_that_ends_within_a_character_is_invalid_utf8(
    gateway: Gateway, user: str, byte_by_byte: bool
) -> None:
    async with open_raw_websocket(gateway, user) as peer:
        await peer.message()
        await send_parts(peer, frame(Opcode.TEXT, b"\xf0\x9f", fin=False) + frame(Opcode.CONT, b"\x92"), byte_by_byte)
        assert await peer.close_code() == 1007


async def test_binary_messages_need_not_be_utf8(gateway: Gateway, user: str) -> None:
    async with open_raw_websocket(gateway, user) as peer:
        await peer.message()
        await peer.send_bytes(frame(Opcode.BINARY, b"\xff", fin=False) + frame(Opcode.CONT, b"\xc0"))
        assert (await peer.message())["code"] == "invalid_message"
        await peer.send_bytes(frame(Opcode.BINARY, PING_MESSAGE))
        assert await peer.message() == {"type": "pong"}


# ---- the close


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999])
async def test_a_close_frame_gets_its_own_code_and_reason_in_response(
    gateway: Gateway, user: str, code: int, byte_by_byte: bool
) -> None:
    async with open_raw_websocket(gateway, user) as peer:
        await peer.message()
        reason = "so weit, so gut ✓".encode()
        await send_parts(peer, close(code, reason), byte_by_byte)
        assert await read_to_end(peer) == [(Opcode.CLOSE, code.to_bytes(2) + reason)]


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535])
async def test_a_close_code_that_is_not_defined_is_a_violation(gateway: Gateway, user: str, code: int) -> None:
    async with open_raw_websocket(gateway, user) as peer:
        await peer.message()
        await peer.send_bytes(close(code))
        assert await peer.close_code() == 1002


async def test_a_close_frame_without_a_code_gets_one_without_a_code_in_response(
    gateway: Gateway, user: str, byte_by_byte: bool
) -> None:
    async with open_raw_websocket(gateway, user) as peer:
        await peer.message()
        await send_parts(peer, frame(Opcode.CLOSE), byte_by_byte)
        assert await read_to_end(peer) == [(Opcode.CLOSE, b"")]


async def test_the_longest_reason_is_accepted_and_invalid_utf8_in_it_is_a_violation(
    gateway: Gateway, user: str
) -> None:
    for reason, code in ((b"x" * 123, 1000), (b"so far \xc3\x28", 1007)):
        async with open_raw_websocket(gateway, user) as peer:
            await peer.message()
            await peer.send_bytes(close(1000, reason))
            assert await peer.close_code() == code


async def test_a_close_may_come_between_fragments(gateway: Gateway, user: str, byte_by_byte: bool) -> None:
    async with open_raw_websocket(gateway, user) as peer:
        await peer.message()
        beginning = frame(Opcode.TEXT, FIRST_HALF, fin=False)
        await send_parts(peer, beginning + close(1000) + frame(Opcode.CONT, SECOND_HALF), byte_by_byte)
        assert await read_to_end(peer) == [(Opcode.CLOSE, b"\x03\xe8")]


@pytest.mark.parametrize("after", [frame(Opcode.PING), frame(Opcode.TEXT, PING_MESSAGE), close(1001)])
async def test_nothing_gets_a_response_after_a_close_frame(
    gateway: Gateway, user: str, after: bytes, byte_by_byte: bool
) -> None:
    async with open_raw_websocket(gateway, user) as peer:
        await peer.message()
        await send_parts(peer, close(1000) + after, byte_by_byte)
        assert await read_to_end(peer) == [(Opcode.CLOSE, b"\x03\xe8")]
