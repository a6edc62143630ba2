"""How bodies and paths name users."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from gateway.api.v1.identity import NAMES, NamedUser, names_of
from tests.api.inbox import code
from tests.servers import ADMIN

PERSON = NamedUser(required=True, fields=NAMES)


@pytest.mark.parametrize("values", [{"external_id": "ada"}, {"email": "ada@example.com"}])
def test_one_name_is_enough(values: dict[str, str]) -> None:
    problems: list[str] = []
    PERSON.read(values, "user", problems)
    assert problems == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("user", "Param 'user' must have an email or an external_id"),
        ("", "The body must have an email or an external_id"),
    ],
)
@pytest.mark.parametrize("values", [{}, {"external_id": "", "email": ""}, {"external_id": None}])
def test_without_a_name_the_user_is_refused(values: dict[str, Any], path: str, message: str) -> None:
    problems: list[str] = []
    PERSON.read(values, path, problems)
    assert problems == [message]


def test_names_are_normalized() -> None:
    assert names_of({"external_id": "Ada", "email": " Ada@Example.COM "}) == ("Ada", "ada@example.com")
    assert names_of({"external_id": "", "email": None}) == (None, None)


async def test_a_path_names_a_user_by_id_external_id_or_email(http: httpx.AsyncClient) -> None:
    name = str(uuid4())
    person = {"external_id": name, "email": f"{name}@example.com"}
    created = (await http.post("/users", headers=ADMIN, json={"user": person})).json()["user"]
    for part in (created["id"], f"external_id:{name}", f"email:{name.upper()}@example.com"):
        updated = await http.put(f"/users/{part}", headers=ADMIN, json={"user": {"first_name": "Ada"}})
        assert updated.json()["user"]["id"] == created["id"]
    unknown = await http.put(f"/users/{name}", headers=ADMIN, json={"user": {"first_name": "Ada"}})
    assert (unknown.status_code, code(unknown)) == (404, "not_found")
