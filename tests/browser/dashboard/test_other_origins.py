"""Sessions and pages of others: they may neither read with a cookie, nor write, nor frame the dashboard."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.dashboard.dashboard import sign_in_on
from tests.browser.dashboard.instance import EDITOR, OWNER, PASSWORD, Instance
from tests.browser.page_server import PageServer, running_page_server

FETCH = """async ([url, options]) => {
    try {
        const response = await fetch(url, { credentials: "include", ...options });
        return { status: response.status, text: await response.text() };
    } catch (error) {
        return { refused: error.name };
    }
}"""

CROSS_SITE, CROSS_PORT = "cross-site", "same-site"


@pytest.fixture(scope="module")
def pages() -> Iterator[PageServer]:
    """Yield a server of pages of others."""
    with running_page_server() as started:
        yield started


@pytest.fixture
def device(browser: Browser, instance: Instance) -> Iterator[BrowserContext]:
    """Yield a device on which an owner has signed in. The cookie is the gateway's own, with all of its attributes."""
    with browser.new_context() as context:
        login = {"email": f"{OWNER}@example.com", "password": PASSWORD}
        headers = {"Origin": instance.gateway.url}
        assert context.request.post(f"{instance.url}api/login", data=login, headers=headers).ok
        yield context


@pytest.fixture(params=[CROSS_SITE, CROSS_PORT])
def foreign(request: pytest.FixtureRequest, device: BrowserContext, pages: PageServer) -> Page:
    """Return a page of another site, or of another port of the gateway's host, to which browsers send its cookies."""
    page = device.new_page()
    address = pages.add_page("<p>A page of others</p>")
    page.goto(address if request.param == CROSS_SITE else address.replace("localhost", "127.0.0.1"))
    return page


def fetched(page: Page, url: str, **options: Any) -> dict[str, Any]:
    """Return what a script of a page gets for a request with cookies."""
    found: dict[str, Any] = page.evaluate(FETCH, [url, options])
    return found


def names(instance: Instance) -> list[str]:
    return [each["name"] for each in instance.api(OWNER, "GET", "projects").json()["data"]]


def test_a_page_of_others_reads_nothing_and_changes_nothing(foreign: Page, instance: Instance) -> None:
    projects = f"{instance.url}api/projects"
    assert foreign.context.request.get(projects).ok, "the device is signed in"
    assert fetched(foreign, projects) == {"refused": "TypeError"}
    assert fetched(foreign, projects, mode="no-cors") == {"status": 0, "text": ""}
    body = '{"name": "Stolen"}'
    for headers in (
        {"Content-Type": "application/json"},
        {"Content-Type": "text/plain"},
        {"Authorization": "Bearer x"},
    ):
        assert fetched(foreign, projects, method="POST", body=body, headers=headers) == {"refused": "TypeError"}
    fetched(foreign, projects, method="POST", body=body, mode="no-cors")
    with foreign.expect_navigation() as navigation:
        foreign.evaluate(
            """(url) => {
                const form = Object.assign(document.createElement("form"), { method: "post", action: url });
                form.enctype = "text/plain";
                const input = document.createElement("input");
                form.append(Object.assign(input, { name: '{"name": "Stolen", "x": "', value: '"}' }));
                document.body.append(form);
                form.submit();
            }""",
            projects,
        )
    assert navigation.value is not None
    assert navigation.value.status in (401, 403)
    assert "Stolen" not in names(instance)
    foreign.go_back()
    fetched(foreign, f"{instance.url}api/logout", method="POST", body="{}", mode="no-cors")
    assert foreign.context.request.get(projects).ok, "nor does it sign anybody out"


def test_a_page_of_others_cannot_frame_the_dashboard_or_reach_its_window(foreign: Page, instance: Instance) -> None:
    foreign.evaluate(
        """(url) => new Promise((loaded) => {
            const frame = Object.assign(document.createElement("iframe"), { src: url, onload: loaded });
            document.body.append(frame);
        })""",
        instance.url,
    )
    (frame,) = foreign.frames[1:]
    assert not frame.url.startswith(instance.url)
    with foreign.expect_popup() as popup:
        foreign.evaluate("(url) => { window.opened = open(url); }", instance.url)
    expect(popup.value.get_by_role("heading", level=1).first).to_be_visible()
    assert popup.value.evaluate("window.opener") is None
    assert foreign.evaluate("opened.closed"), "it has no way to the window"


def test_a_page_of_the_dashboard_keeps_no_secret_and_a_session_that_has_ended_opens_nothing(
    browser: Browser, instance: Instance
) -> None:
    with browser.new_context() as context:
        planted = {"name": "inbox_admin", "value": "A" * 43, "url": instance.gateway.url}
        context.add_cookies([planted])  # type: ignore[list-item] # a cookie's type is not public
        page = sign_in_on(context, instance, None)
        page.goto()
        page.field("Email").fill(f"{EDITOR}@example.com")
        page.field("Password").fill(PASSWORD)
        page.page.keyboard.press("Enter")
        expect(page.heading("Overview")).to_be_visible()
        page.wait()
        (cookie,) = [each for each in context.cookies() if each["name"] == "inbox_admin"]
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
        secret = cookie["value"]
        assert secret != planted["value"], "the session is a new one"
        kept = "JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }, location.href])"
        found = page.page.evaluate(kept) + page.page.content()
        assert not [each for each in (secret, PASSWORD) if each in found]
        assert page.page.evaluate("async () => [...await indexedDB.databases(), ...await caches.keys()]") == []

        page.page.keyboard.press("Control+k")
        page.drawer.get_by_role("combobox").fill("sign out")
        page.page.get_by_role("option", name="Sign out").click()
        expect(page.heading("Sign in")).to_be_visible()
        context.add_cookies([planted | {"value": secret}])  # type: ignore[list-item] # as above
        page.page.go_back()
        page.page.reload()
        expect(page.heading("Sign in")).to_be_visible()
        expect(page.page.get_by_text("Ada Lovelace")).to_have_count(0)
