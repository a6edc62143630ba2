"""Responses of operations."""

from gateway.api.core.responses import json_response, no_content, raw_json_response


def test_a_value_is_encoded_as_compact_json() -> None:
    response = json_response({"a": [1, None]}, 201, {"X-Inbox-Position": "k.1"})
    assert (response.status_code, bytes(response.body)) == (201, b'{"a":[1,null]}')
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-inbox-position"] == "k.1"


def test_json_that_is_encoded_already_is_passed_on() -> None:
    assert bytes(raw_json_response(b'{"a":  1}').body) == b'{"a":  1}'


def test_no_content_has_no_body() -> None:
    assert (no_content().status_code, bytes(no_content().body)) == (204, b"")
