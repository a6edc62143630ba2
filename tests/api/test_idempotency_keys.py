"""Every `POST` may be repeated with its `Idempotency-Key`. The tests are made from the route table."""

from collections.abc import Iterator

import httpx
import pytest

from gateway.api.core.call import USER, WORKSPACE
from gateway.api.core.operation import AnyOperation
from tests.api import joe as his
from tests.api.inbox import code
from tests.api.joe import CALLS, Joe, body_of_joe
from tests.servers import Gateway, user_headers

POSTS = [row for row in CALLS if row.method == "POST" and row.caller is not WORKSPACE]
KEYED = [row for row in POSTS if row.idempotent]

WITHOUT_KEY: dict[str, str] = {
    "POST /push_subscriptions": "registering a device token again changes nothing",
}
"""Operations that create something and do not read the key, each with the reason."""


@pytest.fixture(scope="module")
def joe(gateway: Gateway) -> Iterator[Joe]:
    with httpx.Client(base_url=gateway.url, timeout=10) as client:
        yield his.made(client, "joe-idempotency")


@pytest.mark.parametrize("row", POSTS, ids=repr)
def test_a_repeated_post_gets_the_first_response(joe: Joe, row: AnyOperation) -> None:
    path, body = joe.path(row), body_of_joe(row) if row.reads_body else None
    headers = joe.headers(row) | {"Idempotency-Key": f"repeated {row}"}
    first, second = (his.call(joe.client, row, path, headers, body) for _ in range(2))
    assert first.status_code == row.success.status, first.text
    assert (second.status_code, second.content) == (first.status_code, first.content)
    if row.success.status == 201:
        assert row.idempotent != (repr(row) in WITHOUT_KEY), "an operation that creates something is `idempotent`"


@pytest.mark.parametrize("row", KEYED, ids=repr)
def test_a_key_that_came_with_another_body_is_refused(joe: Joe, row: AnyOperation) -> None:
    path, headers = joe.path(row), joe.headers(row) | {"Idempotency-Key": f"reused {row}"}
    assert his.call(joe.client, row, path, headers, body_of_joe(row)).status_code == row.success.status
    raw = b" " + httpx.Request("POST", "http://x", json=body_of_joe(row)).content
    other = joe.client.post(path, headers=headers | {"Content-Type": "application/json"}, content=raw)
    assert (other.status_code, code(other)) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("row", [row for row in KEYED if row.caller is USER], ids=repr)
def test_another_users_key_is_another_key(joe: Joe, row: AnyOperation) -> None:
    key = {"Idempotency-Key": f"shared {row}"}
    path, body = joe.path(row), body_of_joe(row)
    mine = his.call(joe.client, row, path, joe.headers(row) | key, body)
    theirs = his.call(joe.client, row, path, user_headers("eve-idempotency") | key)
    assert (mine.status_code, theirs.status_code) == (row.success.status, row.success.status)
    assert theirs.content != mine.content
