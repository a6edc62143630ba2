"""A message of Expo says what the notification says, in a size that Apple and Google take."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.expo_message import MAX_MESSAGE_BYTES, expo_message
from gateway.channels.expo_push import PROVIDER
from gateway.channels.message import Message
from tests.channels.push_links import ID, push_to

NOW = 1_800_000_000
TOKEN = "ExponentPushToken[xxxxxxxxxxxxxxxxxxxxxx]"


def push(**changes: Any) -> Message:
    return push_to(PROVIDER, {"device_token": TOKEN}, **{"sent_at": NOW, "expires_at": NOW + 600, **changes})


def sent(message: Message) -> Any:
    return json.loads(bytes(expo_message(message, NOW) or b"null"))


def test_a_message_has_texts_data_and_what_devices_show() -> None:
    found = sent(
        push(
            action_url="app://orders/7",
            category="orders",
            topic="order:7",
            image_url="https://cdn.example.com/7.png",
            custom_attributes={"order": 7},
        )
    )
    assert found == {
        "to": TOKEN,
        "title": "Your order has shipped",
        "body": "It arrives on Friday.",
        "data": {
            "id": str(ID),
            "action_url": "app://orders/7",
            "category": "orders",
            "topic": "order:7",
            "image_url": "https://cdn.example.com/7.png",
            "custom_attributes": {"order": 7},
        },
        "badge": 3,
        "sound": "default",
        "priority": "high",
        "ttl": 600,
        "collapseId": "order:7",
        "tag": "order:7",
        "threadId": "order:7",
        "categoryId": "orders",
        "richContent": {"image": "https://cdn.example.com/7.png"},
        "mutableContent": True,
    }


def test_the_fields_of_the_sender_are_merged_last_and_never_change_the_recipient() -> None:
    found = sent(push(content=None, extra={"to": "another", "sound": None, "data": {"own": 1}, "channelId": "news"}))
    assert (found["to"], found["sound"], found["data"]["own"], found["channelId"]) == (TOKEN, None, 1, "news")
    assert found["collapseId"] == str(ID)
    assert "body" not in found


def test_a_message_that_is_too_large_is_cut_and_then_loses_its_attributes() -> None:
    assert sent(push(content="y" * 9000))["body"].endswith("y\u2026")
    assert "custom_attributes" not in sent(push(custom_attributes={"all": "x" * 5000}))["data"]
    assert expo_message(push(extra={"data": {"own": "x" * 5000}}), NOW) is None


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=2000))
def test_no_text_makes_a_message_too_large(content: str) -> None:
    found = expo_message(push(content=content * 4), NOW)
    assert found is not None
    assert len(bytes(found)) <= MAX_MESSAGE_BYTES + len(TOKEN) + 10
