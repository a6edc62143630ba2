"""Large bodies: decoded in pieces with the same result, while other requests are served."""

import asyncio
import json
import time
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.core.body import Body, read_body
from gateway.api.core.large_bodies import PIECE_BYTES, decode_in_pieces
from gateway.api.v1 import imports, notifications
from gateway.domain.errors import ApiError
from gateway.domain.objects import Object
from tests.api.inbox import messages
from tests.servers import ADMIN

LARGE = "x" * PIECE_BYTES


def outcome(body: Body, content: bytes, in_pieces: bool) -> Any:
    """Read a body, and return its fields or its faults."""
    whole = Object(fields={body.root: body.param})
    try:
        decode = (lambda text: decode_in_pieces(text, whole)) if in_pieces else msgspec.json.decode
        return read_body(content, body.root, body.param, decode)
    except ApiError as error:
        return error.status, error.problems


JUNK: list[Any] = [{}] * PIECE_BYTES
USER = {"external_id": "ada"}
NOTIFICATIONS: list[dict[str, Any]] = [
    {"title": "x", "content": LARGE, "recipients": [USER]},
    {"title": LARGE, "recipients": [USER]},
    {"title": JUNK, "recipients": [USER]},
    {"title": {"a": JUNK}, "recipients": [USER]},
    {"title": "x", "recipients": [USER], "send_at": JUNK},
    {"title": "x", "recipients": JUNK},
    {"title": "x", "recipients": {"a": JUNK}},
    {"title": "x", "recipients": [None, {"external_id": LARGE}, {"external_id": "a", "junk": JUNK}, {}]},
    {"title": "x", "recipients": [{**USER, "phone_numbers": [LARGE, 5]}]},
    {"title": "x", "recipients": [{**USER, "phone_numbers": JUNK}]},
    {"title": "x", "recipients": [USER], "custom_attributes": JUNK},
    {"title": "x", "recipients": [USER], "custom_attributes": LARGE},
    {"title": "x", "recipients": [USER], "custom_attributes": {"a": JUNK}},
    {"title": "x", "recipients": [{"matches": {"custom_attributes": {"a": LARGE}}}]},
    {"title": "x", "recipients": [{"matches": LARGE}]},
    {"title": "x", "recipients": [USER], "overrides": {"channels": {"in_app": {"title": "y", "content": LARGE}}}},
    {"title": "x", "recipients": [{**USER, "custom_attributes": {"a": "b" * 900}}] * 1000},
]


@pytest.mark.parametrize("notification", NOTIFICATIONS, ids=range(len(NOTIFICATIONS)))
def test_a_body_decoded_in_pieces_has_the_same_fields(notification: dict[str, Any]) -> None:
    content = json.dumps({"notification": notification, "more": JUNK}).encode()
    assert outcome(notifications.NEW_NOTIFICATION, content, True) == outcome(
        notifications.NEW_NOTIFICATION, content, False
    )


@given(st.integers(0, 10_001), st.integers(0, 200))
def test_rows_of_an_import_in_pieces_are_the_rows(count: int, width: int) -> None:
    content = json.dumps({"import": {"users": [{"external_id": str(n), "x": "y" * width} for n in range(count)]}})
    assert outcome(imports.NEW_IMPORT, content.encode(), True) == outcome(imports.NEW_IMPORT, content.encode(), False)


@pytest.mark.parametrize("cut", [1, 2, 1000, PIECE_BYTES * 3])
def test_a_large_body_that_is_no_json_is_refused(cut: int) -> None:
    content = json.dumps({"notification": {"title": "x", "content": LARGE, "recipients": JUNK}}).encode()[:-cut]
    status, _ = outcome(notifications.NEW_NOTIFICATION, content, True)
    assert status == 400


MANY = {
    "fields": b'{"notification":{' + b",".join(b'"k%d":1' % number for number in range(500_000)) + b"}}",
    "fields around it": b"{" + b",".join(b'"k%d":1' % number for number in range(500_000)) + b"}",
    "the same field": b'{"notification":{' + b'"title":1,' * 700_000 + b'"title":1}}',
    "items": b'{"notification":{"recipients":[' + b"1," * 4_000_000 + b"1]}}",
}


@pytest.mark.parametrize("content", MANY.values(), ids=MANY.keys())
def test_too_many_small_parts_are_refused_without_decoding_them_all(content: bytes) -> None:
    began = time.thread_time()
    status, problems = outcome(notifications.NEW_NOTIFICATION, content, in_pieces=True)
    assert time.thread_time() - began < 0.15  # 0.02 s; 0.25 to 0.4 s when all were decoded
    assert status == 422
    assert any("must have" in problem.message for problem in problems)


def test_a_response_lists_a_thousand_faults_at_most() -> None:
    recipients = [{**USER, "phone_numbers": [1] * 50}] * 1000
    status, problems = outcome(
        notifications.NEW_NOTIFICATION,
        json.dumps({"notification": {"title": "x", "recipients": recipients}}).encode(),
        False,
    )
    assert (status, len(problems)) == (422, 1000)


async def test_others_are_served_while_a_large_body_is_read(http: httpx.AsyncClient) -> None:
    attributes: dict[str, Any] = {"a": [{}] * 2_500_000}
    junk = msgspec.json.encode({"notification": {"title": "x", "custom_attributes": attributes}})
    started = time.perf_counter()
    outcome(notifications.NEW_NOTIFICATION, junk, False)
    in_one_go = time.perf_counter() - started
    waits: list[float] = []

    async def probe() -> None:
        while True:
            started = time.perf_counter()
            await http.get("/healthz")
            waits.append(time.perf_counter() - started)

    longest = []
    for _ in range(3):  # on a busy machine other requests wait, too
        waits.clear()
        async with asyncio.TaskGroup() as tasks:
            probing = tasks.create_task(probe())
            response = await http.post("/notifications", headers=ADMIN, content=junk, timeout=30)
            probing.cancel()
        assert response.status_code == 422
        assert "Param 'notification.custom_attributes' must have at most 6000 bytes as JSON" in messages(response)
        longest.append(max(waits))
    assert min(longest) < in_one_go / 2
