"""Isolation of projects and users. The tests are made from the route table, so that a new route cannot be forgotten.

Joe, a user of project A, has one object of each kind. Then every operation is called on these objects by Eve, another
user of A, by a user of project B whose name is Joe as well, and by B's backend. No response may contain Joe's data, and
none of Joe's data may change.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from gateway.api.core.call import PROJECT, PUBLIC, USER, WORKSPACE
from gateway.api.core.operation import AnyOperation
from gateway.api.operations import OPERATIONS
from tests.api.workspaces import created_workspace, workspace_headers
from tests.servers import ADMIN, API_KEY, Gateway, user_headers, user_hmac, wait_for

MARK = "known-to-joe-only"
TOPIC = "a-topic"  # any user may name a topic; the subscription to it is Joe's
CALLS = [row for row in OPERATIONS if row.caller is not PUBLIC]


@dataclass(frozen=True)
class Joe:
    """A user of project A with one object of each kind, and the values for the paths of the route table."""

    external_id: str
    token: str
    project_token: str
    paths: dict[str, str]

    def snapshot(self, http: httpx.Client) -> list[Any]:
        """Return everything that Joe can read."""
        paths = ("/notifications", "/notification_preferences", "/subscriptions", "/realtime/events")
        seen = [http.get(path, headers=user_headers(self.external_id)).raise_for_status().json() for path in paths]
        token, project_token = ({"Authorization": f"Bearer {one}"} for one in (self.token, self.project_token))
        tokens = http.get(f"/v2/jwt/user/{self.paths['user']}", headers=project_token).raise_for_status().json()
        keys = http.get("/v2/jwt/keys", headers=project_token).raise_for_status().json()
        return [*seen, tokens, keys, http.get("/config", headers=token).raise_for_status().status_code]


@pytest.fixture(scope="module")
def other_project(gateway: Gateway) -> dict[str, str]:
    """The admin headers of project B, which is created on the command line while the gateway runs."""
    environment = {**os.environ, "INBOX_DATA_DIR": str(gateway.data_dir)}
    command = [sys.executable, "-m", "gateway", "project", "create", "B"]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout
    keys = dict(re.findall(r"^api (key|secret) +(\S+)$", printed, flags=re.MULTILINE))
    return {"X-MAGICBELL-API-KEY": keys["key"], "X-MAGICBELL-API-SECRET": keys["secret"]}


@pytest.fixture(scope="module")
def other_workspace(gateway: Gateway) -> str:
    return created_workspace(gateway, "Other")


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=10) as client:
        yield client


@pytest.fixture(scope="module")
def joe(client: httpx.Client) -> Joe:
    name = f"joe-{MARK}"
    mine = user_headers(name)
    notification = {"title": MARK, "category": MARK, "topic": TOPIC, "recipients": [{"external_id": name}]}
    sent = client.post("/notifications", headers=ADMIN, json={"notification": notification}).raise_for_status()
    saved = client.post("/users", headers=ADMIN, json={"user": {"external_id": name, "first_name": MARK}})
    channels = [{"slug": "email", "enabled": False}]
    preferences = {"notification_preferences": {"categories": [{"slug": f"{MARK}-2", "channels": channels}]}}
    client.put("/notification_preferences", headers=mine, json=preferences).raise_for_status()
    subscription = {"subscription": {"topic": TOPIC, "categories": [{"slug": MARK, "reason": MARK}]}}
    client.post("/subscriptions", headers=mine, json=subscription).raise_for_status()
    device = {"push_subscription": {"device_token": MARK, "platform": "ios"}}
    client.post("/push_subscriptions", headers=mine, json=device).raise_for_status()
    token = client.post("/v2/jwt/user", headers=ADMIN, json={"external_id": name, "name": MARK}).raise_for_status()
    project_token = client.post("/v2/jwt/project", headers=ADMIN, json={"name": MARK}).raise_for_status()
    everyone = {"title": MARK, "recipients": [{"external_id": name}]}
    broadcast = client.post("/broadcasts", headers=ADMIN, json={"broadcast": everyone}).raise_for_status()
    users = {"import": {"users": [{"external_id": name}, {"email": MARK}]}}
    imported = client.post("/imports", headers=ADMIN, json=users).raise_for_status()
    broadcast_id, import_id = broadcast.json()["broadcast"]["id"], imported.json()["import"]["id"]
    for path in (f"/broadcasts/{broadcast_id}", f"/imports/{import_id}"):
        wait_for(lambda path=path: '"processed"' in client.get(path, headers=ADMIN).text, path)  # type: ignore[misc]
    return Joe(
        name,
        token.json()["token"],
        project_token.json()["token"],
        {
            "id": sent.json()["notification"]["id"],
            "topic": TOPIC,
            "device_token": MARK,
            "user": saved.json()["user"]["id"],
            "user_or_token/GET": saved.json()["user"]["id"],
            "user_or_token/DELETE": token.json()["token_id"],
            "token_id": project_token.json()["token_id"],
            "broadcast_id": broadcast_id,
            "import_id": import_id,
            "workspace_id": "1",
            "project_id": str(client.get("/notifications", headers=mine).json()["project_id"]),
        },
    )


def call(client: httpx.Client, row: AnyOperation, joe: Joe, headers: dict[str, str]) -> httpx.Response:
    """Call an operation on Joe's objects. Add new path parameters to Joe's paths."""
    path = re.sub(r"{(\w+)}", lambda match: joe.paths.get(f"{match[1]}/{row.method}") or joe.paths[match[1]], row.path)
    body = row.inputs.body.wrapped(row.inputs.body.example) if row.reads_body else None
    return client.request(row.method, path, headers=headers, json=body)


def assert_apart(
    client: httpx.Client, row: AnyOperation, joe: Joe, headers: dict[str, str], may_name: str = "\0"
) -> None:
    before = joe.snapshot(client)
    response = call(client, row, joe, headers)
    assert response.status_code < 500, response.text
    assert MARK not in response.text.replace(may_name, ""), response.text
    assert joe.snapshot(client) == before


@pytest.mark.parametrize(
    "row", [row for row in CALLS if row.caller is USER], ids=lambda row: f"{row.method} {row.path}"
)
def test_a_user_cannot_read_or_change_another_users_data(client: httpx.Client, joe: Joe, row: AnyOperation) -> None:
    # All users of a project have preferences for the categories that it sends.
    assert_apart(client, row, joe, user_headers("eve"), f'"{MARK}"' if "preferences" in row.path else "\0")


@pytest.mark.parametrize(
    "row", [row for row in CALLS if row.caller is USER], ids=lambda row: f"{row.method} {row.path}"
)
def test_a_user_of_the_same_name_in_another_project_cannot_reach_the_data(
    client: httpx.Client, joe: Joe, other_project: dict[str, str], row: AnyOperation
) -> None:
    headers = {
        "X-MAGICBELL-API-KEY": other_project["X-MAGICBELL-API-KEY"],
        "X-MAGICBELL-USER-EXTERNAL-ID": joe.external_id,
        "X-MAGICBELL-USER-HMAC": user_hmac(joe.external_id, other_project["X-MAGICBELL-API-SECRET"]),
    }
    assert_apart(client, row, joe, headers)


@pytest.mark.parametrize(
    "row", [row for row in CALLS if row.caller is PROJECT], ids=lambda row: f"{row.method} {row.path}"
)
def test_another_projects_backend_cannot_reach_the_data(
    client: httpx.Client, joe: Joe, other_project: dict[str, str], row: AnyOperation
) -> None:
    assert_apart(client, row, joe, other_project)
    name = f"external_id:{joe.external_id}"
    by_name = replace(joe, paths={**joe.paths, "user": name, "user_or_token/GET": name})
    assert_apart(client, row, by_name, other_project, quote(name))  # links repeat the path of the request


@pytest.mark.parametrize(
    "row", [row for row in CALLS if row.caller is WORKSPACE], ids=lambda row: f"{row.method} {row.path}"
)
def test_another_workspaces_token_cannot_reach_the_project(
    client: httpx.Client, gateway: Gateway, joe: Joe, other_workspace: str, row: AnyOperation
) -> None:
    headers = workspace_headers(gateway, other_workspace)
    before = client.get("/workspaces/default/projects", headers=workspace_headers(gateway)).json()
    assert call(client, row, joe, headers).status_code == 403
    of_their_own = replace(joe, paths={**joe.paths, "workspace_id": other_workspace})
    assert_apart(client, row, of_their_own, headers)
    assert API_KEY not in call(client, row, of_their_own, headers).text
    assert client.get("/workspaces/default/projects", headers=workspace_headers(gateway)).json() == before


@pytest.mark.parametrize("row", CALLS, ids=lambda row: f"{row.method} {row.path}")
def test_one_projects_secret_does_not_open_another(
    client: httpx.Client, joe: Joe, other_project: dict[str, str], row: AnyOperation
) -> None:
    mixed = {
        "X-MAGICBELL-API-KEY": ADMIN["X-MAGICBELL-API-KEY"],
        "X-MAGICBELL-API-SECRET": other_project["X-MAGICBELL-API-SECRET"],
        "X-MAGICBELL-USER-EXTERNAL-ID": joe.external_id,
    }
    before = joe.snapshot(client)
    assert call(client, row, joe, mixed).status_code == (403 if row.caller is WORKSPACE else 401)
    assert joe.snapshot(client) == before
