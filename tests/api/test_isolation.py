"""Isolation of projects and users. The tests are made from the route table, so that a new route cannot be forgotten.

Joe, a user of project A, has one object of each kind. Then every operation is called on these objects by Eve, another
user of A, by a user of project B whose name is Joe as well, and by B's backend. No response may contain Joe's data, and
none of Joe's data may change.
"""

from collections.abc import Iterator, Mapping
from urllib.parse import quote

import httpx
import pytest

from gateway.api.core.call import PROJECT, USER, WORKSPACE
from gateway.api.core.operation import AnyOperation
from tests.api import joe as his
from tests.api.joe import CALLS, MARK, Joe
from tests.api.projects import command, project_of
from tests.api.tokens import bearer
from tests.api.workspaces import created_workspace, workspace_headers
from tests.servers import ADMIN, API_KEY, Gateway, user_headers, user_hmac

BY_USER = [row for row in CALLS if row.caller is USER]
BY_PROJECT = [row for row in CALLS if row.caller is PROJECT]
BY_WORKSPACE = [row for row in CALLS if row.caller is WORKSPACE]


@pytest.fixture(scope="module")
def other_project(gateway: Gateway) -> dict[str, str]:
    """The admin headers of project B, which is created on the command line while the gateway runs."""
    return project_of(command(gateway, "project", "create", "B")).admin


@pytest.fixture(scope="module")
def other_workspace(gateway: Gateway) -> str:
    return created_workspace(gateway, "Other")


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=10) as client:
        yield client


@pytest.fixture(scope="module")
def joe(client: httpx.Client) -> Joe:
    return his.made(client, f"joe-{MARK}")


@pytest.fixture(scope="module", autouse=True)
def everything_is_as_it_was(joe: Joe) -> Iterator[None]:
    """Compare all of Joe's objects once more after the tests, each of which compares those of its own resource."""
    before = joe.snapshot()
    yield
    assert joe.snapshot() == before


def call(row: AnyOperation, joe: Joe, headers: dict[str, str], paths: Mapping[str, str] = {}) -> httpx.Response:
    """Call an operation on Joe's objects."""
    return his.call(joe.client, row, joe.path(row, paths), headers)


def assert_apart(
    row: AnyOperation, joe: Joe, headers: dict[str, str], may_name: str = "\0", paths: Mapping[str, str] = {}
) -> None:
    path = joe.path(row, paths)
    before = joe.snapshot(row) if row.method != "GET" else None
    response = his.call(joe.client, row, path, headers)
    assert response.status_code < 500 or response.status_code == 502, response.text  # 502: tests call no provider
    # The links of a list repeat the path of the request.
    text = response.text.replace(quote(path), "").replace(may_name, "")
    assert MARK not in text, response.text
    assert not [each for each in joe.ids if each in text], response.text
    if before is not None:
        assert joe.snapshot(row) == before


@pytest.mark.parametrize("row", BY_USER, ids=repr)
def test_a_user_cannot_read_or_change_another_users_data(joe: Joe, row: AnyOperation) -> None:
    # All users of a project have preferences for the categories that it sends.
    assert_apart(row, joe, user_headers("eve"), f'"{MARK}"' if "preferences" in row.path else "\0")


@pytest.mark.parametrize("row", BY_USER, ids=repr)
def test_a_user_of_the_same_name_in_another_project_cannot_reach_the_data(
    joe: Joe, other_project: dict[str, str], row: AnyOperation
) -> None:
    headers = {
        "X-MAGICBELL-API-KEY": other_project["X-MAGICBELL-API-KEY"],
        "X-MAGICBELL-USER-EXTERNAL-ID": joe.external_id,
        "X-MAGICBELL-USER-HMAC": user_hmac(joe.external_id, other_project["X-MAGICBELL-API-SECRET"]),
    }
    assert_apart(row, joe, headers)


@pytest.mark.parametrize("row", BY_PROJECT, ids=repr)
def test_another_projects_backend_cannot_reach_the_data(
    joe: Joe, other_project: dict[str, str], row: AnyOperation
) -> None:
    assert_apart(row, joe, other_project)
    name = f"external_id:{joe.external_id}"
    assert_apart(row, joe, other_project, paths={"user": name, "user_id": name, "user_or_token/GET": name})


@pytest.mark.parametrize("row", BY_PROJECT, ids=repr)
def test_a_users_token_opens_no_operation_of_a_backend(joe: Joe, row: AnyOperation) -> None:
    before = joe.snapshot(row) if row.method != "GET" else None
    for of_key in ({}, {"X-MAGICBELL-API-KEY": API_KEY}):
        response = call(row, joe, bearer(joe.token) | of_key)
        assert response.status_code == 403, response.text
    assert call(row, joe, user_headers(joe.external_id)).status_code == 401
    if before is not None:
        assert joe.snapshot(row) == before


@pytest.mark.parametrize("row", BY_WORKSPACE, ids=repr)
def test_another_workspaces_token_cannot_reach_the_project(
    client: httpx.Client, gateway: Gateway, joe: Joe, other_workspace: str, row: AnyOperation
) -> None:
    headers = workspace_headers(gateway, other_workspace)
    before = client.get("/workspaces/default/projects", headers=workspace_headers(gateway)).json()
    assert call(row, joe, headers).status_code == 403
    of_their_own = {"workspace_id": other_workspace}
    assert_apart(row, joe, headers, paths=of_their_own)
    assert API_KEY not in call(row, joe, headers, of_their_own).text
    assert client.get("/workspaces/default/projects", headers=workspace_headers(gateway)).json() == before


@pytest.mark.parametrize("row", CALLS, ids=repr)
def test_one_projects_secret_does_not_open_another(joe: Joe, other_project: dict[str, str], row: AnyOperation) -> None:
    mixed = {
        "X-MAGICBELL-API-KEY": ADMIN["X-MAGICBELL-API-KEY"],
        "X-MAGICBELL-API-SECRET": other_project["X-MAGICBELL-API-SECRET"],
        "X-MAGICBELL-USER-EXTERNAL-ID": joe.external_id,
    }
    before = joe.snapshot(row) if row.method != "GET" else None
    assert call(row, joe, mixed).status_code == (403 if row.caller is WORKSPACE else 401)
    if before is not None:
        assert joe.snapshot(row) == before
