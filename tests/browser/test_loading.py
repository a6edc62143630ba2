"""What the bell loads, and when; and what it does while a gateway does not have it, as during an upgrade."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.bell import Bell, open_bell
from tests.browser.console import Messages
from tests.browser.site import Site
from tests.servers import wait_for


class OldNode:
    """Responds to requests for a file as a gateway of the version before does, until it is upgraded."""

    def __init__(self, page: Page, name: str):
        self.requested: list[str] = []
        self._page = page
        self._pattern = f"**/{name}*"
        page.route(self._pattern, self._respond)

    def _respond(self, route: Route) -> None:
        self.requested.append(route.request.url)
        headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-store"}
        route.fulfill(status=404, content_type="application/json", headers=headers, body='{"errors": []}')

    def wait_for_requests(self, number: int, seconds: float = 10) -> None:
        """Wait until this many requests have arrived."""
        # Playwright calls `_respond` only while the test waits for the page.
        wait_for(lambda: self._page.evaluate("1") and len(self.requested) >= number, f"{number} requests", seconds)

    def upgrade(self) -> None:
        """Let all requests through from now on."""
        self._page.unroute(self._pattern)


def test_the_panel_is_loaded_as_soon_as_the_gateway_has_it(page: Page, site: Site, user: str, errors: Messages) -> None:
    old = OldNode(page, "panel.js")
    bell = open_bell(page, site, user)
    bell.open()
    expect(bell.panel.get_by_role("alert")).to_contain_text("Notifications couldn’t be loaded")
    old.wait_for_requests(3, 30)
    assert len(set(old.requested)) == len(old.requested)  # some browsers keep the failure of an address
    old.upgrade()
    site.send("Hello", user)
    expect(bell.item("Hello")).to_be_visible(timeout=30_000)
    expect(bell.panel.get_by_role("alert")).to_have_count(0)
    bell.close()
    errors.expect()


def test_a_user_loads_the_panel_by_a_button(page: Page, site: Site, user: str, errors: Messages) -> None:
    page.add_init_script("const { random } = Math; Math.random = () => 1000 * random()")  # pauses take minutes
    old = OldNode(page, "panel.js")
    bell = open_bell(page, site, user)
    bell.open()
    retry = bell.panel.get_by_role("button", name="Try again")
    for _ in range(2):
        requests = len(old.requested)
        retry.click()
        old.wait_for_requests(requests + 1)
        expect(retry).to_be_visible()
    old.upgrade()
    retry.press("Enter")
    expect(bell.panel.get_by_text("Nothing here yet")).to_be_visible()
    expect(bell.panel).to_be_focused()
    errors.expect()


def test_a_list_is_loaded_as_soon_as_the_gateway_has_its_script(
    page: Page, site: Site, user: str, errors: Messages
) -> None:
    old = OldNode(page, "panel.js")
    page.goto(site.page(main=site.element(user, "inbox-list")))
    expect(page.get_by_role("alert")).to_contain_text("Notifications couldn’t be loaded")
    old.upgrade()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Nothing here yet")).to_be_visible()
    errors.expect()


def test_settings_are_loaded_by_a_button(page: Page, site: Site, user: str, errors: Messages) -> None:
    old = OldNode(page, "settings.js")
    page.goto(site.page(main=site.element(user, "inbox-preferences")))
    expect(page.get_by_role("alert")).to_contain_text("Settings couldn’t be loaded")
    old.upgrade()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Choose how")).to_be_visible()
    errors.expect()


def test_markup_is_shown_as_text_until_its_script_is_loaded(
    page: Page, site: Site, user: str, errors: Messages
) -> None:
    old = OldNode(page, "html.js")
    bell = open_bell(page, site, user)
    bell.open()
    site.send("First", user, content="A <b>bold</b> word")
    expect(bell.item("First")).to_contain_text("A bold word")
    old.wait_for_requests(1)
    old.upgrade()
    site.send("Second", user, content="A <b>bold</b> word")
    expect(bell.item("Second").locator("b")).to_have_text("bold")
    errors.expect()


def test_a_file_that_the_page_has_pinned_is_never_loaded_from_another_address(
    page: Page, site: Site, user: str, errors: Messages
) -> None:
    hashes = site.http.get("/integrity.json").json()["files"]
    pins = ", ".join(f'"{site.url}/{name}": "{value}"' for name, value in hashes.items())
    old = OldNode(page, "panel.js")
    page.goto(
        site.pages.add_page(
            site.element(user),
            head=f'<script type="importmap">{{"integrity": {{{pins}}}}}</script>{site.script()}',
        )
    )
    bell = Bell(page)
    bell.open()
    retry = bell.panel.get_by_role("button", name="Try again")
    retry.click()
    expect(retry).to_be_visible()
    assert len(set(old.requested)) == 1
    errors.expect()


BOXES = """
() => [...document.querySelectorAll("header, header strong, inbox-bell, main, h1, p")].map((element) => {
  const { x, y, width, height } = element.getBoundingClientRect();
  return [element.localName, x, y, width, height];
})
"""


@pytest.mark.parametrize("display", ["flex", "block"])
def test_a_page_that_reserves_the_place_does_not_move_when_the_bell_appears(
    page: Page, site: Site, user: str, display: str
) -> None:
    guide = Path("docs/bell/README.md").read_text()
    [rule] = re.findall(r"^inbox-bell:not\(:defined\) {[^}]*}", guide, re.MULTILINE)
    held: list[Route] = []
    page.route("**/inbox-bell.js", lambda route: held.append(route))
    style = f"<style>{rule} header {{ display: {display} !important }} header div {{ display: inline }}</style>"
    page.goto(site.page(site.element(user), head=style), wait_until="commit")
    page.wait_for_function("document.querySelector('main') && document.querySelector('link[rel=stylesheet]').sheet")
    wait_for(lambda: page.evaluate("1") and held, "the request for the script")
    before = page.evaluate(BOXES)
    held[0].continue_()
    Bell(page).expect_unread(0)
    assert page.evaluate(BOXES) == before


def test_a_bell_without_a_user_requests_nothing_until_it_is_opened(page: Page, site: Site, user: str) -> None:
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url.removeprefix(site.url)))
    bell = open_bell(page, site, user, user_external_id=None, user_hmac=None)
    expect(bell.button).to_be_visible()
    page.evaluate("new Promise((resolve) => requestIdleCallback(() => requestIdleCallback(resolve)))")
    assert [path for path in requested if path.startswith("/")] == ["/inbox-bell.js"]
    bell.open()
    expect(bell.panel.get_by_text("You’re signed out")).to_be_visible()
