"""Unknown paths, wrong methods, HEAD, and operations that are not built."""

import re

import httpx
import pytest

from gateway.api.core.operation import AnyOperation
from gateway.api.operations import OPERATIONS
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
async def test_an_unknown_route_answers_404_in_the_errors_shape(
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
async def test_a_wrong_method_answers_405_and_names_the_right_ones(
    http: httpx.AsyncClient, method: str, path: str, allowed: set[str]
) -> None:
    response = await http.request(method, path)
    assert (response.status_code, code(response)) == (405, "method_not_allowed")
    assert set(response.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    "operation",
    [operation for operation in OPERATIONS if operation.summary == "Not built yet"],
    ids=lambda operation: f"{operation.method} {operation.path}",
)
async def test_an_operation_that_is_not_built_says_so(http: httpx.AsyncClient, operation: AnyOperation) -> None:
    path = re.sub(r"{[^}]*}", "42", operation.path)
    response = await http.request(operation.method, path, headers=ADMIN, json={})
    assert (response.status_code, response.json()) == (
        501,
        {"errors": [{"message": "This operation is not built yet", "code": "not_built"}]},
    )


async def test_head_answers_as_get_without_the_body(inbox: Inbox) -> None:
    await inbox.receive()
    head, get = [await inbox.request(method, "/notifications") for method in ("HEAD", "GET")]
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
