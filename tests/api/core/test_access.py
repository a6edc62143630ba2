"""Rate limits: per user, exact under concurrency, and reported in headers."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers import ADMIN, Gateway, running_gateway, user_headers

READS, WRITES = 5, 3


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory = tmp_path_factory.mktemp("limited") / "data"
    limits = {"INBOX_RATE_LIMIT_READS": str(READS), "INBOX_RATE_LIMIT_WRITES": str(WRITES), "INBOX_WORKERS": "2"}
    with running_gateway(directory, **limits) as gateway:
        yield gateway


@pytest.fixture
async def client(limited: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=limited.url) as client:
        yield client


async def test_the_limit_is_exact_under_concurrency_and_over_workers(client: httpx.AsyncClient, user: str) -> None:
    responses = await asyncio.gather(*(client.get("/notifications", headers=user_headers(user)) for _ in range(40)))
    assert Counter(response.status_code for response in responses) == {200: READS, 429: 40 - READS}


async def test_every_response_reports_the_state_of_the_limit(client: httpx.AsyncClient, user: str) -> None:
    remaining = []
    for _ in range(READS):
        response = await client.get("/notifications", headers=user_headers(user))
        assert response.headers["ratelimit-limit"] == str(READS)
        assert 0 < int(response.headers["ratelimit-reset"]) <= 60
        remaining.append(int(response.headers["ratelimit-remaining"]))
    assert remaining == [4, 3, 2, 1, 0]


async def test_a_refusal_has_the_time_to_retry(client: httpx.AsyncClient, user: str) -> None:
    for _ in range(WRITES):
        await client.post("/notifications/read", headers=user_headers(user))
    response = await client.post("/notifications/read", headers=user_headers(user))
    (error,) = response.json()["errors"]
    assert (response.status_code, error["code"]) == (429, "rate_limit_exceeded")
    assert error["message"] == f"More than {WRITES} writes in this minute"
    assert 0 < int(response.headers["retry-after"]) <= 60
    assert response.headers["ratelimit-remaining"] == "0"


async def test_reads_and_writes_are_counted_apart(client: httpx.AsyncClient, user: str) -> None:
    for _ in range(WRITES + 1):
        await client.post("/notifications/read", headers=user_headers(user))
    assert (await client.get("/notifications", headers=user_headers(user))).status_code == 200


async def test_one_users_limit_is_not_anothers(client: httpx.AsyncClient, user: str) -> None:
    for _ in range(READS + 1):
        await client.get("/config", headers=user_headers(user))
    assert (await client.get("/config", headers=user_headers(user))).status_code == 429
    assert (await client.get("/config", headers=user_headers(f"{user}-2"))).status_code == 200


async def test_a_refused_change_changes_nothing(client: httpx.AsyncClient, user: str) -> None:
    body = {"notification": {"title": "t", "recipients": [{"external_id": user}]}}
    sent = (await client.post("/notifications", headers=ADMIN, json=body)).json()["notification"]["id"]
    for _ in range(WRITES):
        await client.post("/notifications/seen", headers=user_headers(user))
    assert (await client.delete(f"/notifications/{sent}", headers=user_headers(user))).status_code == 429
    assert (await client.get(f"/notifications/{sent}", headers=user_headers(user))).status_code == 200


async def test_a_backend_is_not_limited_by_default(client: httpx.AsyncClient, user: str) -> None:
    body = {"notification": {"title": "t", "recipients": [{"external_id": user}]}}
    responses = [await client.post("/notifications", headers=ADMIN, json=body) for _ in range(READS + WRITES + 1)]
    assert {response.status_code for response in responses} == {201}
    assert "ratelimit-limit" not in responses[0].headers


async def test_a_backend_can_be_limited(tmp_path: Path) -> None:
    limits = {"INBOX_RATE_LIMIT_ADMIN_WRITES": "2"}
    with running_gateway(tmp_path / "data", **limits) as gateway:
        async with httpx.AsyncClient(base_url=gateway.url, headers=ADMIN) as client:
            body = {"user": {"external_id": "joe"}}
            responses = [await client.post("/users", json=body) for _ in range(3)]
    assert [response.status_code for response in responses] == [201, 201, 429]
    assert [response.headers["ratelimit-remaining"] for response in responses] == ["1", "0", "0"]
