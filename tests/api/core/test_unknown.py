"""Unknown names: operations of the v1 contract report them, strict projects and other operations refuse them."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from gateway.api.core.unknown import unknown_parameters
from gateway.domain.unknown_names import MAX_NAMED, _nearest_name
from tests.api.inbox import messages, notification
from tests.api.workspaces import admin_of, changed_project, command, created_project, user_of, workspace_headers
from tests.servers import ADMIN, Gateway, user_headers, wait_for

WARNINGS = "x-inbox-warnings"
USER = {"external_id": "ada"}


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, headers=ADMIN | user_headers("ada")) as client:
        yield client


CALLS: list[tuple[str, str, Any, list[tuple[str, str]]]] = [
    ("POST", "/notifications", notification("ada", send_at=1), [("notification.send_at", "")]),
    (
        "POST",
        "/notifications",
        notification("ada", body="x", Title="y"),
        [("notification.body", ""), ("notification.Title", "title")],
    ),
    ("POST", "/notifications", {**notification("ada"), "notifications": []}, [("notifications", "notification")]),
    (
        "POST",
        "/notifications",
        notification(recipients=[{**USER, "emial": "x"}]),
        [("notification.recipients[0].emial", "email")],
    ),
    (
        "POST",
        "/notifications",
        notification("ada", overrides={"channels": {"inapp": {}}}),
        [("notification.overrides.channels.inapp", "in_app")],
    ),
    (
        "POST",
        "/broadcasts",
        {"broadcast": {"title": "x", "recipients": [USER], "topics": "x"}},
        [("broadcast.topics", "topic")],
    ),
    ("POST", "/users", {"user": {**USER, "phone_number": "1"}}, [("user.phone_number", "phone_numbers")]),
    ("PUT", "/users/external_id:ada", {"user": {"firstname": "x"}}, [("user.firstname", "first_name")]),
    ("POST", "/imports", {"import": {"users": [USER, {**USER, "mail": "x"}]}}, [("import.users[1].mail", "email")]),
    (
        "PUT",
        "/notification_preferences",
        {"notification_preferences": {"categories": [], "category": 1}},
        [("notification_preferences.category", "categories")],
    ),
    (
        "POST",
        "/push_subscriptions",
        {"push_subscription": {"device_token": "t", "platform": "ios", "app_bundle": "x"}},
        [("push_subscription.app_bundle", "app_bundle_id")],
    ),
    (
        "POST",
        "/subscriptions",
        {"subscription": {"topic": "t", "categories": [{"slug": "*", "reasons": "x"}]}},
        [("subscription.categories[0].reasons", "reason")],
    ),
    ("GET", "/notifications?reed=true", None, [("reed", "read")]),
    ("GET", "/notifications?category=x&per_pages=5", None, [("category", "categories"), ("per_pages", "per_page")]),
    ("POST", "/notifications/read?archive=true", None, [("archive", "archived")]),
    ("GET", "/config?x=1", None, [("x", "")]),
    ("GET", "/broadcasts?size=1", None, [("size", "")]),
]


def message_about(name: str, nearest: str, joint: str) -> str:
    return f"'{name}' is not known" + (f"{joint} did you mean '{nearest}'?" if nearest else "")


@pytest.mark.parametrize(("method", "path", "body", "unknown"), CALLS)
def test_v1_lists_unknown_names_in_a_header(
    client: httpx.Client, method: str, path: str, body: Any, unknown: list[tuple[str, str]]
) -> None:
    response = client.request(method, path, json=body)
    assert response.is_success, response.text
    expected = [message_about(name, nearest, ",") for name, nearest in sorted(unknown)]
    assert sorted(response.headers[WARNINGS].split("; ")) == sorted(expected)


def test_no_more_unknown_parameters_are_compared_with_the_known_ones_than_are_listed() -> None:
    _nearest_name.cache_clear()
    unknown = unknown_parameters((f"topic{number}" for number in range(10_000)), frozenset(("topics", "page")))
    assert [name.nearest for name in unknown] == ["topics"] * 2 * MAX_NAMED
    assert _nearest_name.cache_info().misses == 2 * MAX_NAMED


@pytest.fixture(scope="module")
def strict_project(gateway: Gateway) -> dict[str, Any]:
    return created_project(gateway, strict=True)


@pytest.mark.parametrize(("method", "path", "body", "unknown"), CALLS)
def test_a_strict_project_refuses_unknown_names(
    gateway: Gateway, strict_project: dict[str, Any], method: str, path: str, body: Any, unknown: list[tuple[str, str]]
) -> None:
    headers = user_of(strict_project, "ada")
    response = httpx.request(method, f"{gateway.url}{path}", headers=headers, json=body)
    assert response.status_code == 422, response.text
    assert sorted(messages(response)) == sorted(
        f"Param {message_about(name, nearest, ';')}" for name, nearest in unknown
    )


@pytest.mark.parametrize(
    ("method", "path", "body", "name"),
    [
        ("POST", "/v2/jwt/user", {**USER, "expires": 5}, "expires"),
        ("POST", "/v2/jwt/project", {"nam": "x"}, "nam"),
        ("PUT", "/v2/jwt/keys", {"keys": [], "kid": "x"}, "kid"),
        ("GET", "/v2/jwt/project?page[sice]=1", None, "page[sice]"),
        ("POST", "/users/external_id:ada/revoke_tokens", {"before": 1}, "before"),
        ("GET", "/active_users?moth=2026-01", None, "moth"),
        ("GET", "/realtime/events?sinse=a.1", None, "sinse"),
        ("DELETE", "/v2/jwt/project/x?force=1", None, "force"),
    ],
)
def test_our_own_operations_refuse_unknown_names(
    client: httpx.Client, method: str, path: str, body: Any, name: str
) -> None:
    response = client.request(method, path, json=body)
    assert response.status_code == 422, response.text
    assert messages(response)[0].startswith(f"Param '{name}' is not known")


def test_all_faults_are_reported_together(gateway: Gateway, strict_project: dict[str, Any]) -> None:
    body = {"notification": {"titel": "x", "recipients": []}}
    response = httpx.post(f"{gateway.url}/notifications", headers=admin_of(strict_project), json=body)
    assert (response.status_code, sorted(messages(response))) == (
        422,
        [
            "Param 'notification.recipients' must have 1 to 1000 items",
            "Param 'notification.titel' is not known; did you mean 'title'?",
            "Param 'notification.title' is missing",
        ],
    )


def test_a_misspelt_field_and_a_missing_one_are_both_named(client: httpx.Client) -> None:
    response = client.post("/notifications", json={"notification": {"titel": "x", "recipients": [USER]}})
    assert (response.status_code, messages(response)) == (422, ["Param 'notification.title' is missing"])
    assert response.headers[WARNINGS] == "'notification.titel' is not known, did you mean 'title'?"


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("GET", "/notifications?", b"null"),
        ("GET", "/notifications?categories[]=a&categories=b&topics[]=c&read=&per_page=", b"null"),
        ("POST", "/notifications/read", b'{"user_notification_read":{}}'),
        ("POST", "/notifications/seen", b"{}"),
        (
            "POST",
            "/notifications",
            json.dumps(
                notification(
                    "ada",
                    custom_attributes={"any": {"thing": 1}},
                    overrides={
                        "channels": {
                            "email": {"title": "x"},
                            "mobile_push": {},
                            "web_push": {},
                            "sms": {},
                            "slack": {},
                        },
                        "providers": {"apns": {}},
                    },
                )
            ).encode(),
        ),
        (
            "PUT",
            "/notification_preferences",
            json.dumps(
                {
                    "notification_preferences": {
                        "categories": [
                            {
                                "slug": "a",
                                "label": "A",
                                "channels": [{"slug": "email", "label": "Email", "enabled": True}],
                            },
                        ]
                    }
                }
            ).encode(),
        ),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_names_that_clients_are_known_to_send_cause_no_warning(
    gateway: Gateway, strict_project: dict[str, Any], method: str, path: str, content: bytes, strict: bool
) -> None:
    headers = user_of(strict_project, "ada") if strict else ADMIN | user_headers("ada")
    response = httpx.request(method, f"{gateway.url}{path}", headers=headers, content=content)
    assert response.is_success, response.text
    assert WARNINGS not in response.headers


def test_a_page_accepts_any_query(client: httpx.Client) -> None:
    for path in ("/client.js?v=2", "/docs?x", "/healthz?y=1", "/openapi.json?z"):
        response = client.get(path)
        assert (response.status_code, WARNINGS in response.headers) == (200, False)


def test_the_header_is_ascii_and_limited_in_length(client: httpx.Client) -> None:
    names = {f"unknown{number}\r\nSet-Cookie: a={number}é\u2028'": 1 for number in range(1000)}
    response = client.post("/users", json={"user": {**USER, **names}})
    assert response.status_code == 201
    assert "set-cookie" not in response.headers
    assert response.headers[WARNINGS].isascii()
    assert len(response.headers[WARNINGS]) < 4000


def test_the_log_names_each_unknown_name_once_and_nothing_private(gateway: Gateway, client: httpx.Client) -> None:
    project = created_project(gateway)
    body = {"user": {**USER, "sendat": 1, "joe@example.com": 1, "x" * 64: 1}}
    for _ in range(3):
        httpx.post(f"{gateway.url}/users", headers=admin_of(project), json=body)

    def lines() -> list[dict[str, Any]]:
        found = [json.loads(line) for line in gateway.log.splitlines() if '"unknown_names"' in line]
        return [line for line in found if line["project"] == str(project["id"])]

    wait_for(lines, "the warning")
    (line,) = lines()
    assert line["operation"] == "POST /users"
    assert {"name": "user.sendat"} in line["names"]
    assert "joe@example.com" not in gateway.log
    assert "x" * 64 not in gateway.log


def test_a_project_is_made_strict_over_http_and_on_the_command_line(gateway: Gateway) -> None:
    project = created_project(gateway)
    assert project["strict"] is False

    def status() -> int:
        return httpx.get(f"{gateway.url}/notifications?reed=1", headers=user_of(project, "ada")).status_code

    assert status() == 200
    assert changed_project(gateway, project, strict=True)["strict"] is True
    assert status() == 422
    assert changed_project(gateway, project, name="x")["strict"] is True
    command(gateway, "project", "set", project["api_key"], "--no-strict")
    wait_for(lambda: status() == 200, "the command to take effect")
    assert "strict" in command(gateway, "project", "set", project["api_key"], "--strict")
    wait_for(lambda: status() == 422, "the command to take effect")


def test_the_operations_on_projects_ignore_and_list_unknown_names(gateway: Gateway) -> None:
    body = {"project": {"name": "Shop", "hmacenabled": True}}
    response = httpx.post(f"{gateway.url}/workspaces/1/projects?x=1", headers=workspace_headers(gateway), json=body)
    assert response.status_code == 200
    assert (
        response.headers[WARNINGS]
        == "'x' is not known; 'project.hmacenabled' is not known, did you mean 'hmac_enabled'?"
    )


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"type": "ping", "id": 1}, "`id`"),
        (
            {"type": "auth", "api_key": "x", "user_externalid": "ada"},
            "`user_externalid`; did you mean `user_external_id`?",
        ),
    ],
)
def test_a_live_message_with_an_unknown_field_is_an_error(
    gateway: Gateway, sent: dict[str, Any], expected: str
) -> None:
    with connect(gateway.websocket_url) as socket:
        socket.send(json.dumps(sent))
        error = json.loads(socket.recv(5))
    assert (error["type"], error["code"]) == ("error", "invalid_message")
    assert expected in error["message"]


MISSPELT = {"sinse": "since", "user_externalid": "user_external_id", "api-key": "api_key", "Token": "token"}


@pytest.mark.parametrize(("name", "meant"), MISSPELT.items())
def test_a_misspelt_parameter_opens_no_live_connection(gateway: Gateway, name: str, meant: str) -> None:
    expected = f"Param '{name}' is not known; did you mean '{meant}'?"
    response = httpx.get(f"{gateway.url}/realtime/sse?{name}=x", headers=user_headers("ada"))
    assert (response.status_code, messages(response)) == (422, [expected])
    with connect(f"{gateway.websocket_url}?{name}=x", additional_headers=user_headers("ada")) as socket:
        error, goodbye = json.loads(socket.recv(5)), json.loads(socket.recv(5))
    assert (error["code"], error["message"]) == ("unknown_parameter", expected)
    assert (goodbye["code"], goodbye["retry_after_ms"]) == (4510, None)


@pytest.mark.parametrize("query", ["_=1732", "lastEventId=", "last_event_id=", "evs_preamble=1", "v=2", "x" * 200])
def test_parameters_that_libraries_add_to_a_live_address_cause_no_warning(gateway: Gateway, query: str) -> None:
    with httpx.stream("GET", f"{gateway.url}/realtime/sse?{query}", headers=user_headers("ada")) as response:
        assert response.status_code == 200
