"""`POST /imports`: many users at once, row by row."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.api.inbox import messages
from tests.servers import ADMIN, user_headers

DONE_SECONDS = 20.0


async def accept(http: httpx.AsyncClient, *rows: Any, **headers: str) -> dict[str, Any]:
    """Send an import, and return the response."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = await http.post("/imports", headers=ADMIN | named, json={"import": {"users": rows}})
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()["import"]
    return found


async def outcome(http: httpx.AsyncClient, import_id: str) -> dict[str, Any]:
    """Wait until an import is processed, and return it."""
    async with asyncio.timeout(DONE_SECONDS):
        while True:
            response = await http.get(f"/imports/{import_id}", headers=ADMIN)
            assert response.status_code == 200, response.text
            found: dict[str, Any] = response.json()["import"]
            if found["status"] == "processed":
                return found
            await asyncio.sleep(0.01)


async def run(http: httpx.AsyncClient, *rows: Any) -> dict[str, Any]:
    """Import users, and return the processed import."""
    return await outcome(http, (await accept(http, *rows))["id"])


def summary(total: int, created: int = 0, updated: int = 0, failures: int = 0) -> dict[str, int]:
    return {"total": total, "created": created, "updated": updated, "failures": failures}


async def test_an_import_is_accepted_at_once_and_done_soon(http: httpx.AsyncClient, user: str) -> None:
    accepted = await accept(http, {"external_id": user})
    assert accepted == {"id": accepted["id"], "status": "processing", "summary": {}, "errors": []}
    assert await outcome(http, accepted["id"]) == {
        "id": accepted["id"],
        "status": "processed",
        "summary": summary(1, created=1),
        "errors": [],
    }


async def test_a_row_has_all_fields_of_a_user(http: httpx.AsyncClient, user: str) -> None:
    row = {
        "external_id": user,
        "email": f"{abs(hash(user))}@Example.com",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "custom_attributes": {"plan": "pro"},
        "phone_numbers": ["+15005550001"],
    }
    await run(http, row)
    saved = (await http.post("/users", headers=ADMIN, json={"user": {"external_id": user}})).json()["user"]
    assert saved == {"id": saved["id"], **row, "email": row["email"].lower()}  # type: ignore[attr-defined]


async def test_a_known_user_is_updated(http: httpx.AsyncClient, user: str) -> None:
    before = (await http.post("/users", headers=ADMIN, json={"user": {"external_id": user}})).json()["user"]
    done = await run(http, {"external_id": user, "first_name": "Ada"}, {"external_id": f"{user}-2"})
    assert done["summary"] == summary(2, created=1, updated=1)
    after = (await http.post("/users", headers=ADMIN, json={"user": {"external_id": user}})).json()["user"]
    assert after == {**before, "first_name": "Ada"}


async def test_invalid_rows_are_errors_by_row_and_the_others_are_imported(http: httpx.AsyncClient, user: str) -> None:
    done = await run(
        http,
        {"external_id": user},
        {"email": "nobody"},
        None,
        "joe",
        {"external_id": f"{user}-2", "first_name": "x" * 51, "custom_attributes": 1},
        {"first_name": "Ada"},
    )
    assert done["summary"] == summary(6, created=1, failures=5)
    assert done["errors"] == [
        {"row": 1, "message": "Param 'import.users[1].email' must be an email address"},
        {"row": 2, "message": "Param 'import.users[2]' is missing"},
        {"row": 3, "message": "Param 'import.users[3]' must be a hash"},
        {"row": 4, "message": "Param 'import.users[4].first_name' must have at most 50 characters"},
        {"row": 4, "message": "Param 'import.users[4].custom_attributes' must be a hash"},
        {"row": 5, "message": "Param 'import.users[5]' must have an email or an external_id"},
    ]


async def test_a_row_that_names_two_users_is_an_error(http: httpx.AsyncClient, user: str) -> None:
    email = f"{abs(hash(user))}@example.com"
    await run(http, {"external_id": user}, {"email": email})
    done = await run(http, {"external_id": user, "email": email}, {"external_id": f"{user}-2"})
    assert done["summary"] == summary(2, created=1, failures=1)
    problem = "Param 'import.users[0]' has the external_id of one user and the email of another"
    assert done["errors"] == [{"row": 0, "message": problem}]


async def test_a_row_with_the_name_of_a_deleted_user_creates_a_new_one(http: httpx.AsyncClient, user: str) -> None:
    first = await run(http, {"external_id": user})
    await http.delete(f"/users/external_id:{user}", headers=ADMIN)
    again = await run(http, {"external_id": user})
    assert first["summary"] == again["summary"] == summary(1, created=1)


async def test_ten_thousand_rows_fit_and_open_inboxes_stay_quick(http: httpx.AsyncClient, user: str) -> None:
    rows = [
        {"external_id": f"{user[-50:]}-{number}", "custom_attributes": {"note": "x" * 500, "number": number}}
        for number in range(10_000)
    ]
    accepted = await accept(http, *rows)
    assert (await http.get("/healthz")).elapsed.total_seconds() < 10
    done = await outcome(http, accepted["id"])
    assert done["summary"] == summary(10_000, created=10_000)
    last = await http.post("/users", headers=ADMIN, json={"user": {"external_id": f"{user[-50:]}-9999"}})
    assert last.json()["user"]["custom_attributes"]["number"] == 9_999


async def test_no_more_than_a_thousand_errors_are_kept(http: httpx.AsyncClient) -> None:
    done = await run(http, *[{"email": "nobody"}] * 1_100)
    assert done["summary"] == summary(1_100, failures=1_100)
    assert [problem["row"] for problem in done["errors"]] == list(range(1_000))


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"nonsense", 400, "The body is not valid JSON"),
        (b"{}", 422, "Param 'import' is missing"),
        (b'{"import":{}}', 422, "Param 'import.users' is missing"),
        (b'{"import":{"users":{}}}', 422, "Param 'import.users' must be an array"),
        (b'{"import":{"users":[]}}', 422, "Param 'import.users' must have 1 to 10000 items"),
        (b'{"import":{"users":[' + b"{}," * 10_000 + b"{}]}}", 422, "Param 'import.users' must have 1 to 10000 items"),
    ],
)
async def test_an_invalid_list_of_rows_is_refused(
    http: httpx.AsyncClient, body: bytes, status: int, message: str
) -> None:
    response = await http.post("/imports", headers=ADMIN, content=body)
    assert response.status_code == status
    assert messages(response)[0].startswith(message)


async def test_the_same_idempotency_key_imports_once(http: httpx.AsyncClient, user: str) -> None:
    first = await accept(http, {"external_id": user}, Idempotency_Key=user)
    second = await accept(http, {"external_id": user}, Idempotency_Key=user)
    assert first == second
    assert (await outcome(http, first["id"]))["summary"] == summary(1, created=1)


@pytest.mark.parametrize("wanted", ["nonsense", "00000000-0000-0000-0000-000000000000", "deletion"])
async def test_an_unknown_import_is_not_found(http: httpx.AsyncClient, wanted: str) -> None:
    response = await http.get(f"/imports/{wanted}", headers=ADMIN)
    assert response.status_code == 404
    assert messages(response) == ["Import not found"]


async def test_users_cannot_import(http: httpx.AsyncClient, user: str) -> None:
    response = await http.post("/imports", headers=user_headers(user), json={"import": {"users": [{"email": "a@b"}]}})
    assert response.status_code == 401
