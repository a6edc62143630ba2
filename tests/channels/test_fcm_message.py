"""A message of FCM serves Android, Apple's platforms and browsers, and has 4096 bytes at most."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.fcm_message import MAX_MESSAGE_BYTES, fcm_message
from gateway.channels.fcm_push import PROVIDER
from gateway.channels.message import Message
from tests.channels.push_links import ID, push_to

NOW = 1_800_000_000
TOKEN = "t" * 80


def push(**changes: Any) -> Message:
    return push_to(PROVIDER, {"device_token": TOKEN}, **{"sent_at": NOW, "expires_at": NOW + 600, **changes})


def sent(message: Message) -> Any:
    return json.loads(fcm_message(message, NOW) or b"null")["message"]


def test_a_message_has_texts_data_and_the_settings_of_each_platform() -> None:
    found = sent(
        push(
            action_url="https://example.com/7",
            category="orders",
            topic="order:7",
            image_url="https://cdn.example.com/7.png",
            custom_attributes={"order": 7},
        )
    )
    assert found["token"] == TOKEN
    assert found["notification"] == {
        "title": "Your order has shipped",
        "body": "It arrives on Friday.",
        "image": "https://cdn.example.com/7.png",
    }
    assert found["data"] == {
        "id": str(ID),
        "action_url": "https://example.com/7",
        "category": "orders",
        "topic": "order:7",
        "image_url": "https://cdn.example.com/7.png",
        "custom_attributes": '{"order":7}',
    }
    assert found["android"]["collapseKey"] == found["android"]["notification"]["tag"] == "order:7"
    assert (found["android"]["ttl"], found["android"]["priority"]) == ("600s", "HIGH")
    assert found["apns"]["headers"]["apns-collapse-id"] == "order:7"
    assert found["apns"]["payload"]["aps"] == {
        "badge": 3,
        "sound": "default",
        "thread-id": "order:7",
        "category": "orders",
        "mutable-content": 1,
    }
    assert found["webpush"]["fcmOptions"] == {"link": "https://example.com/7"}
    assert len(found["webpush"]["headers"]["Topic"]) == 32


def test_a_message_without_a_topic_takes_none_of_the_four_collapse_keys_of_a_device() -> None:
    found = sent(push(action_url="app://orders/7"))
    assert "collapseKey" not in found["android"]
    assert found["android"]["notification"]["tag"] == str(ID)
    assert "fcmOptions" not in found["webpush"]


def test_the_fields_of_the_sender_are_merged_last_under_either_spelling() -> None:
    extra = {
        "android": {"collapse_key": "own", "notification": {"channel_id": "news"}},
        "apns": {"payload": {"aps": {"content-available": 1, "snake_case": 1}}},
        "webpush": {"notification": {"require_interaction": True}},
        "data": {"count": 7, "nested": {"a": 1}, "text": "x"},
        "token": "another",
        "topic": "everybody",
    }
    found = sent(push(topic="order:7", extra=extra))
    assert found["token"] == TOKEN
    assert "topic" not in found
    assert found["android"]["collapseKey"] == "own"
    assert "collapse_key" not in found["android"]
    assert found["android"]["notification"]["channelId"] == "news"
    assert found["apns"]["payload"]["aps"]["snake_case"] == 1
    assert found["webpush"]["notification"]["require_interaction"] is True
    assert {name: found["data"][name] for name in ("count", "nested", "text")} == {
        "count": "7",
        "nested": '{"a":1}',
        "text": "x",
    }
    assert sent(push(extra={"data": None}))["data"] == {}


def test_a_message_of_the_past_is_not_kept_for_later() -> None:
    assert sent(push(expires_at=NOW - 1))["android"]["ttl"] == "0s"


def test_a_message_that_is_too_large_is_cut_and_then_loses_its_attributes() -> None:
    encoded = fcm_message(push(content="y" * 9000), NOW) or b""
    assert MAX_MESSAGE_BYTES < len(encoded) <= MAX_MESSAGE_BYTES + len(TOKEN) + 30
    assert json.loads(encoded)["message"]["notification"]["body"].endswith("y\u2026")
    found = sent(push(custom_attributes={"all": "x" * 5000}))
    assert "custom_attributes" not in found["data"]
    assert fcm_message(push(extra={"data": {"own": "x" * 5000}}), NOW) is None


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=2000))
def test_no_text_makes_a_message_too_large(content: str) -> None:
    encoded = fcm_message(push(content=content * 4), NOW)
    assert encoded is not None
    assert len(encoded) <= MAX_MESSAGE_BYTES + len(TOKEN) + 30
