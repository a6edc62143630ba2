"""The shape of a notification in v2."""

import msgspec
import pytest

from gateway.api.v2.items import V2Notification, decode_item, shown
from gateway.store.redis.problems import StoreDataError

ITEM = (
    b'{"id":"a","title":"T","content":null,"action_url":null,"category":"","topic":"t",'
    b'"custom_attributes":{"b": [1.0]},'
    b'"recipient":{"id":"u","email":null,"external_id":"ada","first_name":null,"last_name":null,"custom_attributes":{}},'
    b'"seen_at":7,"sent_at":5,"read_at":null,"archived_at":null}'
)


def test_a_notification_has_the_fields_of_v2() -> None:
    item = msgspec.json.decode(msgspec.json.encode(shown(decode_item(ITEM))))
    assert msgspec.to_builtins(msgspec.convert(item, V2Notification)) == item
    assert item == {
        "id": "a",
        "user_id": "u",
        "title": "T",
        "topic": "t",
        "custom_attributes": {"b": [1.0]},
        **dict.fromkeys(("content", "action_url", "category", "read_at", "archived_at", "discarded_at")),
        **dict.fromkeys(("created_at", "sent_at"), "1970-01-01T00:00:05.000Z"),
        **dict.fromkeys(("updated_at", "seen_at"), "1970-01-01T00:00:07.000Z"),
    }


def test_a_notification_whose_state_was_lost_has_the_beginning_of_time() -> None:
    item = shown(decode_item(ITEM.replace(b'"sent_at":5', b'"sent_at":null').replace(b":7", b":null")))
    assert item["created_at"] == item["updated_at"] == "1970-01-01T00:00:00.000Z"


def test_what_is_no_notification_is_a_fault_of_the_store() -> None:
    with pytest.raises(StoreDataError):
        decode_item(b"{}")
