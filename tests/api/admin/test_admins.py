"""Admins, and what an admin does with the own account: refusals that name what is wrong."""

from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from tests.api.admin.admins import invited, owner_headers, run_command, signed_in
from tests.api.inbox import messages
from tests.api.tokens import bearer
from tests.servers import Gateway


@pytest.fixture
def owner(gateway: Gateway) -> Iterator[httpx.Client]:
    """A script of an owner."""
    with httpx.Client(base_url=f"{gateway.url}/admin/api", headers=owner_headers(gateway), timeout=30) as client:
        yield client


def id_of(owner: httpx.Client, email: str) -> str:
    [found] = [each["id"] for each in owner.get("/admins").json()["data"] if each["email"] == email]
    return str(found)


def test_two_admins_cannot_have_one_email(owner: httpx.Client, gateway: Gateway) -> None:
    email = invited(gateway, {"*": "viewer"})
    refused = owner.post("/admins", json={"email": email.upper(), "roles": {"*": "viewer"}})
    assert (refused.status_code, messages(refused)) == (422, ["Param 'email' is another admin's"])


def test_a_change_of_roles_ends_the_sessions_and_an_unknown_admin_is_not_found(
    owner: httpx.Client, gateway: Gateway
) -> None:
    email = invited(gateway, {"*": "editor"})
    with signed_in(gateway, email) as editor:
        assert owner.patch(f"/admins/{id_of(owner, email)}", json={"roles": {"*": "viewer"}}).status_code == 200
        assert editor.get("/me").status_code == 401
    for method in ("GET", "PATCH", "DELETE"):
        unknown = owner.request(method, "/admins/nobody", json={"name": "N"} if method == "PATCH" else None)
        assert unknown.status_code == 404, method


def test_all_sessions_of_an_admin_can_be_ended(owner: httpx.Client, gateway: Gateway) -> None:
    email = invited(gateway, {"*": "viewer"})
    with signed_in(gateway, email) as viewer:
        assert owner.delete(f"/admins/{id_of(owner, email)}/sessions").status_code == 204
        assert viewer.get("/me").status_code == 401


def test_an_admin_who_is_removed_is_signed_out(owner: httpx.Client, gateway: Gateway) -> None:
    email = invited(gateway, {"*": "viewer"})
    with signed_in(gateway, email) as viewer:
        assert owner.delete(f"/admins/{id_of(owner, email)}").status_code == 204
        assert viewer.get("/me").status_code == 401


def test_a_password_that_is_too_short_is_refused_and_another_one_ends_the_other_sessions(gateway: Gateway) -> None:
    email = invited(gateway, {"*": "viewer"})
    with signed_in(gateway, email) as here, signed_in(gateway, email) as elsewhere:
        refused = here.post("/me/password", json={"password": "short"})
        assert refused.status_code == 422
        assert messages(refused)[0].startswith("Param 'password'")
        assert here.post("/me/password", json={"password": f"another {uuid4()}"}).status_code == 204
        assert here.get("/me").status_code == 200
        assert elsewhere.get("/me").status_code == 401


def test_one_of_the_own_sessions_can_be_ended_and_an_unknown_one_is_not_found(gateway: Gateway) -> None:
    email = invited(gateway, {"*": "viewer"})
    with signed_in(gateway, email) as here, signed_in(gateway, email) as elsewhere:
        assert here.delete("/sessions/none").status_code == 404
        assert here.delete(f"/sessions/{elsewhere.get('/me').json()['session_id']}").status_code == 204
        assert elsewhere.get("/me").status_code == 401


def test_projects_are_listed_page_by_page_through_all_workspaces(owner: httpx.Client) -> None:
    second = owner.post("/workspaces", json={"title": "Second"}).json()["id"]
    made = [owner.post("/projects", json={"name": f"P {n}", "workspace_id": second}).json()["id"] for n in range(3)]
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = owner.get("/projects", params={"limit": 1, "starting_after": after}).json()
        seen += [each["id"] for each in page["data"]]
        after = page["next"]
    assert len(seen) == len(set(seen))
    assert seen[-3:] == made
    own = owner.get("/projects", params={"workspace": second}).json()
    assert ([each["id"] for each in own["data"]], own["next"]) == (made, None)


def test_a_script_that_changes_the_password_keeps_its_token(gateway: Gateway) -> None:
    email = invited(gateway, {"*": "viewer"})
    token = run_command(gateway, "admin", "token", email).stdout.strip()
    with httpx.Client(base_url=f"{gateway.url}/admin/api", headers=bearer(token), timeout=30) as script:
        assert script.post("/me/password", json={"password": f"another {uuid4()}"}).status_code == 204
        assert script.get("/me").status_code == 200
