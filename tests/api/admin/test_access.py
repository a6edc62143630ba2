"""Which role every operation needs, and that each unsafe one leaves an entry in the audit log."""

import json
import re
import threading
import time
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
import redis

from gateway.api.admin.access import is_audited
from gateway.api.admin.audit_entries import MIRROR, Action
from gateway.api.admin.mirror import demand_of, is_mirrored, mirrored
from gateway.api.core.call import ADMIN, ADMIN_PROJECT, USER
from gateway.api.core.operation import AnyOperation
from gateway.api.operations import OPERATIONS
from gateway.domain.admin import Role
from gateway.store import keys
from tests.api.admin.admins import invited, owner_headers, signed_in
from tests.api.tokens import bearer
from tests.api.workspaces import admin_of, created_project, workspace_headers, workspace_token
from tests.servers import Gateway, wait_for

ROWS = [mirrored(row) for row in OPERATIONS if is_mirrored(row) and not row.streams]
OWN = [row for row in OPERATIONS if row.caller in (ADMIN, ADMIN_PROJECT)]
USERS = {mirrored(row).path for row in OPERATIONS if is_mirrored(row) and row.caller is USER}
LOWER = {Role.EDITOR: Role.VIEWER, Role.ADMIN: Role.EDITOR, Role.OWNER: Role.ADMIN}


def is_unsafe(row: AnyOperation) -> bool:
    return row.method != "GET"


@pytest.fixture(scope="module")
def project(gateway: Gateway) -> dict[str, str]:
    """A project with the user ada."""
    made = created_project(gateway)
    sent = httpx.post(f"{gateway.url}/users", headers=admin_of(made), json={"user": {"external_id": "ada"}})
    assert sent.status_code == 201
    return {name: str(made[name]) for name in ("id", "api_key", "api_secret")}


@pytest.fixture(scope="module")
def clients(gateway: Gateway) -> Iterator[dict[Role, httpx.Client]]:
    """A client of each role, of which none has just given the password."""
    with (
        signed_in(gateway, invited(gateway, {"*": "viewer"})) as viewer,
        signed_in(gateway, invited(gateway, {"1": "editor"})) as editor,
        signed_in(gateway, invited(gateway, {"*": "admin"})) as admin,
        signed_in(gateway, invited(gateway, {"*": "owner"})) as owner,
    ):
        found = dict(zip(Role, (viewer, editor, admin, owner), strict=True))
        with redis.Redis(unix_socket_path=str(gateway.data_dir / "valkey" / "valkey.sock")) as store:
            for client in found.values():
                store.hset(keys.admin_session(client.get("/me").json()["session_id"]), "confirmed_until", "0")
        yield found


def call(client: httpx.Client, row: AnyOperation, project_id: str) -> httpx.Response:
    """Call an operation with ids of nothing, and no body."""
    path = row.path.replace("{project_id}", project_id).removeprefix("/admin/api")
    path = re.sub(r"{(id|\w+_id)}", "b7e5a2f4-3d0b-4cf4-9bb8-1a0f9c7f0c11", path)
    headers = {"X-MAGICBELL-USER-EXTERNAL-ID": "ada"} if row.path in USERS else {}
    return client.request(
        row.method, re.sub(r"{\w+}", "none", path), headers=headers, json={} if row.reads_body else None
    )


def test_every_operation_needs_its_role_and_the_password_where_it_is_confirmed(
    clients: dict[Role, httpx.Client], project: dict[str, str]
) -> None:
    wrong = []
    for row in [*ROWS, *OWN]:
        if row.role in LOWER:
            refused = call(clients[LOWER[row.role]], row, project["id"])
            if (refused.status_code, refused.json()["errors"][0]["code"]) != (403, "role_too_low"):
                wrong.append(f"{row} for {LOWER[row.role].value}: {refused.status_code}")
        if row.confirmed:
            refused = call(clients[row.role], row, project["id"])
            if (refused.status_code, refused.json()["errors"][0]["code"]) != (403, "confirmation_required"):
                wrong.append(f"{row} without the password: {refused.status_code}")
        elif row in ROWS:
            allowed = call(clients[row.role], row, project["id"])
            if allowed.status_code in (401, 403, 405, 500):
                wrong.append(f"{row} for {row.role.value}: {allowed.status_code} {allowed.text}")
    assert not wrong, "\n".join(wrong)


def test_every_unsafe_operation_left_an_entry_without_secrets(
    gateway: Gateway, clients: dict[Role, httpx.Client], project: dict[str, str]
) -> None:
    owner = clients[Role.OWNER]
    lines = owner.get("/audit/export", params={"project": project["id"]}).text.splitlines()
    logged = {entry["action"] for entry in map(json.loads, lines)}
    unsafe = {Action.of_row(row).id: repr(row) for row in ROWS if is_audited(row)}
    unsafe |= {Action.of_row(row).id: repr(row) for row in OWN if is_unsafe(row) and row.caller is ADMIN_PROJECT}
    missing = [row for action, row in unsafe.items() if action not in logged]
    assert not missing, "\n".join(missing)
    assert project["api_secret"] not in "".join(lines)


def test_what_shows_or_changes_secrets_needs_the_password_and_what_reads_needs_no_more_than_a_viewer() -> None:
    demands = {repr(row): demand_of(row) for row in OPERATIONS if is_mirrored(row)}
    for row in ROWS:
        if not is_unsafe(row):
            is_of_tokens = "/channels/" in row.path and row.path.endswith(("/tokens", "/tokens/{token_id}"))
            assert row.role is (Role.ADMIN if is_of_tokens else Role.VIEWER), row
            assert row.confirmed is is_of_tokens, row
    only_read = {repr(row) for row in ROWS if is_unsafe(row) and row.role is Role.VIEWER}
    assert only_read == {
        f"POST {MIRROR}/v2/{path}" for path in ("integrations/templates/preview", "previews", "broadcasts/audience")
    }
    for name in ("POST /v2/jwt/project", "POST /v2/jwt/user", "PUT /v2/jwt/keys", "DELETE /v2/users/{user}"):
        assert demands[name].is_confirmed


def test_another_workspace_is_not_found_and_no_session_is_needed_for_nothing(
    gateway: Gateway, project: dict[str, str]
) -> None:
    path = f"{gateway.url}{MIRROR.replace('{project_id}', project['id'])}"
    assert httpx.get(f"{path}/v2/users").status_code == 401
    assert httpx.get(f"{path}/v2/users", headers=admin_of(project)).status_code == 401, "an API secret opens no session"
    assert httpx.get(f"{path}/v2/users", headers=bearer("inbox_admin_none")).status_code == 401
    listed = httpx.get(f"{path}/v2/users", headers=owner_headers(gateway))
    assert [each["external_id"] for each in listed.json()["data"]] == ["ada"]
    made = httpx.post(f"{gateway.url}/admin/api/workspaces", headers=owner_headers(gateway), json={"title": "Blue"})
    with signed_in(gateway, invited(gateway, {made.json()["id"]: "owner"})) as client:
        assert client.get(f"/projects/{project['id']}/v2/users").status_code == 404
        assert client.get(f"/projects/{project['id']}").status_code == 404
        assert client.get("/projects").json() == {"data": [], "next": None}
        assert client.get("/audit").status_code == 403
        assert client.get("/audit", params={"project": project["id"]}).status_code == 404
        inside = client.post("/projects", json={"name": "Shop", "workspace_id": made.json()["id"]})
        assert inside.status_code == 201
        assert (
            client.get("/audit", params={"project": inside.json()["id"]}).json()["data"][0]["detail"]["name"] == "Shop"
        )
        assert client.post("/projects", json={"name": "Shop"}).status_code == 403
        renamed = client.patch(f"/workspaces/{made.json()['id']}", json={"title": "Green"})
        assert renamed.json() == {"id": made.json()["id"], "title": "Green", "role": "owner"}
        assert client.patch("/workspaces/1", json={"title": "Green"}).status_code == 404
        assert client.post("/workspaces", json={"title": "Green"}).status_code == 403


def test_an_operation_of_a_user_acts_for_one_who_exists(gateway: Gateway, project: dict[str, str]) -> None:
    path = f"{gateway.url}/admin/api/projects/{project['id']}/notifications"
    headers = owner_headers(gateway)
    assert httpx.get(path, headers=headers).status_code == 422
    unknown = httpx.get(path, headers=headers | {"X-MAGICBELL-USER-EXTERNAL-ID": "eve"})
    assert (unknown.status_code, unknown.json()["errors"][0]["message"]) == (404, "User not found")
    assert httpx.get(path, headers=headers | {"X-MAGICBELL-USER-EXTERNAL-ID": "ada"}).json()["total"] == 0


def test_a_viewer_sees_no_channel_token_in_full_and_the_log_has_none(
    gateway: Gateway, clients: dict[Role, httpx.Client], project: dict[str, str]
) -> None:
    headers, token = {"X-MAGICBELL-USER-EXTERNAL-ID": "ada"}, "0123456789abcdef" * 4
    path = f"/projects/{project['id']}/v2/channels/mobile_push/apns/tokens"
    url = f"{gateway.url}/admin/api{path}"
    saved = httpx.put(url, headers=owner_headers(gateway) | headers, json={"device_token": token})
    assert saved.status_code in (200, 201), saved.text
    viewer = clients[Role.VIEWER]
    assert viewer.get(path, headers=headers).json()["errors"][0]["code"] == "role_too_low"
    assert httpx.get(url, headers=owner_headers(gateway) | headers).json()["data"][0]["device_token"] == token
    user = viewer.get(f"/projects/{project['id']}/v2/users/external_id:ada").json()["id"]
    for each in (f"{user}/summary", f"{user}/export"):
        assert token not in viewer.get(f"/projects/{project['id']}/v2/users/{each}").text
    listed = httpx.get(f"{gateway.url}/admin/api/audit?project={project['id']}", headers=owner_headers(gateway))
    (entry,) = [each for each in listed.json()["data"] if each["action"] == "get_v2_users_user_export"][:1]
    assert (entry["via"], entry["target"], entry["outcome"]) == ("session", {"user": user}, "done")
    gone = httpx.delete(
        f"{gateway.url}/admin/api/projects/{project['id']}/push_subscriptions/{token}",
        headers=owner_headers(gateway) | headers,
    )
    assert gone.status_code in (204, 404)
    listed = httpx.get(f"{gateway.url}/admin/api/audit?project={project['id']}", headers=owner_headers(gateway))
    assert listed.json()["data"][0]["target"] == {"device_token": "…cdef"}
    assert token not in listed.text


def test_requests_for_the_headers_of_a_live_tail_use_up_no_tail(gateway: Gateway, project: dict[str, str]) -> None:
    with httpx.Client(headers=owner_headers(gateway), timeout=30) as client:
        for name in ("events", "connections"):
            url = f"{gateway.url}/admin/api/projects/{project['id']}/v2/{name}/tail"
            for _ in range(11):
                assert client.head(url).headers["content-type"].startswith("text/event-stream")
            with client.stream("GET", url) as opened:
                assert opened.status_code == 200


def test_a_live_tail_ends_with_its_session(gateway: Gateway, project: dict[str, str]) -> None:
    with signed_in(gateway, invited(gateway, {"*": "viewer"})) as client:
        opened, records = threading.Event(), []

        def follow() -> None:
            with client.stream("GET", f"/projects/{project['id']}/v2/events/tail") as response:
                for line in response.iter_lines():
                    opened.set()
                    records.append(line)

        thread = threading.Thread(target=follow)
        thread.start()
        assert opened.wait(20)
        with httpx.Client(cookies=client.cookies) as other:
            out = other.post(f"{gateway.url}/admin/api/logout", headers={"Sec-Fetch-Site": "same-origin"})
        ended = time.monotonic()
        assert out.status_code == 204
        thread.join(20)
        assert not thread.is_alive()
        assert "event: goodbye" in records
        assert any("session_needed" in line for line in records)
        assert time.monotonic() - ended < 10, "a second, on a machine without other work"


def test_a_secret_is_revealed_and_rotated_in_two_slots(gateway: Gateway) -> None:
    made, headers = created_project(gateway), owner_headers(gateway)
    path = f"{gateway.url}/admin/api/projects/{made['id']}"

    def accepted(secret: str) -> bool:
        backend = admin_of(made | {"api_secret": secret})
        return httpx.get(f"{gateway.url}/v2/users", headers=backend).status_code == 200

    shown = httpx.post(f"{path}/secret", headers=headers).json()
    assert shown == {"api_key": made["api_key"], "api_secret": made["api_secret"], "former_secret_ends_at": None}
    rotated = httpx.post(f"{path}/secret/rotate", headers=headers, json={"overlap_seconds": 600}).json()
    assert 0 < rotated["former_secret_ends_at"] - time.time() <= 600
    assert accepted(rotated["api_secret"])
    assert accepted(made["api_secret"])
    assert httpx.get(path, headers=headers).json()["former_secret_ends_at"] == rotated["former_secret_ends_at"]
    assert httpx.delete(f"{path}/secret/former", headers=headers).status_code == 204
    wait_for(lambda: not accepted(made["api_secret"]), "the former secret to be refused")
    assert accepted(rotated["api_secret"])
    assert "api_secret" not in httpx.get(f"{gateway.url}/admin/api/projects", headers=headers).text
    changed = httpx.patch(path, headers=headers, json={"name": "Books", "strict": True}).json()
    assert (changed["name"], changed["strict"]) == ("Books", True)
    assert httpx.delete(path, headers=headers).status_code == 204
    assert httpx.get(path, headers=headers).status_code == 404
    listed = httpx.get(f"{gateway.url}/admin/api/audit?project={made['id']}", headers=headers).json()["data"]
    assert [entry["summary"] for entry in listed][:3] == [
        "Delete a project",
        "Update a project",
        "End the former API secret",
    ]
    assert listed[1]["detail"] == {"name": ["Shop", "Books"], "strict": [False, True]}
    assert rotated["api_secret"] not in str(listed)


def test_what_backends_configure_is_in_the_log_and_what_they_send_is_not(gateway: Gateway) -> None:
    made, headers = created_project(gateway), owner_headers(gateway)
    backend = admin_of(made)
    httpx.post(f"{gateway.url}/users", headers=backend, json={"user": {"external_id": "ada"}})
    httpx.put(f"{gateway.url}/v2/jwt/keys", headers=backend, json={"keys": []})
    token = httpx.post(f"{gateway.url}/v2/jwt/project", headers=backend, json={"name": "ci"}).json()["token"]
    httpx.delete(f"{gateway.url}/v2/integrations/github", headers=bearer(token))
    httpx.delete(f"{gateway.url}/v2/users/{uuid4()}", headers=backend)
    project = f"{gateway.url}/workspaces/1/projects/{made['id']}"
    httpx.put(project, headers=workspace_headers(gateway), json={"project": {"name": "Books"}})
    other = httpx.post(f"{gateway.url}/admin/api/workspaces", headers=headers, json={"title": "Red"}).json()["id"]
    foreign = f"{gateway.url}/workspaces/{other}/projects/{made['id']}"
    assert httpx.delete(foreign, headers=bearer(workspace_token(gateway, other))).status_code == 404, "not in this log"
    listed = httpx.get(f"{gateway.url}/admin/api/audit?project={made['id']}", headers=headers).json()["data"]
    assert [(each["actor"], each["action"]) for each in listed] == [
        ("workspace token", "put_workspaces_workspace_id_projects_project_id"),
        ("API secret", "delete_v2_users_user"),
        ("project token", "delete_v2_integrations_github"),
        ("API secret", "post_v2_jwt_project"),
        ("API secret", "put_v2_jwt_keys"),
    ]
    assert token not in str(listed)
