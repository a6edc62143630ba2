"""Texts of strangers on every screen: they are shown as texts, and run nothing."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.dashboard.dashboard import Dashboard, dashboard_of
from tests.browser.dashboard.instance import OWNER, PASSWORD, Instance, running_instance
from tests.browser.dashboard.screens import SCREENS

HOSTILE = "</script><img src=data:, onerror=pwned()>\"'><svg onload=pwned()>{{7*7}}\u202e=1+1"
IMAGE = "<img src=data:, onerror=pwned()>"
LINK = "javascript:pwned()//https://example.com/"
WHO = f"x{HOSTILE}"

PWNED = "window.pwned = () => { window.violations.push('a text has run'); };"

LINKS = """() => [...document.querySelectorAll("a[href], area[href], iframe[src], form[action]")]
    .map((element) => element.getAttribute("href") ?? element.getAttribute("src") ?? element.getAttribute("action"))
    .filter((address) => !/^https?:$/.test(new URL(address, document.baseURI).protocol))"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Yield a gateway with hostile texts wherever somebody may choose one."""
    with running_instance(tmp_path_factory.mktemp("h")) as instance:
        seed(instance)
        yield instance


def seed(instance: Instance) -> None:
    """Store the text in every field that has one."""
    person = {"external_id": WHO, "email": "o'x+<svg>@example.com", "first_name": IMAGE, "last_name": IMAGE}
    instance.request(
        "POST", "/users", json={"user": person | {"custom_attributes": {HOSTILE: HOSTILE, "a": [HOSTILE]}}}
    )
    sent = {"title": HOSTILE, "content": HOSTILE, "category": "c", "topic": HOSTILE, "action_url": LINK}
    instance.request("POST", "/notifications", json={"notification": sent | {"recipients": [{"external_id": WHO}]}})
    instance.request("POST", "/broadcasts", json={"broadcast": sent | {"recipients": [{"external_id": WHO}]}})
    instance.request("POST", "/v2/jwt/project", json={"name": HOSTILE})
    endpoint = {"url": "https://example.com/?a=<svg>", "description": HOSTILE}
    instance.api(OWNER, "POST", f"projects/{instance.project_id}/v2/webhooks/endpoints", json=endpoint)
    instance.api(OWNER, "PATCH", "me", json={"name": HOSTILE})
    instance.api(OWNER, "PATCH", "workspaces/1", json={"title": HOSTILE})
    instance.api(OWNER, "PATCH", f"projects/{instance.project_id}", json={"name": HOSTILE})
    admin = {"email": "admin+<svg>@example.com", "name": HOSTILE, "roles": {"1": "viewer"}}
    instance.api(OWNER, "POST", "admins", json=admin)
    with_agent = {"Sec-Fetch-Site": "same-origin", "User-Agent": HOSTILE.encode("ascii", "replace").decode()}
    login = {"email": f"{OWNER}@example.com", "password": PASSWORD}
    instance.backend.post("/admin/api/login", headers=with_agent, json=login).raise_for_status()
    instance.backend.cookies.clear()


def test_a_hostile_text_runs_nowhere_and_no_link_leads_out_of_the_web(browser: Browser, hostile: Instance) -> None:
    project = f"projects/{hostile.project_id}/v2"
    (user,) = [
        each["id"]
        for each in hostile.api(OWNER, "GET", f"{project}/users").json()["data"]
        if each["external_id"] == WHO
    ]
    sent = [each["id"] for each in hostile.api(OWNER, "GET", f"{project}/sent").json()["data"]][:2]
    with dashboard_of(browser, hostile, OWNER) as dashboard:
        dashboard.page.add_init_script(PWNED)

        def check(where: str) -> None:
            assert dashboard.page.evaluate(LINKS) == [], where
            assert dashboard.violations() == [], where

        for screen in SCREENS:
            screen.show(dashboard)
            check(screen.name)
        for path in (f"users/{user}", *(f"notifications/{each}" for each in sent)):
            dashboard.open(path)
            check(path)
        dashboard.open("deliveries", user=user, notification=sent[0])
        check("deliveries")
        shows_text(dashboard, user)


def shows_text(dashboard: Dashboard, user: str) -> None:
    """Check that the page of a user has the text as it was sent."""
    dashboard.open(f"users/{user}")
    expect(dashboard.main.get_by_text(IMAGE).first).to_be_visible()


@pytest.mark.parametrize("next_address", ["//evil.example.com/", "javascript:pwned()", "\\\\evil.example.com"])
def test_a_login_leads_into_the_dashboard_alone(browser: Browser, hostile: Instance, next_address: str) -> None:
    with dashboard_of(browser, hostile, None) as dashboard:
        dashboard.page.add_init_script(PWNED)
        dashboard.goto("login", next=next_address)
        dashboard.field("Email").fill(f"{OWNER}@example.com")
        dashboard.field("Password").fill(PASSWORD)
        dashboard.page.keyboard.press("Enter")
        expect(dashboard.heading("Overview")).to_be_visible()
        assert dashboard.page.url.startswith(hostile.url)
        dashboard.errors.expect()  # without a session, the page is told so
        dashboard.refused.expect("^401 ")


MAIL = """<html><head><meta http-equiv="refresh" content="0;url=https://evil.example.com/">
<base href="https://evil.example.com/"><title>x</title></head><body>
<script>parent.postMessage("run", "*")</script>
<img src="data:," onerror="parent.postMessage('run', '*')"><svg onload="parent.postMessage('run', '*')"></svg>
<iframe srcdoc="<script>top.postMessage('run', '*')</script>"></iframe>
<object data="data:text/html,x"></object><embed src="data:text/html,x">
<form action="https://evil.example.com/"><button id="send">Send</button></form>
<a id="top" href="https://evil.example.com/" target="_top">Top</a>
<a id="blank" href="javascript:parent.postMessage('run', '*')">Run</a><p id="end">End</p></body></html>"""

FRAME = """([src, html]) => new Promise((shown) => {
    window.messages = [];
    addEventListener("message", ({ data }) => messages.push(data));
    const frame = document.createElement("iframe");
    frame.setAttribute("sandbox", "allow-scripts");
    frame.src = src;
    frame.onload = () => { frame.contentWindow.postMessage({ html, theme: "dark" }, "*"); shown(); };
    document.body.append(frame);
})"""


def test_a_hostile_mail_runs_nothing_and_leads_nowhere(browser: Browser, hostile: Instance) -> None:
    with dashboard_of(browser, hostile, OWNER) as dashboard:
        dashboard.open("users")
        page, address = dashboard.page, f"{hostile.url}mail-frame"
        requested: list[str] = []
        page.on("request", lambda request: requested.append(request.url))
        before = page.url
        page.evaluate(FRAME, [address, MAIL])
        mail = page.frame_locator("iframe[sandbox]")
        expect(mail.locator("#end")).to_be_visible()
        for target in ("#send", "#top", "#blank"):
            mail.locator(target).click()
        assert mail.locator("body").evaluate("origin") == "null", "nothing in it can call the gateway"
        assert page.evaluate("messages") == []
        assert (page.url, page.frames[1].url) == (before, address)
        assert not [each for each in requested if "evil.example.com" in each]
        assert dashboard.violations() == [], "the page itself has violated nothing"
        # The frame reports what its own policy has refused.
        dashboard.errors.expect("violates the following Content Security Policy")
