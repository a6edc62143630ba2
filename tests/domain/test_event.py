"""Positions and the head of a published message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.event import Event, Position, on_one_line

epochs = st.from_regex(r"[0-9A-Za-z_-]{1,32}", fullmatch=True)
offsets = st.integers(0, 10**15)


@given(epochs, offsets)
def test_a_position_is_parsed_as_it_was_written(epoch: str, offset: int) -> None:
    assert Position.parse(str(Position(epoch, offset))) == Position(epoch, offset)


@pytest.mark.parametrize(
    "text", ["", "e", "e.", ".1", "e.-1", "e.01", "e.1.2", "e e.1", "e.1\n", "é.1", "e.1" + "0" * 16]
)
def test_any_other_text_is_not_a_position(text: str) -> None:
    assert Position.parse(text) is None


@given(st.text())
def test_parsing_a_position_never_fails(text: str) -> None:
    parsed = Position.parse(text)
    assert parsed is None or str(parsed) == text


def test_a_message_is_decoded_without_parsing_its_json() -> None:
    event = Event.decode(b'k3f9.43 1700000000123 notifications/new\n{"type":"event"}')
    assert event == Event(Position("k3f9", 43), 1700000000123, "notifications/new", b'{"type":"event"}')


@pytest.mark.parametrize("message", [b"", b"x\n{}", b"e.1 5 n", b"e 5 n\n{}", b"e.1 x n\n{}", b"\xff.1 5 n\n{}"])
def test_a_message_without_its_head_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the kind of ValueError does not matter
        Event.decode(message)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ('{"a":"x"}', '{"a":"x"}'),
        ('{"a":"\u2028\u2029"}', '{"a":"\\u2028\\u2029"}'),
        ('{"a":"\u2013"}', '{"a":"\u2013"}'),
        ('{"a":"\x85"}', '{"a":"\\u0085"}'),
        ('{"a":\r1}', '{"a": 1}'),
    ],
)
def test_unicode_line_ends_are_escaped(text: str, escaped: str) -> None:
    assert on_one_line(text.encode()) == escaped.encode()
