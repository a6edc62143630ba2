"""Long polling: real requests to a real worker."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest

from gateway.api.system.events import EventPage
from gateway.domain.errors import CloseCode
from gateway.domain.session import SessionState
from gateway.store.deletion import DELETED_MESSAGE
from gateway.store.tokens import REVOKED_MESSAGE
from tests.live import limits
from tests.live.clients import assert_counts_are_true, offset, position, send, user_query, user_token
from tests.live.node import Node
from tests.servers import Gateway, user_headers


async def poll(
    http: httpx.AsyncClient, user: str, since: str = "", wait: int | str = 20, **headers: str
) -> httpx.Response:
    """Request the events after a position."""
    query = {"wait": str(wait)} | ({"since": since} if since else {})
    return await http.get("/realtime/events", params=query, headers=user_headers(user) | headers, timeout=30)


async def page(http: httpx.AsyncClient, user: str, since: str = "", wait: int | str = 20) -> dict[str, Any]:
    """Return a page, which has exactly the fields of the operation without `wait`."""
    response = await poll(http, user, since, wait)
    assert response.status_code == 200, response.text
    assert msgspec.to_builtins(msgspec.convert(response.json(), EventPage)) == response.json()
    found: dict[str, Any] = response.json()
    return found


@asynccontextmanager
async def waiting(
    node: Node, user: str, since: str = "", **headers: str
) -> AsyncIterator[asyncio.Task[httpx.Response]]:
    """Run a request in a task, and wait until it waits for an event."""
    since = since or (await page(node.http, user, wait=0))["position"]
    async with httpx.AsyncClient(base_url=node.gateway.url) as http, asyncio.TaskGroup() as group:
        task = group.create_task(poll(http, user, since, **headers), name="poll")
        async with asyncio.timeout(10):
            while not any(connection.session.state is SessionState.LIVE for connection in node.connections):
                await asyncio.sleep(0.005)
        yield task


async def test_a_request_that_waits_is_answered_by_the_next_event(node: Node, user: str) -> None:
    async with waiting(node, user) as task:
        await send(node.http, user, title="Now")
        response = await task
    (event,) = response.json()["events"]
    assert event["data"]["notification"]["title"] == "Now"
    assert response.json()["position"] == event["position"]
    await assert_counts_are_true(node.http, user, response.json())
    assert (response.headers["connection"], response.headers["cache-control"]) == ("close", "no-store")
    assert response.headers["x-request-id"]
    await node.until_empty()


async def test_events_that_the_log_has_and_a_reset_are_returned_at_once(node: Node, user: str) -> None:
    start = await page(node.http, user)
    assert (start["events"], start["more"], start["reset"]) == ([], False, None)
    for number in range(3):
        await send(node.http, user, title=str(number))
    found = await page(node.http, user, start["position"])
    assert [event["data"]["notification"]["title"] for event in found["events"]] == ["0", "1", "2"]
    assert found == await page(node.http, user, start["position"], wait=0)
    assert (
        await node.http.get("/realtime/events", params={"since": start["position"]}, headers=user_headers(user))
    ).json() == found
    lost = await page(node.http, user, "another.7")
    assert (lost["events"], lost["position"], bool(lost["reset"])) == ([], found["position"], True)


async def test_a_client_that_polls_again_and_again_gets_every_event_once_and_in_order(node: Node, user: str) -> None:
    start = await page(node.http, user)
    received: list[int] = []

    async def follow() -> None:
        since = start["position"]
        while len(received) < 60:
            found = await page(node.http, user, since)
            received.extend(offset(event["position"]) for event in found["events"])
            since = found["position"]

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(follow(), name="follow")
        for _ in range(20):
            await asyncio.gather(*(send(node.http, user) for _ in range(3)))
    first = offset(start["position"]) + 1
    assert received == list(range(first, first + 60))


async def test_without_an_event_the_response_comes_when_the_time_is_up(node: Node, user: str) -> None:
    await send(node.http, user)
    since, started = await position(node.http, user), time.monotonic()
    found = await page(node.http, user, since, wait=1)
    assert 0.9 < time.monotonic() - started < 30
    assert (found["events"], found["position"], found["more"]) == ([], since, False)
    await assert_counts_are_true(node.http, user, found)


@pytest.mark.parametrize(("message", "status"), [(REVOKED_MESSAGE + b"one", 401), (DELETED_MESSAGE, 401)])
async def test_a_request_whose_access_ends_while_it_waits_is_refused(
    node: Node, user: str, message: bytes, status: int
) -> None:
    token = user_token(user, jti="one")
    headers = {"Authorization": f"Bearer {token}"}
    start = (await node.http.get("/realtime/events", headers=headers)).json()["position"]
    async with waiting(node, user, start, **headers) as task:
        node.hub.dispatcher.dispatch(node.subscription().channel, [message])
        assert (await task).status_code == status
        assert (await task).json()["errors"]


async def test_a_worker_that_drains_answers_requests_that_wait_and_refuses_new_ones(node: Node, user: str) -> None:
    async with waiting(node, user) as task:
        await node.hub.drain(0.2)
        assert ((await task).status_code, (await task).json()["events"]) == (200, [])
    response = await poll(node.http, user)
    assert (response.status_code, response.headers["retry-after"]) == (503, "0")


async def test_a_client_that_leaves_is_forgotten(node: Node, user: str) -> None:
    async with waiting(node, user) as task:
        task.cancel()
    await node.until_empty()


async def test_an_empty_wait_is_none(http: httpx.AsyncClient, user: str) -> None:
    assert (await poll(http, user, wait="")).headers.get("connection") != "close"


@pytest.mark.parametrize("wait", ["51", "-1", "1.5", "soon", "999999999999"])
async def test_a_wait_that_is_no_number_of_seconds_is_refused(http: httpx.AsyncClient, user: str, wait: str) -> None:
    response = await poll(http, user, wait=wait)
    assert response.status_code == 422
    assert response.json()["errors"][0]["message"] == "Param 'wait' must be a number from 0 to 50"


async def test_a_request_with_other_credentials_or_too_many_of_them_is_refused(
    strict_gateway: Gateway, strict_http: httpx.AsyncClient, user: str
) -> None:
    assert (await strict_http.get("/realtime/events?wait=1")).status_code == 401
    wrong = user_query(user) | {"user_hmac": "x", "wait": "1"}
    assert (await strict_http.get("/realtime/events", params=wrong)).status_code == 401
    foreign = await poll(strict_http, user, Origin="https://evil.example")
    assert (foreign.status_code, "access-control-allow-origin" in foreign.headers) == (403, False)
    own = await poll(strict_http, user, Origin=limits.ALLOWED_ORIGIN)
    assert (own.status_code, own.headers["access-control-allow-origin"]) == (200, limits.ALLOWED_ORIGIN)
    since = own.json()["position"]
    polls = [asyncio.create_task(poll(strict_http, user, since, 2)) for _ in range(limits.CONNECTIONS_PER_USER + 1)]
    statuses = sorted([(await each).status_code for each in polls])
    assert statuses == [*[200] * limits.CONNECTIONS_PER_USER, 429]
    assert CloseCode.TOO_MANY_CONNECTIONS.reason in str([(await each).text for each in polls])
