"""Every `POST` may be repeated with its `Idempotency-Key`. The tests are made from the route table."""

import json
from collections.abc import Iterator

import httpx
import pytest

from gateway.api.core.call import USER, WORKSPACE
from gateway.api.core.operation import AnyOperation
from tests.api import joe as his
from tests.api.inbox import code
from tests.api.joe import CALLS, Joe, body_of_joe
from tests.servers import Gateway, user_headers

ELSEWHERE = (
    "POST /v2/integrations/slack/installations/finish",
    "POST /v2/delivery/tests/{integration}",
    "POST /v2/users/{user}/notifications/{id}/deliveries/{channel}/retry",
)
"""Operations that ask a provider, which does not respond here, or need a delivery that has ended."""

POSTS = [row for row in CALLS if row.method == "POST" and row.caller is not WORKSPACE and repr(row) not in ELSEWHERE]
KEYED = [row for row in POSTS if row.idempotent and row.reads_body]

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
    other = other_body(joe, row, path, headers)
    assert (other.status_code, code(other)) == (422, "idempotency_key_reused")


def other_body(joe: Joe, row: AnyOperation, path: str, headers: dict[str, str]) -> httpx.Response:
    """Send the same object in other bytes."""
    body = b" " + json.dumps(row.inputs.body.wrapped(row.inputs.body.example)).encode()
    return joe.client.post(path, headers=headers | {"Content-Type": "application/json"}, content=body)


@pytest.mark.parametrize("row", [row for row in KEYED if row.caller is USER], ids=repr)
def test_another_users_key_is_another_key(joe: Joe, row: AnyOperation) -> None:
    key, path = {"Idempotency-Key": f"shared {row}"}, joe.path(row)
    mine = his.call(joe.client, row, path, joe.headers(row) | key, body_of_joe(row))
    theirs = other_body(joe, row, path, user_headers("eve-idempotency") | key)
    assert (mine.status_code, theirs.status_code) == (row.success.status, row.success.status)
