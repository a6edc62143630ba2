"""Size limits of bodies, the rate limit for invalid ones, and the memory that unfinished ones may hold."""

import contextlib
import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from tests.api.inbox import code
from tests.api.workspaces import workspace_headers
from tests.servers import ADMIN, Gateway, running_gateway, user_headers, wait_for

LIMIT = 10
MAX_BODY_BYTES = 400_000
AT_ONCE = 16 * MAX_BODY_BYTES
"""The bytes of bodies that a worker holds. One address or project may hold half of them."""

PREFERENCES = "/notification_preferences"


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    limits = {
        "INBOX_RATE_LIMIT_READS": str(LIMIT),
        "INBOX_RATE_LIMIT_WRITES": str(LIMIT),
        "INBOX_MAX_BODY_BYTES": str(MAX_BODY_BYTES),
    }
    with running_gateway(tmp_path_factory.mktemp("bounded") / "data", **limits) as started:
        yield started


def statuses(gateway: Gateway, user: str, method: str, path: str, times: int, **more: Any) -> list[int]:
    """Make several calls, and return the statuses."""
    with httpx.Client(base_url=gateway.url, headers=user_headers(user)) as client:
        return [client.request(method, path, **more).status_code for _ in range(times)]


# ---- counting


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("PUT", PREFERENCES, {"json": {"notification_preferences": {"categories": 1}}}, 422),
        ("PUT", PREFERENCES, {"content": b"{"}, 400),
        ("PUT", PREFERENCES, {"content": b" " * 300_000}, 413),
        ("PUT", PREFERENCES, {"content": b"x", "headers": {"Content-Encoding": "gzip"}}, 415),
        ("POST", "/subscriptions", {"json": {}}, 422),
        ("POST", "/push_subscriptions", {"json": []}, 422),
        ("POST", "/notifications/read", {"params": {"read": "x"}}, 422),
        ("POST", "/notifications/x/read", {}, 404),
        ("POST", "/notifications/read", {"content": b" " * 20_000}, 413),
        ("GET", "/notifications", {"params": {"page": "x"}}, 422),
        ("GET", "/notifications/x", {}, 404),
        ("GET", "/realtime/events", {"params": {"since": "?"}}, 422),
    ],
)
def test_an_invalid_body_counts_against_the_rate_limit(
    bounded: Gateway, user: str, method: str, path: str, more: dict[str, Any], status: int
) -> None:
    assert statuses(bounded, user, method, path, LIMIT + 2, **more) == [status] * LIMIT + [429] * 2


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", PREFERENCES, {"notification_preferences": {"categories": []}}),
        ("POST", "/subscriptions", {"subscription": {"topic": "t", "categories": [{"slug": "*"}]}}),
        ("POST", "/push_subscriptions", {"push_subscription": {"device_token": "t", "platform": "ios"}}),
        ("POST", "/notifications/read", None),
        ("GET", "/notifications", None),
    ],
)
def test_each_call_counts_once(bounded: Gateway, user: str, method: str, path: str, body: Any) -> None:
    with httpx.Client(base_url=bounded.url, headers=user_headers(user)) as client:
        responses = [client.request(method, path, json=body) for _ in range(3)]
    assert all(response.is_success for response in responses)
    assert [response.headers["ratelimit-remaining"] for response in responses] == ["9", "8", "7"]


# ---- the size of one body

USER_OPERATIONS = {
    ("PUT", PREFERENCES): 256 * 1024,
    ("POST", "/subscriptions"): 256 * 1024,
    ("POST", "/subscriptions/t/unsubscribe"): 256 * 1024,
    ("POST", "/push_subscriptions"): 64 * 1024,
    ("POST", "/notifications/read"): 16 * 1024,
    ("POST", "/notifications/x/read"): 16 * 1024,
    ("DELETE", "/notifications/x"): 16 * 1024,
    ("GET", "/notifications"): 16 * 1024,
    ("GET", "/config"): 16 * 1024,
}
BACKEND_OPERATIONS = {
    ("POST", "/users"): 64 * 1024,
    ("PUT", "/users/x"): 64 * 1024,
    ("POST", "/v2/jwt/user"): 64 * 1024,
    ("PUT", "/v2/jwt/keys"): 64 * 1024,
    ("POST", "/notifications"): MAX_BODY_BYTES,
    ("POST", "/broadcasts"): MAX_BODY_BYTES,
    ("POST", "/imports"): MAX_BODY_BYTES,
    ("GET", "/broadcasts"): 16 * 1024,
}


@pytest.mark.parametrize(("operation", "most"), [*USER_OPERATIONS.items(), *BACKEND_OPERATIONS.items()])
def test_a_body_with_too_large_a_content_length_is_refused_before_it_arrives(
    bounded: Gateway, user: str, operation: tuple[str, str], most: int
) -> None:
    headers = user_headers(user) if operation in USER_OPERATIONS else ADMIN
    method, path = operation
    for announced, refused in ((most, False), (most + 1, True), (10**15, True)):
        with unfinished(bounded, method, path, headers, announced, b"") as connection:
            if refused or most == 16 * 1024:  # an operation without a body does not wait for one
                response = connection.recv(65536)
                assert response.startswith(b"HTTP/1.1 413 ") is refused
                assert (f"The body is larger than {most} bytes".encode() in response) is refused


def test_a_body_without_a_content_length_is_limited_while_it_arrives(bounded: Gateway, user: str) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 10_000

    response = httpx.put(f"{bounded.url}{PREFERENCES}", headers=user_headers(user), content=chunks())
    assert (response.status_code, code(response)) == (413, "body_too_large")


def test_a_workspaces_bodies_are_bounded(bounded: Gateway) -> None:
    headers = workspace_headers(bounded)
    response = httpx.post(f"{bounded.url}/workspaces/default/projects", headers=headers, content=b" " * 70_000)
    assert (response.status_code, code(response)) == (413, "body_too_large")


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b'{"user_notification_read":{}}'])
@pytest.mark.parametrize("path", ["/notifications/read", "/notifications/seen"])
def test_a_mark_ignores_the_bodies_that_clients_send(bounded: Gateway, user: str, path: str, body: bytes) -> None:
    response = httpx.post(f"{bounded.url}{path}", headers=user_headers(user), content=body)
    assert response.status_code == 204


# ---- the bytes of unfinished bodies


@contextlib.contextmanager
def unfinished(
    gateway: Gateway, method: str, path: str, headers: Mapping[str, str], announced: int, sent: bytes
) -> Iterator[socket.socket]:
    """Send a request whose body stops before its announced length, and keep it open within the block."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as connection:
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n{fields}Content-Length: {announced}\r\n\r\n"
        connection.sendall(head.encode())
        connection.sendall(sent)
        yield connection


def held(gateway: Gateway) -> int:
    """Return the number of bytes of unfinished bodies that the worker holds."""
    lines = httpx.get(f"{gateway.url}/metrics").text.splitlines()
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith("inbox_body_bytes"))


def crowd(
    stack: contextlib.ExitStack, gateway: Gateway, path: str, size: int, callers: list[dict[str, str]]
) -> list[dict[str, Any]]:
    """Send bodies that do not end, one after another, until one is refused. Return the first error of the response."""
    for number, headers in enumerate(callers):
        before = held(gateway)
        opened = unfinished(gateway, "PUT" if path == PREFERENCES else "POST", path, headers, size + 1, b" " * size)
        connection = stack.enter_context(opened)
        connection.setblocking(False)
        response = bytearray()

        def is_counted_or_refused(
            before: int = before, connection: socket.socket = connection, response: bytearray = response
        ) -> bool:
            with contextlib.suppress(BlockingIOError):
                response += connection.recv(65536)
            return bool(response) or held(gateway) >= before + size

        wait_for(is_counted_or_refused, f"body {number} to arrive or be refused")
        if response:
            head, _, body = bytes(response).partition(b"\r\n\r\n")
            assert b"\r\nretry-after: 1\r\n" in head.lower() + b"\r\n"
            errors: list[dict[str, Any]] = json.loads(body)["errors"]
            return [{"number": number, "status": int(head[9:12]), "code": errors[0]["code"]}]
    return []


def test_one_users_unfinished_bodies_are_bounded_and_other_users_are_not_affected(bounded: Gateway, user: str) -> None:
    with contextlib.ExitStack() as stack:
        refusal = crowd(stack, bounded, PREFERENCES, 250_000, [user_headers(user)] * 6)
        assert refusal == [{"number": 4, "status": 429, "code": "too_many_bodies"}]
        body = {"notification_preferences": {"categories": []}, "padding": " " * 100_000}
        others = httpx.put(f"{bounded.url}{PREFERENCES}", headers=user_headers(f"{user}-2"), json=body)
        assert others.status_code == 200
    wait_for(lambda: held(bounded) == 0, "all bytes to be given back")


def test_one_projects_unfinished_bodies_are_bounded(bounded: Gateway) -> None:
    callers = [ADMIN | {"X-Forwarded-For": f"203.0.113.{number}"} for number in range(16)]
    with contextlib.ExitStack() as stack:
        refusal = crowd(stack, bounded, "/notifications", 399_000, callers)
        assert refusal == [{"number": 8, "status": 429, "code": "too_many_bodies"}]
    wait_for(lambda: held(bounded) == 0, "all bytes to be given back")


def test_the_unfinished_bodies_of_one_address_and_of_a_worker_are_bounded(bounded: Gateway, user: str) -> None:
    size = 250_000

    def callers(client: str, count: int) -> list[dict[str, str]]:
        return [user_headers(f"{user}-{client}-{number}") | {"X-Forwarded-For": client} for number in range(count)]

    fit = AT_ONCE // 2 // size
    with contextlib.ExitStack() as stack:
        refusal = crowd(stack, bounded, PREFERENCES, size, callers("203.0.113.1", fit + 1))
        assert refusal == [{"number": fit, "status": 429, "code": "too_many_bodies"}]
        # The bytes of the refused body were released.
        refusal = crowd(stack, bounded, PREFERENCES, size, callers("203.0.113.2", fit))
        assert refusal == []
        refusal = crowd(stack, bounded, PREFERENCES, size, callers("203.0.113.3", 5))
        assert (refusal[0]["status"], refusal[0]["code"]) == (503, "overloaded")
        assert httpx.get(f"{bounded.url}/notifications", headers=user_headers(user)).status_code == 200
    wait_for(lambda: held(bounded) == 0, "all bytes to be given back")


@pytest.mark.parametrize(("size", "status"), [(2000, 400), (2001, 413)])
def test_the_largest_body_is_a_setting(strict: httpx.Client, size: int, status: int) -> None:
    assert strict.post("/notifications", headers=ADMIN, content=b"x" * size).status_code == status
