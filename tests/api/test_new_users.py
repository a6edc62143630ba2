"""Hourly limits on new users without proof of identity, for a project with HMAC off and for an address."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.sync.client import connect

from gateway.domain.errors import CloseCode
from tests.api.inbox import code, notification
from tests.api.workspaces import admin_of, created_project
from tests.servers import Gateway, running_gateway, user_hmac

PER_PROJECT, PER_ADDRESS = 8, 3


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory: Path = tmp_path_factory.mktemp("new_users")
    limits = {
        "INBOX_NEW_USERS_PER_HOUR": str(PER_PROJECT),
        "INBOX_NEW_USERS_PER_HOUR_PER_ADDRESS": str(PER_ADDRESS),
    }
    with running_gateway(directory / "data", **limits) as started:
        yield started


@pytest.fixture
def project(gateway: Gateway) -> dict[str, Any]:
    return created_project(gateway, hmac_enabled=False)


def named(project: dict[str, Any], external_id: str = "", address: str = "") -> dict[str, str]:
    """Return the headers of a user without proof. With an address, a proxy names it as the client's."""
    headers = {
        "X-MAGICBELL-API-KEY": project["api_key"],
        "X-MAGICBELL-USER-EXTERNAL-ID": external_id or str(uuid4()),
    }
    return headers | ({"X-Forwarded-For": address} if address else {})


def fetch(gateway: Gateway, headers: dict[str, str], path: str = "/notifications") -> httpx.Response:
    return httpx.get(gateway.url + path, headers=headers)


def use_up(gateway: Gateway, project: dict[str, Any]) -> dict[str, str]:
    """Create as many users as one address may, and return the headers of one of them."""
    known = [named(project) for _ in range(PER_ADDRESS)]
    assert [fetch(gateway, headers).status_code for headers in known] == [200] * PER_ADDRESS
    return known[0]


@pytest.mark.parametrize("path", ["/notifications", "/config", "/subscriptions", "/realtime/events"])
def test_a_new_user_over_the_limit_of_an_address_gets_the_time_to_retry(
    gateway: Gateway, project: dict[str, Any], path: str
) -> None:
    use_up(gateway, project)
    response = fetch(gateway, named(project), path)
    assert (response.status_code, code(response)) == (429, "too_many_new_users")
    assert response.json()["errors"][0]["message"].startswith(f"More than {PER_ADDRESS} new users an hour from here")
    assert 0 < int(response.headers["Retry-After"]) <= 3600 / PER_ADDRESS


def test_writes_of_unknown_users_are_refused_as_well(gateway: Gateway, project: dict[str, Any]) -> None:
    use_up(gateway, project)
    body = {"subscription": {"topic": "t", "categories": [{"slug": "*"}]}}
    response = httpx.post(f"{gateway.url}/subscriptions", headers=named(project), json=body)
    assert (response.status_code, code(response)) == (429, "too_many_new_users")


def test_known_users_are_not_limited(gateway: Gateway, project: dict[str, Any]) -> None:
    known = use_up(gateway, project)
    assert fetch(gateway, named(project)).status_code == 429
    assert fetch(gateway, known).status_code == 200
    with connect(gateway.websocket_url, additional_headers=known) as socket:
        assert json.loads(socket.recv(timeout=10))["type"] == "ready"


def test_users_that_the_backend_names_or_authenticates_do_not_count(gateway: Gateway, project: dict[str, Any]) -> None:
    use_up(gateway, project)
    names = [str(uuid4()) for _ in range(PER_PROJECT)]
    response = httpx.post(f"{gateway.url}/notifications", headers=admin_of(project), json=notification(*names))
    assert response.status_code == 201
    assert [fetch(gateway, named(project, name)).status_code for name in names] == [200] * len(names)
    by_secret = {**named(project), "X-MAGICBELL-API-SECRET": project["api_secret"]}
    assert fetch(gateway, by_secret).status_code == 200
    name = str(uuid4())
    by_hmac = {**named(project, name), "X-MAGICBELL-USER-HMAC": user_hmac(name, project["api_secret"])}
    assert fetch(gateway, by_hmac).status_code == 200


def test_each_address_behind_a_trusted_proxy_has_its_own_limit_and_the_project_has_one(
    gateway: Gateway, project: dict[str, Any]
) -> None:
    statuses = []
    for address in ("203.0.113.1", "203.0.113.2", "2001:db8::1"):
        statuses += [fetch(gateway, named(project, address=address)).status_code for _ in range(PER_ADDRESS)]
    assert statuses == [200] * PER_PROJECT + [429]
    response = fetch(gateway, named(project, address="203.0.113.9"))
    assert response.json()["errors"][0]["message"].startswith(f"More than {PER_PROJECT} new users an hour in all")


def test_an_ipv6_network_is_one_address(gateway: Gateway, project: dict[str, Any]) -> None:
    responses = [fetch(gateway, named(project, address=f"2001:db8:0:1::{number}")) for number in range(PER_ADDRESS + 1)]
    assert [response.status_code for response in responses] == [200] * PER_ADDRESS + [429]
    assert fetch(gateway, named(project, address="2001:db8:0:2::1")).status_code == 200


def test_new_users_of_one_project_do_not_count_for_another(gateway: Gateway, project: dict[str, Any]) -> None:
    use_up(gateway, project)
    assert fetch(gateway, named(created_project(gateway, hmac_enabled=False))).status_code == 200


@pytest.mark.parametrize("way", ["headers", "message"])
def test_a_websocket_of_an_unknown_user_is_closed_with_the_time_to_retry(
    gateway: Gateway, project: dict[str, Any], way: str
) -> None:
    use_up(gateway, project)
    headers = named(project) if way == "headers" else {}
    with connect(gateway.websocket_url, additional_headers=headers) as socket:
        if way == "message":
            credentials = {"api_key": project["api_key"], "user_external_id": str(uuid4())}
            socket.send(json.dumps({"type": "auth", **credentials}))
        problem, goodbye = (json.loads(socket.recv(timeout=10)) for _ in range(2))
        assert problem["code"] == "too_many_new_users"
        assert (goodbye["type"], goodbye["code"]) == ("goodbye", CloseCode.TOO_MANY_NEW_USERS.value)
        assert 0 < goodbye["retry_after_ms"] <= 1000 * 3600 / PER_ADDRESS


def test_an_event_stream_of_an_unknown_user_has_the_time_to_retry(gateway: Gateway, project: dict[str, Any]) -> None:
    use_up(gateway, project)
    response = fetch(gateway, named(project), "/realtime/sse")
    goodbye = response.text.partition("event: goodbye\n")[2]
    assert '"reason":"too_many_new_users"' in goodbye
    (retry,) = [line for line in goodbye.splitlines() if line.startswith("retry: ")]
    assert 0 < int(retry.removeprefix("retry: ")) <= 1000 * 3600 / PER_ADDRESS


def test_renewing_credentials_on_an_open_connection_creates_no_user(gateway: Gateway, project: dict[str, Any]) -> None:
    with connect(gateway.websocket_url, additional_headers=named(project)) as socket:
        socket.recv(timeout=10)
        for _ in range(PER_PROJECT + 1):
            name = str(uuid4())
            socket.send(json.dumps({"type": "auth", "api_key": project["api_key"], "user_external_id": name}))
            assert json.loads(socket.recv(timeout=10))["code"] == "user_not_found"
    response = httpx.get(f"{gateway.url}/v2/jwt/user/external_id:{name}", headers=admin_of(project))
    assert response.status_code == 404


def test_a_refused_user_was_not_created(gateway: Gateway, project: dict[str, Any]) -> None:
    use_up(gateway, project)
    name = str(uuid4())
    assert fetch(gateway, named(project, name)).status_code == 429
    response = httpx.delete(f"{gateway.url}/users/external_id:{name}", headers=admin_of(project))
    assert response.status_code == 404
