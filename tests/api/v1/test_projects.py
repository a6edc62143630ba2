"""Projects: a workspace token administers the projects of its workspace. Other credentials do not."""

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from websockets.sync.client import connect

from gateway.domain.errors import CloseCode
from gateway.store import keys
from gateway.store.project_cache import CACHE_SECONDS
from tests.api.inbox import code, messages, notification
from tests.api.tokens import bearer, claims_of, token
from tests.api.workspaces import (
    PROJECT_FIELDS,
    admin_of,
    changed_project,
    command,
    created_project,
    created_workspace,
    user_of,
    workspace_headers,
    workspace_token,
)
from tests.servers import ADMIN, API_KEY, Gateway, running_gateway, user_headers, user_hmac, wait_for

PROJECTS = "/workspaces/default/projects"


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, headers=workspace_headers(gateway)) as client:
        yield client


@pytest.fixture(scope="module")
def anybody(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url) as client:
        yield client


def path_of(project: dict[str, Any]) -> str:
    return f"/workspaces/{project['workspace']['id']}/projects/{project['id']}"


# ---- the five operations


def test_a_created_project_works_at_once(client: httpx.Client, gateway: Gateway) -> None:
    response = client.post(PROJECTS, json={"project": {"name": "Shop", "hmac_enabled": True}})
    assert response.status_code == 200
    project = response.json()["project"]
    assert project.keys() == PROJECT_FIELDS
    assert (project["name"], project["hmac_enabled"], project["allowed_origins"]) == ("Shop", True, [])
    assert project["workspace"] == {"id": 1, "title": "Default"}
    sent = client.post("/notifications", headers=admin_of(project), json=notification("ada"))
    assert sent.status_code == 201


def test_a_project_requires_hmacs_by_default(client: httpx.Client) -> None:
    for given, expected in (({}, True), ({"hmac_enabled": None}, True), ({"hmac_enabled": False}, False)):
        response = client.post(PROJECTS, json={"project": {"name": "Shop", **given}})
        assert response.json()["project"]["hmac_enabled"] is expected


def test_a_project_is_fetched_and_listed_as_it_was_created(client: httpx.Client, gateway: Gateway) -> None:
    project = created_project(gateway, name="Listed")
    assert client.get(path_of(project)).json() == {"project": project}
    listed = client.get(PROJECTS).json()["projects"]
    assert project in listed
    assert API_KEY in {found["api_key"] for found in listed}


def test_the_pages_of_a_list_are_consecutive(gateway: Gateway) -> None:
    workspace = created_workspace(gateway, "Pages")
    projects = f"/workspaces/{workspace}/projects"
    with httpx.Client(base_url=gateway.url, headers=workspace_headers(gateway, workspace)) as client:
        names = [f"p{number}" for number in range(5)]
        for name in names:
            client.post(projects, json={"project": {"name": name}}).raise_for_status()
        pages = [client.get(projects, params={"page": page, "per_page": 2}).json()["projects"] for page in (1, 2, 3, 4)]
        assert [[found["name"] for found in page] for page in pages] == [names[:2], names[2:4], names[4:], []]
        assert messages(client.get(projects, params={"page": 0, "per_page": 1001})) == [
            "Param 'page' must be a number from 1 to 100000",
            "Param 'per_page' must be a number from 1 to 1000",
        ]


def test_a_put_changes_only_the_fields_that_it_has(client: httpx.Client, gateway: Gateway) -> None:
    project = created_project(gateway, allowed_origins=["https://a.example"])
    assert changed_project(gateway, project) == project
    assert changed_project(gateway, project, name="Store") == {**project, "name": "Store"}
    assert changed_project(gateway, project, hmac_enabled=False) == {**project, "name": "Store", "hmac_enabled": False}
    cleared = changed_project(gateway, project, allowed_origins=[])
    assert cleared == {**project, "name": "Store", "hmac_enabled": False, "allowed_origins": []}
    assert client.get(path_of(project)).json() == {"project": cleared}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ["Param 'project.name' is missing"]),
        ({"name": " "}, ["Param 'project.name' is missing"]),
        ({"name": 5, "hmac_enabled": 1}, ["Param 'project.name' must be a string",
                                          "Param 'project.hmac_enabled' must be true or false"]),
        ({"name": "x" * 256}, ["Param 'project.name' must have at most 255 characters"]),
        ({"name": "x", "allowed_origins": "*"}, ["Param 'project.allowed_origins' must be an array"]),
        (
            {"name": "x", "allowed_origins": ["https://a.b", "a.b", 5, None]},
            [
                "Param 'project.allowed_origins[1]' must be an origin such as https://app.example.com, or *",
                "Param 'project.allowed_origins[2]' must be an origin such as https://app.example.com, or *",
                "Param 'project.allowed_origins[3]' is missing",
            ],
        ),
    ],
)  # fmt: skip
def test_a_bad_project_is_refused_and_every_field_named(client: httpx.Client, fields: Any, expected: list[str]) -> None:
    response = client.post(PROJECTS, json={"project": fields})
    assert (response.status_code, messages(response)) == (422, expected)


def test_a_name_cannot_be_removed(client: httpx.Client, gateway: Gateway) -> None:
    response = client.put(path_of(created_project(gateway)), json={"project": {"name": ""}})
    assert (response.status_code, messages(response)) == (422, ["Param 'project.name' must not be empty"])


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_unknown_project_is_not_found(client: httpx.Client, method: str) -> None:
    response = client.request(method, f"{PROJECTS}/4200000", json={"project": {}} if method == "PUT" else None)
    assert (response.status_code, code(response)) == (404, "not_found")


def test_hmac_takes_effect_on_every_worker_long_before_its_cache_expires(tmp_path: Path) -> None:
    with (
        running_gateway(tmp_path / "data", INBOX_WORKERS="2") as gateway,
        httpx.Client(base_url=gateway.url, limits=httpx.Limits(max_keepalive_connections=0)) as client,
    ):
        project = created_project(gateway, hmac_enabled=False)
        ada = {"X-MAGICBELL-API-KEY": project["api_key"], "X-MAGICBELL-USER-EXTERNAL-ID": "ada"}
        for _ in range(20):  # every worker has received the change of the project
            assert client.get("/notifications", headers=ada).status_code == 200
        changed_project(gateway, project, hmac_enabled=True)
        started = time.monotonic()
        wait_for(
            lambda: {client.get("/notifications", headers=ada).status_code for _ in range(20)} == {401},
            "every worker to ask for the HMAC",
        )
        assert time.monotonic() - started < 0.8 * CACHE_SECONDS


# ---- deleting


def test_the_keys_of_a_deleted_project_are_refused_at_once(
    client: httpx.Client, anybody: httpx.Client, gateway: Gateway
) -> None:
    project = created_project(gateway)
    ada = user_of(project, "ada")
    assert anybody.get("/notifications", headers=ada).status_code == 200
    deleted = client.delete(path_of(project))
    assert (deleted.status_code, deleted.json()) == (200, {"message": "The project was deleted."})
    refused = [
        anybody.get("/notifications", headers=ada),
        anybody.post("/notifications", headers=admin_of(project), json=notification("ada")),
        anybody.get(
            "/notifications",
            headers=bearer(token(claims_of("ada", api_key=project["api_key"]), project["api_secret"])),
        ),
    ]
    assert [(response.status_code, code(response)) for response in refused] == [(401, "incorrect_api_key")] * 3
    assert client.get(path_of(project)).status_code == 404
    assert client.delete(path_of(project)).status_code == 404
    assert project["id"] not in {found["id"] for found in client.get(PROJECTS).json()["projects"]}


def test_deleting_a_project_closes_its_open_inboxes(client: httpx.Client, gateway: Gateway) -> None:
    project = created_project(gateway)
    with connect(gateway.websocket_url, additional_headers=user_of(project, "ada")) as socket:
        assert json.loads(socket.recv())["type"] == "ready"
        client.delete(path_of(project))
        assert json.loads(socket.recv(1))["code"] == CloseCode.CREDENTIALS_ROTATED.value


def keys_of(gateway: Gateway, project: dict[str, Any]) -> list[bytes]:
    """Return every key of a project except the tombstones of deleted users."""
    with redis.Redis(unix_socket_path=str(gateway.data_dir / "valkey" / "valkey.sock")) as store:
        found = store.keys(f"*{{{project['id']}[:}}]*")
        return [key for key in found if store.type(key) != b"hash" or not store.hexists(key, "deleted")]


def test_the_data_of_a_deleted_project_is_removed_in_the_background(
    client: httpx.Client, anybody: httpx.Client, gateway: Gateway
) -> None:
    project = created_project(gateway)
    anybody.post("/notifications", headers=admin_of(project), json=notification("ada", "bob", category="c", topic="t"))
    anybody.get("/notifications", headers=user_of(project, "ada")).raise_for_status()
    wait_for(lambda: any(b":mau:" in key for key in keys_of(gateway, project)), "ada to be counted")
    client.delete(path_of(project))
    wait_for(lambda: not keys_of(gateway, project), "everything to be gone")


def test_a_repeated_deletion_enqueues_the_job_that_an_interrupted_one_did_not(
    client: httpx.Client, gateway: Gateway
) -> None:
    project_id = "987654321"
    with redis.Redis(unix_socket_path=str(gateway.data_dir / "valkey" / "valkey.sock")) as store:
        store.hset(keys.PROJECTS + ":deleted", project_id, "1")
    responses = [client.delete(f"{PROJECTS}/{project_id}").status_code for _ in range(2)]
    assert responses == [200, 404]


def test_the_next_start_enqueues_the_job_that_an_interrupted_deletion_did_not(tmp_path: Path) -> None:
    with running_gateway(tmp_path / "data") as gateway:
        project = created_project(gateway)
        httpx.post(f"{gateway.url}/notifications", headers=admin_of(project), json=notification("ada"))
        with redis.Redis(unix_socket_path=str(gateway.data_dir / "valkey" / "valkey.sock")) as store:
            store.hset(
                keys.PROJECTS + ":deleted", project["id"], "1"
            )  # the state that a node leaves if it dies at this point
        assert keys_of(gateway, project)
        gateway.stop()
        gateway.start()
        wait_for(lambda: not keys_of(gateway, project), "everything to be gone")


# ---- credentials


@pytest.mark.parametrize("headers", [{}, ADMIN, user_headers("ada")], ids=["nobody", "backend", "user"])
def test_a_call_without_a_token_is_forbidden(gateway: Gateway, headers: dict[str, str]) -> None:
    response = httpx.get(gateway.url + PROJECTS, headers=headers)
    assert (response.status_code, code(response)) == (403, "forbidden")


def test_the_command_line_prints_a_valid_token(gateway: Gateway) -> None:
    printed = command(gateway, "token", "--workspace")
    assert httpx.get(gateway.url + PROJECTS, headers=bearer(printed)).status_code == 200
    claims = json.loads(base64.urlsafe_b64decode(printed.split(".")[1] + "=="))
    assert claims.keys() == {"workspace_id", "iat", "exp", "jti"}
    assert claims["exp"] - claims["iat"] == 30 * 24 * 3600


def test_an_expired_token_has_a_code_of_its_own(gateway: Gateway) -> None:
    response = httpx.get(gateway.url + PROJECTS, headers=bearer(workspace_token(gateway, exp=int(time.time()) - 1)))
    assert (response.status_code, code(response)) == (401, "token_expired")


@pytest.mark.parametrize(
    "claims",
    [
        *({"exp": wrong} for wrong in (None, "x", 10**400, [1], True)),
        *({"jti": wrong} for wrong in (None, 5, "\ud800")),
        *({"workspace_id": wrong} for wrong in (None, 5, "\udfff")),
        {"iat": None},
        {"nbf": 9_999_999_999},
    ],
)
def test_a_token_with_wrong_claims_is_incorrect(gateway: Gateway, claims: Any) -> None:
    response = httpx.get(gateway.url + PROJECTS, headers=bearer(workspace_token(gateway, **claims)))
    assert (response.status_code, code(response)) == (401, "token_is_incorrect")


@pytest.mark.parametrize("mangle", [lambda good: good[:-3], lambda good: "x", lambda good: good + ".x", str.swapcase])
def test_a_broken_token_is_incorrect(gateway: Gateway, mangle: Any) -> None:
    response = httpx.get(gateway.url + PROJECTS, headers=bearer(mangle(workspace_token(gateway))))
    assert (response.status_code, code(response)) == (401, "token_is_incorrect")


def test_a_token_of_another_workspace_is_forbidden(gateway: Gateway) -> None:
    other = created_workspace(gateway, "Other")
    for workspace in (other, "unknown"):
        response = httpx.get(gateway.url + PROJECTS, headers=workspace_headers(gateway, workspace))
        assert (response.status_code, code(response)) == (403, "forbidden")


def test_a_token_of_a_workspace_that_does_not_exist_is_not_found(gateway: Gateway) -> None:
    response = httpx.get(f"{gateway.url}/workspaces/none/projects", headers=workspace_headers(gateway, "none"))
    assert (response.status_code, code(response)) == (404, "not_found")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_workspaces_project_is_not_found_and_stays(client: httpx.Client, gateway: Gateway, method: str) -> None:
    project = created_project(gateway)
    other = created_workspace(gateway, "Other")
    response = httpx.request(
        method,
        f"{gateway.url}/workspaces/{other}/projects/{project['id']}",
        headers=workspace_headers(gateway, other),
        json={"project": {"name": "Mine"}} if method == "PUT" else None,
    )
    assert (response.status_code, code(response)) == (404, "not_found")
    assert client.get(path_of(project)).json() == {"project": project}


def test_a_workspaces_list_has_no_project_of_another(gateway: Gateway) -> None:
    created_project(gateway)
    other = created_workspace(gateway, "Other")
    response = httpx.get(f"{gateway.url}/workspaces/{other}/projects", headers=workspace_headers(gateway, other))
    assert response.json() == {"projects": []}


def test_a_revoked_token_is_refused(gateway: Gateway) -> None:
    printed = command(gateway, "token", "--workspace", "default", "--expires-in", "600")
    assert httpx.get(gateway.url + PROJECTS, headers=bearer(printed)).status_code == 200
    assert command(gateway, "workspace", "revoke-token", printed) == "revoked"
    response = httpx.get(gateway.url + PROJECTS, headers=bearer(printed))
    assert (response.status_code, code(response)) == (401, "token_revoked")
    assert httpx.get(gateway.url + PROJECTS, headers=workspace_headers(gateway)).status_code == 200


def test_a_workspace_token_opens_no_inbox_and_no_backend_call(gateway: Gateway) -> None:
    headers = workspace_headers(gateway)
    key = {"X-MAGICBELL-API-KEY": API_KEY}
    user = httpx.get(f"{gateway.url}/notifications", headers=headers)
    named = httpx.get(f"{gateway.url}/notifications", headers=headers | user_headers("ada"))
    backend = httpx.post(f"{gateway.url}/notifications", headers=headers | key, json=notification("ada"))
    assert [(response.status_code, code(response)) for response in (user, named, backend)] == [
        (401, "token_is_incorrect"),
        (401, "token_is_incorrect"),
        (401, "token_is_incorrect"),
    ]
    with connect(gateway.websocket_url, additional_headers=headers) as socket:
        assert json.loads(socket.recv())["code"] == "token_is_incorrect"


def test_a_workspace_token_with_a_users_claims_opens_no_inbox(gateway: Gateway) -> None:
    both = workspace_token(gateway, api_key=API_KEY, user_external_id="ada")
    response = httpx.get(f"{gateway.url}/notifications", headers=bearer(both))
    assert (response.status_code, code(response)) == (401, "token_is_incorrect")


@pytest.mark.parametrize(
    "headers",
    [
        bearer(token(claims_of("ada"))),
        bearer(token(claims_of("ada", workspace_id="1", iat=1, jti="x"))),
        ADMIN | bearer(token(claims_of("ada"))),
    ],
    ids=["user-token", "user-token-with-claims", "both"],
)
def test_no_other_credentials_open_a_workspace(gateway: Gateway, headers: dict[str, str]) -> None:
    response = httpx.get(gateway.url + PROJECTS, headers=headers)
    assert (response.status_code, code(response)) == (401, "token_is_incorrect")


def test_the_secret_key_itself_signs_no_workspace_token(gateway: Gateway) -> None:
    secret = (gateway.data_dir / "secret.key").read_text().strip()
    claims = {"workspace_id": "1", "iat": 1, "exp": int(time.time()) + 60, "jti": "x"}
    for key in (secret, hashlib.sha256(secret.encode()).hexdigest()):
        response = httpx.get(gateway.url + PROJECTS, headers=bearer(token(claims, key)))
        assert (response.status_code, code(response)) == (401, "token_is_incorrect")


# ---- the command line


def test_workspaces_are_created_renamed_and_listed(gateway: Gateway) -> None:
    workspace = created_workspace(gateway, "Team A")
    assert "title        Team B" in command(gateway, "workspace", "rename", workspace, "Team B")
    listed = command(gateway, "workspace", "list")
    assert "Team B" in listed
    assert "Team A" not in listed
    assert "id           1\n" in listed
    printed = command(gateway, "project", "create", "Shop", "--workspace", workspace)
    assert f"workspace    {workspace}" in printed
    shown = httpx.get(f"{gateway.url}/workspaces/{workspace}/projects", headers=workspace_headers(gateway, workspace))
    assert [found["workspace"] for found in shown.json()["projects"]] == [{"id": int(workspace), "title": "Team B"}]


def test_a_project_is_changed_on_the_command_line_at_once(client: httpx.Client, gateway: Gateway) -> None:
    project = created_project(gateway)
    printed = command(
        gateway, "project", "set", project["api_key"], "--name", "Store", "--no-hmac", "--allowed-origins", "https://a.b/,*"
    )  # fmt: skip
    assert "origins      https://a.b, *" in printed
    expected = {**project, "name": "Store", "hmac_enabled": False, "allowed_origins": ["https://a.b", "*"]}
    assert client.get(path_of(project)).json() == {"project": expected}
    command(gateway, "project", "set", project["api_key"], "--allowed-origins", "")
    assert client.get(path_of(project)).json() == {"project": {**expected, "allowed_origins": []}}


def test_a_users_hmac_of_a_new_project_is_valid(gateway: Gateway) -> None:
    project = created_project(gateway)
    headers = {
        "X-MAGICBELL-API-KEY": project["api_key"],
        "X-MAGICBELL-USER-EXTERNAL-ID": "ada",
        "X-MAGICBELL-USER-HMAC": user_hmac("ada", project["api_secret"]),
    }
    assert httpx.get(f"{gateway.url}/notifications", headers=headers).status_code == 200
