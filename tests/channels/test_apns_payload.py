"""The payload of a push says what the notification says, in 4096 bytes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.apns_payload import MAX_PAYLOAD_BYTES, collapse_id, push_headers, push_payload
from gateway.channels.apns_push import PROVIDER
from gateway.channels.message import Message
from tests.channels.push_links import ID, push_to
from tests.stubs.apns import device_token

CONFIG = {"app_id": "com.example.app", "badge": "unread"}


def push(**changes: Any) -> Message:
    return push_to(PROVIDER, {"device_token": device_token(1)}, **{"config": CONFIG, **changes})


def payload(message: Message) -> Any:
    return json.loads(push_payload(message) or b"null")


def test_a_payload_has_texts_badge_and_sound() -> None:
    assert payload(push()) == {
        "aps": {
            "alert": {"title": "Your order has shipped", "body": "It arrives on Friday."},
            "badge": 3,
            "sound": "default",
        },
        "notification": {"id": str(ID)},
    }
    assert payload(push(content=None))["aps"]["alert"] == {"title": "Your order has shipped"}


def test_the_badge_counts_what_the_configuration_names() -> None:
    assert payload(push(config={**CONFIG, "badge": "unseen"}))["aps"]["badge"] == 1


def test_the_app_gets_what_it_needs_to_open_the_notification() -> None:
    found = payload(
        push(
            action_url="app://orders/7",
            category="orders",
            topic="order:7",
            image_url="https://cdn.example.com/7.png",
            custom_attributes={"order": {"id": 7}},
        )
    )
    assert found["notification"] == {
        "id": str(ID),
        "action_url": "app://orders/7",
        "category": "orders",
        "topic": "order:7",
        "image_url": "https://cdn.example.com/7.png",
        "custom_attributes": {"order": {"id": 7}},
    }
    assert (found["aps"]["category"], found["aps"]["thread-id"], found["aps"]["mutable-content"]) == (
        "orders",
        "order:7",
        1,
    )
    assert payload(push(category="orders"))["aps"]["thread-id"] == "orders"


@pytest.mark.parametrize("version", [1, "1"])
def test_in_version_1_the_fields_are_at_the_top(version: Any) -> None:
    found = payload(push(config={**CONFIG, "payload_version": version}, action_url="app://orders/7"))
    assert (found["id"], found["action_url"]) == (str(ID), "app://orders/7")
    assert "notification" not in found


def test_the_fields_of_the_sender_are_merged_last() -> None:
    found = payload(push(extra={"aps": {"badge": 99, "alert": {"subtitle": "x"}}, "own": 1}))
    assert (found["aps"]["badge"], found["own"]) == (99, 1)
    assert found["aps"]["alert"] == {
        "title": "Your order has shipped",
        "body": "It arrives on Friday.",
        "subtitle": "x",
    }


def test_a_payload_that_is_too_large_loses_the_end_of_its_body() -> None:
    encoded = push_payload(push(content="\U0001f468\u200d\U0001f469\u200d\U0001f467" * 1000)) or b""
    body = json.loads(encoded)["aps"]["alert"]["body"]
    assert MAX_PAYLOAD_BYTES - 25 < len(encoded) <= MAX_PAYLOAD_BYTES
    assert body.endswith("\U0001f467\u2026")


def test_attributes_that_are_too_large_are_left_out() -> None:
    found = payload(push(custom_attributes={"all": "x" * 5000}, content="y" * 50))
    assert found["aps"]["alert"]["body"] == "y" * 50
    assert "custom_attributes" not in found["notification"]


def test_a_payload_that_the_sender_made_too_large_is_none() -> None:
    assert push_payload(push(extra={"own": "x" * MAX_PAYLOAD_BYTES})) is None


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=255),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=3000),
)
def test_no_text_makes_a_payload_too_large(title: str, content: str) -> None:
    encoded = push_payload(push(title=title, content=content * 3))
    assert encoded is not None
    assert len(encoded) <= MAX_PAYLOAD_BYTES


def test_a_topic_replaces_its_last_push_and_a_message_without_one_replaces_itself() -> None:
    assert collapse_id(push(topic="order:7"), 64) == "order:7"
    assert collapse_id(push(), 64) == str(ID)
    long = [collapse_id(push(topic="t" * 100 + end), 64) for end in ("a", "b", "a")]
    assert long[0] == long[2] != long[1]
    assert all(len(each) <= 64 for each in long)
    assert collapse_id(push(topic="caf\u00e9"), 64).isascii()


def test_a_push_that_shows_nothing_is_a_background_push() -> None:
    silent = push(extra={"aps": {"alert": None, "sound": None, "content-available": 1}})
    assert payload(silent)["aps"] == {"badge": 3, "content-available": 1}
    assert payload(push(extra={"aps": "nonsense"}))["aps"] == "nonsense"  # Apple refuses it
    for message, expected in ((silent, ("background", "5")), (push(), ("alert", "10"))):
        headers = push_headers(message, "com.example.app", push_payload(message) or b"")
        assert (headers["apns-push-type"], headers["apns-priority"]) == expected
        assert headers["apns-expiration"] == str(message.expires_at)
