"""Users in v2: created, fetched, listed, searched and deleted, and when they were last seen and notified."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.api.inbox import messages, notification
from tests.api.projects import Project, command, project_of
from tests.servers import ADMIN, Gateway, user_headers, wait_for

PATH = "/v2/users"
ATTRIBUTES = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "custom_attributes": {"plan": "pro"},
    "phone_numbers": ["+1"],
}


@pytest.fixture
def project(gateway: Gateway) -> Project:
    """A project of this test's own."""
    return project_of(command(gateway, "project", "create", "users"))


@pytest.fixture
def client(gateway: Gateway, project: Project) -> Iterator[httpx.Client]:
    """A client with the backend's credentials of the project."""
    with httpx.Client(base_url=gateway.url, headers=project.admin, timeout=10) as opened:
        yield opened


def create(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    """Create a user, and return the response."""
    response = client.post(PATH, json=fields)
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


def names(client: httpx.Client, **query: Any) -> list[str]:
    """Return the external ids on a page."""
    response = client.get(PATH, params=query)
    assert response.status_code == 200, response.text
    return [user["external_id"] for user in response.json()["data"]]


def test_a_user_is_created_fetched_updated_and_deleted(client: httpx.Client) -> None:
    email = f"{uuid4()}@Example.com"
    created = create(client, external_id="ada/1", email=email, **ATTRIBUTES)
    assert created == {
        "id": str(UUID(created["id"])),
        "external_id": "ada/1",
        "email": email.lower(),
        **ATTRIBUTES,
        "created_at": created["created_at"],
        "last_seen_at": None,
        "last_notified_at": None,
    }
    assert abs(datetime.fromisoformat(created["created_at"]).timestamp() - time.time()) < 10
    for name in (created["id"], "external_id:ada%2F1", f"email:{email}"):
        assert client.get(f"{PATH}/{name}").json() == created
    assert create(client, external_id="ada/1", last_name="Byron") == {**created, "last_name": "Byron"}
    deleted = client.delete(f"{PATH}/{created['id']}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert client.get(f"{PATH}/{created['id']}").status_code == 404
    assert client.delete(f"{PATH}/external_id:ada%2F1").status_code == 404
    assert create(client, external_id="ada/1")["id"] != created["id"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, "The body must have an email or an external_id"),
        ({"external_id": "x" * 256}, "Param 'external_id' must have at most 255 characters"),
        ({"email": "x"}, "Param 'email' must be an email address"),
        ({"external_id": "x", "first_name": "x" * 51}, "Param 'first_name' must have at most 50 characters"),
        ({"external_id": "x", "custom_attributes": []}, "Param 'custom_attributes' must be a hash"),
        ({"external_id": "x", "phone_numbers": [1]}, "Param 'phone_numbers[0]' must be a string"),
        ({"external_id": "x", "name": "Ada"}, "Param 'name' is not known"),
    ],
)
def test_invalid_users_are_refused(client: httpx.Client, body: dict[str, Any], expected: str) -> None:
    response = client.post(PATH, json=body)
    assert (response.status_code, messages(response)[0].partition(";")[0]) == (422, expected)
    assert names(client) == []


def test_names_of_two_users_are_refused_and_a_repeated_request_is_answered_the_same(client: httpx.Client) -> None:
    create(client, external_id="ada")
    create(client, email="bob@example.com", external_id="bob")
    both = client.post(PATH, json={"external_id": "ada", "email": "bob@example.com"})
    assert (both.status_code, messages(both)) == (
        422,
        ["The body has the external_id of one user and the email of another"],
    )
    key = {"Idempotency-Key": str(uuid4())}
    first, second = (client.post(PATH, json={"external_id": "cat"}, headers=key) for _ in range(2))
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert first.status_code == 201


def test_links_lead_through_the_users_although_each_is_deleted_once_it_was_listed(client: httpx.Client) -> None:
    for number in range(5):
        create(client, external_id=f"u{number}")
    page = client.get(PATH, params={"limit": 2}).json()
    again = client.get(page["links"]["next"]).json()
    assert [user["external_id"] for user in again["data"]] == ["u2", "u1"]
    back = client.get(again["links"]["prev"]).json()
    assert back["data"] == page["data"]
    found = []
    while True:
        for user in page["data"]:
            found.append(user["external_id"])
            assert client.delete(f"{PATH}/{user['id']}").status_code == 204
        if page["links"]["next"] is None:
            break
        page = client.get(page["links"]["next"]).json()
    assert found == ["u4", "u3", "u2", "u1", "u0"]
    gone = client.get(PATH, params={"page[before]": user["id"]})
    assert messages(gone) == ["Param 'page[before]' is not the id of a user of the project"]


def test_a_user_that_was_returned_can_be_sent_back(client: httpx.Client) -> None:
    created = create(client, external_id="again")
    assert client.post(PATH, json=created | {"updated_at": None, "id": "mine"}).json() == created


def test_searches_are_exact_by_external_id_and_email_and_by_parts_of_names(client: httpx.Client) -> None:
    create(client, external_id="ada", email="ada@example.com", first_name="Ada", last_name="Lovelace")
    create(client, external_id="adam", email="adam@example.com", first_name="Adam")
    bob = create(client, external_id="bob", first_name="Bobby")
    for query, expected in [
        ({"external_id": "ada"}, ["ada"]),
        ({"external_id": "ad"}, []),
        ({"email": " ADA@example.com"}, ["ada"]),
        ({"external_id": "ada", "email": "adam@example.com"}, []),
        ({"external_id": "ada", "email": "ada@example.com", "name": "lace"}, ["ada"]),
        ({"external_id": "ada", "name": "bob"}, []),
        ({"name": "ada"}, ["adam", "ada"]),
        ({"name": "A L"}, ["ada"]),
        ({"name": "ada", "limit": "1"}, ["adam"]),
        ({"name": "nobody"}, []),
        ({"query": "ada"}, ["ada"]),
        ({"query": "ADAM@example.com"}, ["adam"]),
        ({"query": "Ada "}, ["ada"]),
        ({"query": "da"}, ["adam", "ada"]),
        ({"query": "BO"}, ["bob"]),
        ({"query": "dam@exam"}, ["adam"]),
        ({"query": bob["id"].upper()}, ["bob"]),
        ({}, ["bob", "adam", "ada"]),
    ]:
        assert names(client, **query) == expected, query
    following = client.get(PATH, params={"name": "ada", "limit": 1}).json()["links"]["next"]
    assert [user["external_id"] for user in client.get(following).json()["data"]] == ["ada"]
    too_long = client.get(PATH, params={"name": "x" * 101})
    assert messages(too_long) == ["Param 'name' must be at most 100 characters"]


def test_a_user_shows_when_they_were_last_seen_and_notified(gateway: Gateway) -> None:
    name, before = f"seen-{uuid4()}", int(time.time())
    with httpx.Client(base_url=gateway.url, headers=ADMIN) as client:

        def times() -> list[float | None]:
            user = client.get(f"{PATH}/external_id:{name}").json()
            found = (user["last_seen_at"], user["last_notified_at"])
            return [datetime.fromisoformat(text).timestamp() if text else None for text in found]

        client.post("/notifications", json=notification(name)).raise_for_status()
        notified, seen = times()[1], times()[0]
        assert notified is not None
        assert abs(notified - before) < 10
        assert seen is None
        client.get("/notifications", headers=user_headers(name)).raise_for_status()
        wait_for(lambda: times()[0] is not None, "the user was seen")
        seen = times()[0]
        assert seen is not None
        assert abs(seen - before) < 20
        assert names(client, external_id=name) == [name]
