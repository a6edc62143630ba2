"""Decoding the messages of clients."""

import msgspec
import pytest

from gateway.domain.messages import AuthMessage, PingMessage, decode_client_message


def test_a_message_is_decoded_by_its_type() -> None:
    assert decode_client_message('{"type":"ping"}') == PingMessage()
    assert isinstance(decode_client_message('{"type":"auth","token":"x"}'), AuthMessage)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type":"auth","tokn":"x"}', "did you mean `token`"),
        ('{"type":"auth","user_external":"x"}', "did you mean `user_external_id`"),
        ('{"type":"auth","zzz":"x"}', "unknown field `zzz`"),
        ('{"type":"auth","token":5}', "Expected `str"),
        ('{"type":"other"}', "Invalid value 'other'"),
        ("[]", "Expected `object`"),
    ],
)
def test_the_error_names_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message.replace("`", ".")):
        decode_client_message(text)
