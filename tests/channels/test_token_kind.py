"""Kinds of channel tokens: what identifies a token."""

from collections.abc import Mapping
from typing import Any

import pytest

from gateway.channels.token_kind import TokenKind
from gateway.domain.objects import Object
from gateway.domain.params import Text

URL = Object(fields={"url": Text(max_length=100)})
DEVICE = TokenKind(
    path="push",
    title="Push",
    component="Push",
    fields={"device_token": Text(required=True, max_length=100)},
    identities=(("device_token",),),
    example={"device_token": "abc"},
)
CHAT = TokenKind(
    path="chat",
    title="Chat",
    component="Chat",
    fields={"team": Text(max_length=100), "room": Text(max_length=100), "webhook": URL},
    identities=(("team", "room"), ("webhook.url",)),
    example={"team": "a", "room": "b"},
)


@pytest.mark.parametrize(
    ("kind", "values", "identity"),
    [
        (DEVICE, {"device_token": "abc"}, "device_token\nabc"),
        (DEVICE, {"device_token": None}, None),
        (CHAT, {"team": "a", "room": "b", "webhook": {"url": "c"}}, "team\na\nb"),
        (CHAT, {"team": "a", "room": None, "webhook": {"url": "c"}}, "webhook.url\nc"),
        (CHAT, {"team": "a", "webhook": None}, None),
        (CHAT, {}, None),
    ],
)
def test_the_first_alternative_that_is_present_identifies_a_token(
    kind: TokenKind, values: Mapping[str, Any], identity: str | None
) -> None:
    assert kind.identity(values) == identity


def test_a_token_without_identity_is_refused_in_words_that_name_the_fields() -> None:
    assert DEVICE.missing_identity == "Param 'device_token' is missing"
    assert CHAT.missing_identity == "One of team, room, webhook.url is missing"
