"""The origins whose pages may call a project over REST, WebSocket and server-sent events."""

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.api.inbox import code
from tests.api.workspaces import admin_of, changed_project, created_project, user_of
from tests.servers import Gateway, running_gateway, user_headers

OURS, SUBDOMAIN, EVIL = "https://app.example.com", "https://a.b.example.com", "https://evil.example"


def rest(gateway: Gateway, headers: dict[str, str], origin: str) -> str:
    """Make a request, and return the code of the refusal, "" if it succeeds."""
    response = httpx.get(f"{gateway.url}/notifications", headers={**headers, "Origin": origin})
    assert response.status_code in (200, 403)
    readable = response.headers.get("access-control-allow-origin") in (origin, "*")
    assert readable is (response.status_code == 200)
    return "" if response.status_code == 200 else code(response)


def websocket(gateway: Gateway, headers: dict[str, str], origin: str) -> str:
    """Connect, and return the code of the refusal, "" if it succeeds."""
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
    """Open a stream, and return the code of the refusal, "" if it succeeds."""
    with httpx.stream("GET", f"{gateway.url}/realtime/sse", headers={**headers, "Origin": origin}) as response:
        if response.status_code == 200:
            assert response.headers["access-control-allow-origin"] in (origin, "*")
            return ""
        assert response.status_code == 403
        assert "access-control-allow-origin" not in response.headers
        response.read()
        return code(response)


def preflight(gateway: Gateway, headers: dict[str, str], origin: str) -> str:
    """Send a preflight, and return the code of the refusal, "" if it succeeds."""
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-a, b"}
    response = httpx.options(f"{gateway.url}/notifications", headers=asked)
    allowed = response.headers.get("access-control-allow-origin")
    assert (response.status_code, allowed in (origin, "*")) in ((200, True), (400, False))
    if allowed is None:
        return "origin_not_allowed"
    assert response.headers["access-control-allow-headers"] == "x-a, b"
    return ""


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
def test_a_change_applies_at_once_to_new_requests(gateway: Gateway, project: dict[str, Any], way: Way) -> None:
    ada = user_of(project, "ada")
    assert way(gateway, ada, EVIL) == "origin_not_allowed"
    changed_project(gateway, project, allowed_origins=[EVIL])
    assert (way(gateway, ada, EVIL), way(gateway, ada, OURS)) == ("", "origin_not_allowed")
    changed_project(gateway, project, allowed_origins=[])
    assert (way(gateway, ada, EVIL), way(gateway, ada, OURS)) == ("", "")


@ways
def test_a_change_does_not_affect_another_project(gateway: Gateway, project: dict[str, Any], way: Way) -> None:
    assert way(gateway, user_headers("ada"), EVIL) == ""


def test_the_error_of_wrong_credentials_does_not_reveal_the_allowed_origins(
    gateway: Gateway, project: dict[str, Any]
) -> None:
    wrong = {**user_of(project, "ada"), "X-MAGICBELL-API-SECRET": "wrong", "Origin": EVIL}
    response = httpx.get(f"{gateway.url}/notifications", headers=wrong)
    assert (response.status_code, code(response)) == (401, "api_secret_is_incorrect")


def test_a_client_that_sends_no_origin_may_call(gateway: Gateway, project: dict[str, Any]) -> None:
    assert httpx.get(f"{gateway.url}/notifications", headers=user_of(project, "ada")).status_code == 200


def test_a_backends_calls_are_checked_too(gateway: Gateway, project: dict[str, Any]) -> None:
    response = httpx.get(f"{gateway.url}/active_users", headers={**admin_of(project), "Origin": EVIL})
    assert (response.status_code, code(response)) == (403, "origin_not_allowed")


def test_the_origin_is_checked_for_credentials_in_a_first_message_too(
    gateway: Gateway, project: dict[str, Any]
) -> None:
    changed_project(gateway, project, hmac_enabled=False)
    auth = {"type": "auth", "api_key": project["api_key"], "user_external_id": "ada"}
    for origin, kind in ((OURS, "ready"), (EVIL, "error")):
        with connect(gateway.websocket_url, origin=Origin(origin)) as socket:
            socket.send(json.dumps(auth))
            assert json.loads(socket.recv(5))["type"] == kind


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that allows few origins, one of them in a form that no browser sends."""
    allowed = "https://*.example.com, HTTPS://App.Example.org:443/, http://[0:0::1]:3000"
    with running_gateway(tmp_path_factory.mktemp("narrow") / "data", INBOX_ALLOWED_ORIGINS=allowed) as started:
        yield started


every_way = pytest.mark.parametrize("way", [rest, websocket, sse, preflight])


@every_way
@pytest.mark.parametrize(
    ("origin", "refusal"),
    [
        ("https://app.example.com", ""),
        ("https://a.b.example.com", ""),
        ("https://app.example.org", ""),
        ("https://App.Example.org", ""),
        ("https://app.example.org:443", ""),
        ("http://[::1]:3000", ""),
        ("https://example.com", "origin_not_allowed"),
        ("https://app.example.com:8443", "origin_not_allowed"),
        ("http://app.example.org", "origin_not_allowed"),
        ("https://app.example.com.evil.example", "origin_not_allowed"),
        ("https://*.example.com", "origin_not_allowed"),
        ("null", "origin_not_allowed"),
        (EVIL, "origin_not_allowed"),
    ],
)
def test_every_transport_allows_the_same_origins(narrow: Gateway, way: Way, origin: str, refusal: str) -> None:
    assert way(narrow, user_headers("ada"), origin) == refusal


@every_way
def test_a_projects_own_origins_are_allowed_beside_narrower_settings(narrow: Gateway, way: Way) -> None:
    theirs = f"https://{way.__name__}.partner.example"
    assert way(narrow, user_headers("ada"), theirs) == "origin_not_allowed"
    project = created_project(narrow, allowed_origins=[theirs])
    assert way(narrow, user_of(project, "ada"), theirs) == ""
    changed_project(narrow, project, allowed_origins=[])
    assert way(narrow, user_of(project, "ada"), theirs) == "origin_not_allowed"


def test_a_page_of_an_allowed_origin_can_read_the_error_of_a_wrong_key(narrow: Gateway) -> None:
    headers = {"X-MAGICBELL-API-KEY": "wrong", "Origin": "https://app.example.com"}
    response = httpx.get(f"{narrow.url}/notifications", headers=headers)
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (401, headers["Origin"])
