"""`X-Request-Id`: every response has one, and it is in the access log."""

import json
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from gateway.telemetry.logs import user_hash
from tests.servers import ADMIN, Gateway, user_headers, wait_for


def rest(method: str, path: str, **headers: str) -> Callable[[Gateway, dict[str, str]], httpx.Headers]:
    """Make a request, and return the headers of the response."""

    def call(gateway: Gateway, more: dict[str, str]) -> httpx.Headers:
        return httpx.request(method, f"{gateway.url}{path}", headers=headers | more).headers

    return call


def sse(gateway: Gateway, more: dict[str, str]) -> httpx.Headers:
    with httpx.stream("GET", f"{gateway.url}/realtime/sse", headers=user_headers("ada") | more) as response:
        assert response.status_code == 200
        return response.headers


def websocket(gateway: Gateway, more: dict[str, str]) -> httpx.Headers:
    with connect(gateway.websocket_url, additional_headers=user_headers("ada") | more) as socket:
        assert socket.response is not None
        return httpx.Headers(list(socket.response.headers.raw_items()))


WAYS = {
    "list": rest("GET", "/notifications", **user_headers("ada")),
    "refused": rest("GET", "/notifications", **(user_headers("ada") | {"X-MAGICBELL-USER-HMAC": "wrong"})),
    "invalid": rest("POST", "/notifications", **ADMIN),
    "no-route": rest("GET", "/nowhere"),
    "no-method": rest("PUT", "/notifications"),
    "preflight": rest("OPTIONS", "/config", **{"Origin": "https://a.b", "Access-Control-Request-Method": "GET"}),
    "health": rest("GET", "/healthz"),
    "page": rest("GET", "/demo"),
    "redirect": rest("GET", "/"),
    "stream": sse,
    "refused-stream": rest("GET", "/realtime/sse"),
    "websocket": websocket,
}


@pytest.mark.parametrize("way", WAYS)
def test_every_response_has_a_request_id_of_its_own(gateway: Gateway, way: str) -> None:
    first, second = (WAYS[way](gateway, {}).get_list("x-request-id") for _ in range(2))
    assert len(first) == len(second) == 1
    assert first != second
    assert first[0].isprintable()


@pytest.mark.parametrize("way", WAYS)
def test_a_trusted_proxys_request_id_is_kept(gateway: Gateway, way: str) -> None:
    assert WAYS[way](gateway, {"X-Request-Id": "edge-7f3a"})["x-request-id"] == "edge-7f3a"


@pytest.mark.parametrize("given", ["", "a b", "a" * 129, "joe@example.com", 'a"b', "\u00e9"])
def test_an_invalid_request_id_is_replaced(gateway: Gateway, given: str) -> None:
    headers = [(b"X-Request-Id", given.encode())]
    response = httpx.get(f"{gateway.url}/healthz", headers=headers)
    assert response.headers["x-request-id"] not in ("", given)


def line_of(gateway: Gateway, request_id: str) -> dict[str, Any]:
    """Wait for the line of a request in the log, and return it."""

    def lines() -> list[dict[str, Any]]:
        texts = [text for text in gateway.log.splitlines() if text.startswith("{")]
        return [line for line in map(json.loads, texts) if line.get("request_id") == request_id]

    wait_for(lines, f"the line of {request_id}")
    (found,) = lines()
    return found


@pytest.mark.parametrize(("way", "path"), [("list", "/notifications"), ("stream", "/realtime/sse")])
def test_the_log_has_the_caller_and_the_address(gateway: Gateway, way: str, path: str) -> None:
    request_id = f"asked-{way}"
    WAYS[way](gateway, {"X-Request-Id": request_id, "X-Forwarded-For": "198.51.100.1, 203.0.113.7"})
    line = line_of(gateway, request_id)
    channel = httpx.get(f"{gateway.url}/config", headers=user_headers("ada")).json()["ws"]["channel"]
    _, project_id, _, user_id = channel.split(":")
    assert (line["path"], line["status"], line["client"]) == (path, 200, "203.0.113.7")
    assert (line["project"], line["user"]) == (project_id, user_hash(project_id, user_id))
    assert ("connection" in line) is (way == "stream")
    assert user_id not in json.dumps(line)


def test_the_log_has_the_status_of_a_refused_stream(gateway: Gateway) -> None:
    headers = {**user_headers("ada"), "X-MAGICBELL-USER-HMAC": "wrong", "X-Request-Id": "refused-stream-1"}
    assert httpx.get(f"{gateway.url}/realtime/sse", headers=headers).status_code == 401
    line = line_of(gateway, "refused-stream-1")
    assert (line["status"], line["client"]) == (401, "127.0.0.1")


def test_the_log_has_the_connection_of_a_websocket(gateway: Gateway) -> None:
    headers = {**user_headers("ada"), "X-Request-Id": "websocket-1"}
    with connect(gateway.websocket_url, additional_headers=headers) as socket:
        ready = json.loads(socket.recv(5))
    line = line_of(gateway, "websocket-1")
    assert (line["status"], line["connection"]) == (101, ready["connection_id"])


def test_an_unknown_path_is_logged_without_parts_that_may_be_private(gateway: Gateway) -> None:
    headers = {"X-Request-Id": "nowhere-1"}
    httpx.get(f"{gateway.url}/nowhere/joe/notifications?token=hidden", headers=headers)
    line = line_of(gateway, "nowhere-1")
    assert (line["status"], line["path"], line["client"]) == (404, "/nowhere/…/notifications", "127.0.0.1")


def test_a_method_that_a_path_does_not_have_is_logged(gateway: Gateway) -> None:
    headers = {"X-Request-Id": "method-1", "X-Forwarded-For": "192.0.2.7"}
    httpx.patch(f"{gateway.url}/users/joe", headers=headers)
    line = line_of(gateway, "method-1")
    assert (line["method"], line["status"], line["path"], line["client"]) == ("PATCH", 405, "/users/…", "192.0.2.7")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 70_000, 431),
        (b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{", 404),
    ],
)
def test_the_response_to_invalid_http_has_an_id_too(gateway: Gateway, request_bytes: bytes, status: int) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as connection:
        connection.sendall(request_bytes)
        head = connection.recv(65536)
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"\r\nx-request-id: " in head.lower()
    assert b"\r\nx-content-type-options: nosniff\r\n" in head.lower()
