"""Pages of which origins may call, project by project: over REST, WebSocket and server-sent events."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.api.inbox import code
from tests.api.workspaces import admin_of, changed_project, created_project, user_of
from tests.servers import Gateway, user_headers

OURS, SUBDOMAIN, EVIL = "https://app.example.com", "https://a.b.example.com", "https://evil.example"


def rest(gateway: Gateway, headers: dict[str, str], origin: str) -> str:
    """Fetch; give the code of the refusal, "" when there is none."""
    answer = httpx.get(f"{gateway.url}/notifications", headers={**headers, "Origin": origin})
    assert answer.status_code in (200, 403)
    return "" if answer.status_code == 200 else code(answer)


def websocket(gateway: Gateway, headers: dict[str, str], origin: str) -> str:
    """Connect; give the code of the refusal, "" when there is none."""
    with connect(gateway.websocket_url, additional_headers=headers, origin=Origin(origin)) as socket:
        first = json.loads(socket.recv(5))
        if first["type"] == "ready":
            return ""
        goodbye = json.loads(socket.recv(5))
        assert (goodbye["code"], goodbye["reason"]) == (4503, "forbidden")
        with contextlib.suppress(Exception):
            socket.recv(5)
        assert socket.close_code == 4503
        return str(first["code"])


def sse(gateway: Gateway, headers: dict[str, str], origin: str) -> str:
    """Open a stream; give the code of the refusal, "" when there is none."""
    with httpx.stream("GET", f"{gateway.url}/realtime/sse", headers={**headers, "Origin": origin}) as answer:
        if answer.status_code == 200:
            assert answer.headers["access-control-allow-origin"] in (origin, "*")
            return ""
        assert answer.status_code == 403
        assert answer.headers["access-control-allow-origin"] == "null"
        answer.read()
        return code(answer)


Way = Callable[[Gateway, dict[str, str], str], str]
ways = pytest.mark.parametrize("way", [rest, websocket, sse])


@pytest.fixture
def project(gateway: Gateway) -> dict[str, Any]:
    return created_project(gateway, allowed_origins=[OURS, "https://*.b.example.com"])


@ways
@pytest.mark.parametrize(("origin", "refusal"), [(OURS, ""), (SUBDOMAIN, ""), (EVIL, "origin_not_allowed")])
def test_only_the_projects_origins_may_call(
    gateway: Gateway, project: dict[str, Any], way: Way, origin: str, refusal: str
) -> None:
    assert way(gateway, user_of(project, "ada"), origin) == refusal


@ways
def test_a_change_counts_at_once_for_who_comes_new(gateway: Gateway, project: dict[str, Any], way: Way) -> None:
    ada = user_of(project, "ada")
    assert way(gateway, ada, EVIL) == "origin_not_allowed"
    changed_project(gateway, project, allowed_origins=[EVIL])
    assert (way(gateway, ada, EVIL), way(gateway, ada, OURS)) == ("", "origin_not_allowed")
    changed_project(gateway, project, allowed_origins=[])
    assert (way(gateway, ada, EVIL), way(gateway, ada, OURS)) == ("", "")


@ways
def test_another_project_keeps_its_own(gateway: Gateway, project: dict[str, Any], way: Way) -> None:
    assert way(gateway, user_headers("ada"), EVIL) == ""


def test_wrong_credentials_learn_nothing_of_origins(gateway: Gateway, project: dict[str, Any]) -> None:
    wrong = {**user_of(project, "ada"), "X-MAGICBELL-API-SECRET": "wrong", "Origin": EVIL}
    answer = httpx.get(f"{gateway.url}/notifications", headers=wrong)
    assert (answer.status_code, code(answer)) == (401, "api_secret_is_incorrect")


def test_who_is_no_page_sends_no_origin_and_may_call(gateway: Gateway, project: dict[str, Any]) -> None:
    assert httpx.get(f"{gateway.url}/notifications", headers=user_of(project, "ada")).status_code == 200


def test_a_backends_calls_are_checked_too(gateway: Gateway, project: dict[str, Any]) -> None:
    answer = httpx.get(f"{gateway.url}/active_users", headers={**admin_of(project), "Origin": EVIL})
    assert (answer.status_code, code(answer)) == (403, "origin_not_allowed")


def test_credentials_in_a_first_message_are_checked_alike(gateway: Gateway, project: dict[str, Any]) -> None:
    changed_project(gateway, project, hmac_enabled=False)
    auth = {"type": "auth", "api_key": project["api_key"], "user_external_id": "ada"}
    for origin, kind in ((OURS, "ready"), (EVIL, "error")):
        with connect(gateway.websocket_url, origin=Origin(origin)) as socket:
            socket.send(json.dumps(auth))
            assert json.loads(socket.recv(5))["type"] == kind
