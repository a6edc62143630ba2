"""Responses that the ingress sends without the API."""

import json
from typing import Any

import pytest

from gateway.domain.errors import ErrorCode
from gateway.server.request import RefusedRequestError
from gateway.server.responses import refusal, refuse_websocket


@pytest.mark.parametrize("with_body", [True, False])
def test_a_refusal_is_a_complete_response_that_ends_the_connection(*, with_body: bool) -> None:
    refused = RefusedRequestError(ErrorCode.MALFORMED_REQUEST, "Lines end with CR and LF")
    head, _, body = refusal(refused, [(b"x-request-id", b"r1")], with_body=with_body).partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    assert status == "HTTP/1.1 400 Bad Request"
    fields = dict(line.split(": ", 1) for line in lines)
    assert fields["Connection"] == "close"
    assert fields["x-request-id"] == "r1"
    if with_body:
        assert len(body) == int(fields["Content-Length"])
        (problem,) = json.loads(body)["errors"]
        assert (problem["code"], problem["message"]) == ("malformed_request", "Lines end with CR and LF")
    else:
        assert body == b""


async def test_a_websocket_on_another_path_gets_404_with_the_right_path() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await refuse_websocket({}, None, send)
    assert sent[0]["status"] == 404
    assert "/realtime/ws" in json.loads(sent[1]["body"])["errors"][0]["message"]
