"""Unknown paths, wrong methods and HEAD."""

import httpx
import pytest

from tests.api.inbox import Inbox, code, messages
from tests.servers import (
    ADMIN,
)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing"),
        ("POST", "/notifications/42/read/all"),
        ("GET", "/realtime"),
        ("GET", "/demo/x"),
        ("GET", "/%2e%2e/etc/passwd"),
    ],
)
async def test_an_unknown_route_returns_404_with_an_errors_array(
    http: httpx.AsyncClient, method: str, path: str
) -> None:
    response = await http.request(method, path, headers=ADMIN)
    assert (response.status_code, code(response)) == (404, "not_found")
    assert messages(response) == [f"No route {method} {httpx.URL(path).path}"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/notifications", {"GET", "HEAD", "POST"}),
        ("PATCH", "/notifications/42", {"GET", "HEAD", "DELETE"}),
        ("GET", "/notifications/42/archive", {"POST", "DELETE"}),
        ("POST", "/notifications/42", {"GET", "HEAD", "DELETE"}),
        ("DELETE", "/config", {"GET", "HEAD"}),
        ("POST", "/healthz", {"GET", "HEAD"}),
        ("OPTIONS", "/notifications/read", {"POST"}),
    ],
)
async def test_a_wrong_method_returns_405_and_lists_the_right_ones(
    http: httpx.AsyncClient, method: str, path: str, allowed: set[str]
) -> None:
    response = await http.request(method, path)
    assert (response.status_code, code(response)) == (405, "method_not_allowed")
    assert set(response.headers["allow"].split(", ")) == allowed


async def test_head_returns_the_headers_of_get_without_the_body(inbox: Inbox) -> None:
    await inbox.receive()
    head, get = [await inbox.request(method, "/notifications") for method in ("HEAD", "GET")]
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
