"""What a visitor of the demo can do, and what nobody can do through it."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.demo.conftest import Visitor
from tests.api.projects import command
from tests.end_to_end.demo_page import Demo, running_demo
from tests.servers import user_hmac, wait_for

OPERATIONS: list[tuple[str, Any]] = [
    ("visits", {}),
    ("tokens", {"device": "ada-phone"}),
    ("revocations", {"device": "ada-phone"}),
    ("notifications", {"to": ["ada"], "title": "Hello"}),
    ("restarts", {}),
]


def test_a_notification_is_in_the_inboxes_of_its_recipients(visitor: Visitor) -> None:
    sent = visitor.post("notifications", {"to": ["ada"], "title": "Hello", "category": "orders", "delivery": "d1"})
    assert sent.status_code == 201
    (item,) = visitor.inbox(visitor.token("ada-laptop")).json()["notifications"]
    assert (item["id"], item["title"], item["category"]) == (sent.json()["id"], "Hello", "orders")
    assert item["custom_attributes"] == {"delivery": "d1"}
    assert visitor.inbox(visitor.token("grace-phone")).json()["notifications"] == []


def test_revoking_ends_one_device_and_signing_in_again_opens_it(visitor: Visitor) -> None:
    phone, laptop = visitor.token("ada-phone"), visitor.token("ada-laptop")
    assert visitor.post("revocations", {"device": "ada-phone"}).json() == {"revoked": 1}
    assert (visitor.inbox(phone).status_code, visitor.inbox(laptop).status_code) == (401, 200)
    assert visitor.inbox(visitor.token("ada-phone")).status_code == 200
    assert visitor.post("revocations", {"device": "grace-phone"}).json() == {"revoked": 0}


def test_a_visit_is_continued_by_its_cookie_which_scripts_cannot_read(visitor: Visitor) -> None:
    response = visitor.post("visits")
    (cookie,) = response.headers.get_list("set-cookie")
    assert {"HttpOnly", "SameSite=Strict"} <= set(cookie.split("; "))
    assert "path" not in cookie.lower()
    assert "Secure" not in cookie
    assert visitor.external_id("ada") == visitor.external_id("ada")
    assert "eyJ" not in response.text  # as every token begins
    visitor.http.cookies.clear()
    assert visitor.external_id("ada") != response.json()["people"][0]["external_id"]


@pytest.mark.parametrize(("operation", "body"), OPERATIONS)
def test_pages_of_other_origins_are_refused(visitor: Visitor, operation: str, body: Any) -> None:
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},  # another port of this host
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[::1"},
    ):
        response = visitor.post(operation, body, **headers)
        assert response.status_code == 403, headers
        assert response.json()["errors"][0]["code"] == "origin_not_allowed"


def test_the_pages_of_the_demo_are_admitted(visitor: Visitor) -> None:
    assert visitor.post("visits", Origin=visitor.demo.gateway.url).status_code == 200
    assert visitor.post("visits", **{"Sec-Fetch-Site": "same-origin"}).status_code == 200


@pytest.mark.parametrize(("operation", "body"), OPERATIONS[1:])
@pytest.mark.parametrize("cookie", ["", "inbox_demo=", "inbox_demo=x.y.z", "inbox_demo=eyJhbGciOiJub25lIn0.e30."])
def test_a_request_without_a_visit_is_refused(demo: Demo, operation: str, body: Any, cookie: str) -> None:
    response = httpx.post(f"{demo.gateway.url}/demo/api/{operation}", json=body, headers={"Cookie": cookie})
    assert response.status_code == 403
    assert "Reload the page" in response.json()["errors"][0]["suggestion"]


@pytest.mark.parametrize(
    ("operation", "body", "fault"),
    [
        ("visits", {"project": "1"}, "'project' is not known"),
        ("tokens", {"device": "ada-phone", "expiry": 9}, "'expiry' is not known"),
        ("tokens", {"device": "joe-phone"}, "'device' must be one of"),
        ("notifications", {"to": ["joe"], "title": "x"}, "must be one of ada, grace"),
        ("notifications", {"to": [{"matches": "*"}], "title": "x"}, "must be one of ada, grace"),
        ("notifications", {"to": [], "title": "x"}, "must have 1 to 2 items"),
        ("notifications", {"to": ["ada"], "title": "x", "recipients": []}, "'recipients' is not known"),
        ("notifications", {"to": ["ada"], "title": "x", "topic": "t"}, "'topic' is not known"),
        ("notifications", {"to": ["ada"], "title": "x", "content": "x" * 4001}, "at most 4000 characters"),
        ("notifications", {"to": ["ada"], "title": " "}, "'title' is missing"),
    ],
)
def test_a_body_with_a_fault_is_refused(visitor: Visitor, operation: str, body: Any, fault: str) -> None:
    response = visitor.post(operation, body)
    assert response.status_code == 422
    assert any(fault in error["message"] for error in response.json()["errors"]), response.text


def test_a_large_body_is_refused(visitor: Visitor) -> None:
    body = {"to": ["ada"], "title": "x", "content": "x" * 70_000}
    assert visitor.post("notifications", body).status_code == 413


def test_sending_is_limited_for_each_visitor(visitor: Visitor) -> None:
    body = {"to": ["ada"], "title": "Hello"}
    codes = [visitor.post("notifications", body).status_code for _ in range(61)]
    assert codes == [201] * 60 + [429]
    refused = visitor.post("notifications", body)
    assert 1 <= int(refused.headers["retry-after"]) <= 60


def test_no_other_channel_sends_what_the_demo_sends(visitor: Visitor) -> None:
    """Otherwise a visitor who registers channel tokens would have the gateway send many requests for one."""
    token = visitor.token("ada-laptop")
    headers = {"Authorization": f"Bearer {token}"}
    webhook = {"webhook": {"url": "https://hooks.slack.com/services/T0/B0/x"}}
    registered = visitor.http.put("/v2/channels/slack/tokens", json=webhook, headers=headers)
    assert registered.status_code in (200, 201), registered.text
    sent = visitor.post("notifications", {"to": ["ada"], "title": "Hello"}).json()["id"]
    demo, user = visitor.demo, visitor.external_id("ada")
    admin = {"X-MAGICBELL-API-KEY": demo.api_key, "X-MAGICBELL-API-SECRET": demo.api_secret}
    path = f"/v2/users/external_id:{user}/notifications/{sent}/trace"
    trace = visitor.http.get(path, headers=admin)
    assert "slack" not in trace.text
    assert visitor.inbox(token).json()["notifications"][0]["id"] == sent


def test_a_visitor_reaches_no_other_user(visitor: Visitor) -> None:
    visitor.demo.send("Private", "joe")
    token = visitor.token("ada-laptop")
    headers = {"Authorization": f"Bearer {token}", "X-MAGICBELL-USER-EXTERNAL-ID": "joe"}
    assert visitor.http.get("/notifications", headers=headers).json()["notifications"] == []
    post = {"notification": {"title": "x", "recipients": [{"external_id": "joe"}]}}
    assert visitor.http.post("/notifications", json=post, headers=headers).status_code in (401, 403)


def test_the_workers_are_replaced_at_most_once_in_a_while(tmp_path: Path) -> None:
    with (
        running_demo(tmp_path / "data", INBOX_DRAIN_SECONDS="0") as demo,
        httpx.Client(base_url=demo.gateway.url, timeout=30) as http,
    ):
        visitor = Visitor(demo, http)
        assert visitor.post("visits").json()["can_restart"]
        refused = visitor.post("restarts")
        assert (refused.status_code, refused.json()["errors"][0]["message"]) == (429, "The worker was just started")
        assert 1 <= int(refused.headers["retry-after"]) <= 10


def test_the_demo_is_off_beside_other_projects_unless_it_is_turned_on(tmp_path: Path) -> None:
    with running_demo(tmp_path / "data") as demo, httpx.Client(base_url=demo.gateway.url, timeout=10) as http:
        visitor = Visitor(demo, http)
        visitor.post("visits").raise_for_status()
        token = visitor.token("ada-laptop")
        assert http.get("/").headers["location"] == "/demo"

        command(demo.gateway, "project", "create", "Shop")
        wait_for(lambda: http.get("/demo").status_code == 404, "the demo to be off")
        assert http.get("/").headers["location"] == "/docs"
        for path in ("/demo", "/demo/protocol"):
            assert "INBOX_DEMO=on" in http.get(path).json()["errors"][0]["suggestion"]
        for operation, body in OPERATIONS:
            assert visitor.post(operation, body).status_code == 404
        # The project itself is as it was: its tokens and keys work.
        assert visitor.inbox(token).status_code == 200
        demo.send("Hello", "ada")

        demo.gateway.stop()
        demo.gateway.environment["INBOX_DEMO"] = "on"
        demo.gateway.start()
        assert visitor.post("notifications", {"to": ["ada"], "title": "Hello"}).status_code == 201
        refused = visitor.post("restarts")
        assert (refused.status_code, "other projects" in refused.text) == (403, True)


def test_a_demo_that_is_turned_off_is_not_served_and_its_project_works(tmp_path: Path) -> None:
    with running_demo(tmp_path / "data", INBOX_DEMO="off") as demo:
        assert httpx.get(f"{demo.gateway.url}/demo").status_code == 404
        headers = {
            "X-MAGICBELL-API-KEY": demo.api_key,
            "X-MAGICBELL-USER-EXTERNAL-ID": "ada",
            "X-MAGICBELL-USER-HMAC": user_hmac("ada", demo.api_secret),
        }
        assert httpx.get(f"{demo.gateway.url}/notifications", headers=headers).status_code == 200
