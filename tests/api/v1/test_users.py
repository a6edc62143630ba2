"""Users: created, updated and deleted by a backend."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from gateway.store.directory import CACHE_SECONDS
from tests.servers import ADMIN, Gateway, running_gateway, user_headers


async def put_user(http: httpx.AsyncClient, method: str, path: str, **fields: Any) -> httpx.Response:
    return await http.request(method, path, headers=ADMIN, json={"user": fields})


async def send(http: httpx.AsyncClient, **recipient: Any) -> str:
    body = {"notification": {"title": "Hello", "recipients": [recipient]}}
    response = await http.post("/notifications", headers=ADMIN, json=body)
    assert response.status_code == 201, response.text
    return str(response.json()["notification"]["id"])


async def ids(http: httpx.AsyncClient, external_id: str) -> list[str]:
    response = await http.get("/notifications", headers=user_headers(external_id))
    return [item["id"] for item in response.json()["notifications"]]


async def total(http: httpx.AsyncClient, external_id: str) -> int:
    response = await http.get("/notifications", headers=user_headers(external_id))
    return int(response.json()["total"])


@pytest.fixture
def name(user: str) -> str:
    """A short external id that no other test uses."""
    return f"u{abs(hash(user))}"


async def test_the_response_to_a_create_has_all_fields_of_the_user(http: httpx.AsyncClient, name: str) -> None:
    fields = {
        "external_id": name,
        "email": f"{name}@example.com",
        "first_name": "Ann",
        "last_name": "Lee",
        "custom_attributes": {"plan": "pro"},
        "phone_numbers": ["+15005550006"],
    }
    response = await put_user(http, "POST", "/users", **fields)
    assert response.status_code == 201
    found = response.json()["user"]
    assert {key: found[key] for key in fields} == fields
    assert found["id"]


async def test_creating_a_user_again_returns_201_with_the_same_id(http: httpx.AsyncClient, name: str) -> None:
    first = await put_user(http, "POST", "/users", external_id=name, first_name="Ann")
    second = await put_user(http, "POST", "/users", external_id=name)
    assert (second.status_code, second.json()) == (201, first.json())


async def test_a_user_needs_a_name(http: httpx.AsyncClient) -> None:
    response = await put_user(http, "POST", "/users", first_name="Ann")
    assert (response.status_code, response.json()["errors"][0]["message"]) == (
        422,
        "Param 'user' must have an email or an external_id",
    )


async def test_every_failing_field_is_named(http: httpx.AsyncClient) -> None:
    response = await put_user(http, "POST", "/users", email="x", first_name="a" * 51, custom_attributes=[])
    assert [error["message"] for error in response.json()["errors"]] == [
        "Param 'user.email' must be an email address",
        "Param 'user.first_name' must have at most 50 characters",
        "Param 'user.custom_attributes' must be a hash",
    ]


@pytest.mark.parametrize("way", ["id", "email", "external_id"])
async def test_a_user_is_found_by_any_name_for_an_update(http: httpx.AsyncClient, name: str, way: str) -> None:
    user = (await put_user(http, "POST", "/users", external_id=name, email=f"{name}@x.org")).json()["user"]
    path = user["id"] if way == "id" else f"{way}:{user[way]}"
    response = await put_user(http, "PUT", f"/users/{path}", last_name="Lee")
    assert response.status_code == 200
    assert response.json()["user"] == {**user, "last_name": "Lee"}


async def test_a_new_external_id_keeps_the_inbox_and_its_open_connections(
    http: httpx.AsyncClient, gateway: Gateway, name: str
) -> None:
    await send(http, external_id=name)
    async with connect(gateway.websocket_url, additional_headers=user_headers(name)) as socket:
        await socket.recv()
        response = await put_user(http, "PUT", f"/users/external_id:{name}", external_id=f"{name}-new")
        assert response.status_code == 200
        sent = await send(http, external_id=f"{name}-new")
        assert sent in str(await asyncio.wait_for(socket.recv(), 30))
    assert len(await ids(http, f"{name}-new")) == 2


async def test_a_name_of_another_user_is_refused(http: httpx.AsyncClient, name: str) -> None:
    await put_user(http, "POST", "/users", external_id=name, email=f"{name}@x.org")
    await put_user(http, "POST", "/users", external_id=f"{name}-2")
    response = await put_user(http, "PUT", f"/users/external_id:{name}-2", email=f"{name}@x.org")
    assert (response.status_code, response.json()["errors"][0]["message"]) == (
        422,
        "Param 'user.email' belongs to another user",
    )


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_an_unknown_user_is_not_found(http: httpx.AsyncClient, method: str, name: str) -> None:
    assert (await put_user(http, method, f"/users/external_id:{name}")).status_code == 404


async def test_a_deleted_user_is_removed_and_can_be_created_again(http: httpx.AsyncClient, name: str) -> None:
    await send(http, external_id=name)
    assert (await http.delete(f"/users/external_id:{name}", headers=ADMIN)).status_code == 204
    assert await ids(http, name) == []
    sent = await send(http, external_id=name)
    assert await ids(http, name) == [sent]


async def test_deleting_a_user_closes_its_open_inboxes(http: httpx.AsyncClient, gateway: Gateway, name: str) -> None:
    async with connect(gateway.websocket_url, additional_headers=user_headers(name)) as socket:
        await socket.recv()
        await http.delete(f"/users/external_id:{name}", headers=ADMIN)
        async with asyncio.timeout(1):
            await socket.wait_closed()
    assert socket.close_code == 4507


async def test_a_repeated_create_with_a_key_is_replayed(http: httpx.AsyncClient, name: str) -> None:
    headers = {**ADMIN, "Idempotency-Key": name}
    responses = [
        await http.post("/users", headers=headers, json={"user": {"external_id": name, "first_name": "A"}})
        for _ in range(2)
    ]
    assert responses[0].content == responses[1].content
    other = await http.post("/users", headers=headers, json={"user": {"external_id": name}})
    assert other.status_code == 422


async def test_every_worker_uses_a_new_email_long_before_its_cache_expires(tmp_path: Path) -> None:
    with running_gateway(tmp_path / "data", INBOX_WORKERS="2") as gateway:
        async with httpx.AsyncClient(base_url=gateway.url, limits=httpx.Limits(max_keepalive_connections=0)) as http:
            user = (await put_user(http, "POST", "/users", external_id="joe", email="old@x.org")).json()["user"]
            for _ in range(10):  # every worker has cached the old email
                await send(http, email="old@x.org")
            await put_user(http, "PUT", f"/users/{user['id']}", email="new@x.org")
            async with asyncio.timeout(CACHE_SECONDS / 3):
                missed = 0
                while missed < 10:
                    before = await total(http, "joe")
                    await send(http, email="old@x.org")
                    missed = missed + 1 if await total(http, "joe") == before else 0


async def test_a_user_that_is_not_found_is_reported_with_the_ways_to_name_one(http: httpx.AsyncClient) -> None:
    response = await http.delete("/users/ada", headers=ADMIN)
    assert response.status_code == 404
    (problem,) = response.json()["errors"]
    assert problem["message"] == "User not found"
    assert "`external_id:…` or `email:…`" in problem["suggestion"]
