"""The demo in a real browser: four devices, and each button's outcome on all of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Locator, Page, expect

from tests.browser.axe import violations
from tests.browser.chromium import CHROMIUM, running_chromium
from tests.end_to_end.demo_page import Demo, running_demo

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is missing: `apt-get install chromium`")

RECORD_VIOLATIONS = """
window.violated = [];
document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
  window.violated.push(`${violatedDirective}: ${blockedURI}`);
});
"""

DEVICES = ("ada-laptop", "ada-phone", "grace-laptop", "grace-phone")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as started:
        yield started


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(tmp_path_factory.mktemp("demo") / "data", INBOX_DRAIN_SECONDS="1") as started:
        yield started


@pytest.fixture
def errors() -> list[str]:
    """Return the list of errors and warnings of pages, which is empty at first."""
    return []


@pytest.fixture
def context(browser: Browser, errors: list[str]) -> Iterator[BrowserContext]:
    """Yield a browser of a visitor. A test fails if a page or a frame logged errors or violated its policy."""
    with browser.new_context(viewport={"width": 1440, "height": 1000}, reduced_motion="reduce") as visitor:
        visitor.add_init_script(RECORD_VIOLATIONS)
        visitor.on("console", lambda said: errors.append(said.text) if said.type in ("error", "warning") else None)
        visitor.on("weberror", lambda error: errors.append(str(error.error)))
        yield visitor
        found = [frame.evaluate("() => violated") for page in visitor.pages for frame in page.frames]
        assert [each for each in found if each] == []
    assert errors == []


@dataclass(frozen=True)
class Shop:
    """The page, with its devices."""

    page: Page

    def open(self, demo: Demo) -> None:
        """Open the page, and wait until all devices are live with the first two notifications."""
        self.page.goto(demo.address)
        expect(self.page.locator(".all")).to_have_text("4 of 4 devices live")
        for device in DEVICES:
            expect(self.bell(device)).to_have_accessible_name("Notifications, 2 unread")

    def figure(self, device: str) -> Locator:
        """Return a device with its buttons."""
        return self.page.locator(f'[data-device="{device}"]')

    def screen(self, device: str) -> FrameLocator:
        """Return the page in a device."""
        return self.figure(device).frame_locator("iframe")

    def bell(self, device: str) -> Locator:
        """Return the button of a device's bell."""
        return self.screen(device).get_by_role("button", name="Notifications,")

    def press(self, device: str, name: str) -> None:
        """Press a button below a device."""
        self.figure(device).get_by_role("button", name=name).click()

    def send(self, example: str, devices: int = 4) -> None:
        """Send one of the examples, and wait until as many devices have it."""
        self.page.get_by_role("button", name=example, exact=True).click()
        self.page.get_by_role("button", name="Send", exact=True).click()
        expect(self.page.locator("#sent")).to_contain_text(f"On {devices} of ")

    def expect_in_step(self) -> None:
        """Wait until both devices of each person are at the same position."""
        for step in self.page.locator(".step").all():
            expect(step).to_contain_text("in step at ")


@pytest.fixture
def shop(context: BrowserContext, demo: Demo) -> Shop:
    """Return the open page of a new visitor."""
    opened = Shop(context.new_page())
    opened.open(demo)
    return opened


def test_what_is_sent_is_on_all_devices_and_what_one_reads_is_read_on_the_other(shop: Shop) -> None:
    shop.send("Order shipped")
    for device in DEVICES:
        expect(shop.bell(device)).to_have_accessible_name("Notifications, 3 unread")
    shop.bell("ada-laptop").click()
    shop.bell("ada-phone").click()
    item = shop.screen("ada-laptop").get_by_role("article").filter(has_text="Order #1042 has shipped")
    item.get_by_role("link").click()
    expect(shop.screen("ada-laptop").locator("tr.chosen")).to_contain_text("#1042")
    expect(shop.screen("ada-phone").get_by_role("tab", name="Unread")).to_contain_text("2")
    expect(shop.bell("grace-phone")).to_have_accessible_name("Notifications, 3 unread")
    entry = shop.page.locator('.strip li[data-name="new · Order #1042 has shipped"]').first
    expect(entry).to_contain_text("laptop")
    expect(entry).to_contain_text("phone")
    shop.expect_in_step()


def test_a_device_without_network_receives_exactly_what_it_missed(shop: Shop) -> None:
    for device in ("ada-laptop", "grace-phone"):
        shop.press(device, "Cut the network")
        expect(shop.figure(device).locator(".state")).to_have_text("No network")
    expect(shop.page.locator(".all")).to_have_text("2 of 4 devices live")
    shop.send("Build failed", devices=2)
    shop.send("HTML", devices=2)
    expect(shop.page.locator('[data-person="ada"] .step')).to_have_text("laptop is 2 behind")
    expect(shop.bell("ada-phone")).to_have_accessible_name("Notifications, 4 unread")
    expect(shop.bell("ada-laptop")).to_have_accessible_name("Notifications, 2 unread")

    for device in ("ada-laptop", "grace-phone"):
        shop.press(device, "Reconnect")
        expect(shop.figure(device).locator(".state")).to_contain_text("with 2 missed events")
        expect(shop.bell(device)).to_have_accessible_name("Notifications, 4 unread")
    shop.expect_in_step()


def test_a_revoked_token_ends_one_device_until_it_signs_in_again(shop: Shop, errors: list[str]) -> None:
    for device in ("ada-phone", "grace-laptop"):
        shop.press(device, "Revoke the token")
        expect(shop.figure(device).locator(".state")).to_have_text("Signed out: token revoked")
    expect(shop.page.locator(".all")).to_have_text("2 of 4 devices live")
    shop.send("Payment due", devices=2)
    for device in ("ada-phone", "grace-laptop"):
        shop.press(device, "Sign in again")
        expect(shop.figure(device).locator(".state")).to_contain_text("with 1 missed event")
        expect(shop.bell(device)).to_have_accessible_name("Notifications, 3 unread")
    shop.expect_in_step()
    errors[:] = [error for error in errors if "401" not in error]


def test_a_restart_moves_all_devices_to_a_new_worker(shop: Shop, demo: Demo, errors: list[str]) -> None:
    before = demo.gateway.children("worker")
    shop.page.locator("#restart").click()
    outcome = shop.page.locator("#restarted")
    expect(outcome).to_have_text("4 devices moved to a new worker, and went on at their last positions.")
    assert not set(before) & set(demo.gateway.children("worker"))
    shop.send("Mention")
    shop.expect_in_step()
    errors[:] = [error for error in errors if "net::ERR" not in error and "429" not in error]


def test_no_page_of_the_demo_has_a_secret(shop: Shop, demo: Demo) -> None:
    for frame in shop.page.frames:
        stored = frame.evaluate("() => JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])")
        for secret in (demo.api_secret, demo.api_key, "eyJ"):  # as every token begins
            assert secret not in frame.content() + stored
    assert "eyJ" not in demo.gateway.log


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_shows_one_device_at_a_time(shop: Shop, width: int) -> None:
    shop.page.set_viewport_size({"width": width, "height": 800})
    assert shop.page.evaluate("() => document.documentElement.scrollWidth") == width
    expect(shop.page.locator(".device:visible")).to_have_count(1)
    shop.page.get_by_role("button", name="Grace’s laptop").click()
    expect(shop.figure("grace-laptop")).to_be_visible()
    expect(shop.page.locator(".device:visible")).to_have_count(1)
    shop.send("Mention")
    expect(shop.bell("grace-laptop")).to_have_accessible_name("Notifications, 3 unread")


def test_the_chosen_colours_apply_to_all_devices_and_are_kept(shop: Shop, demo: Demo) -> None:
    surface = "() => getComputedStyle(document.body).backgroundColor"
    for theme, colour in (("Dark", "rgb(17, 17, 19)"), ("Light", "rgb(252, 252, 253)"), ("Dark", "rgb(17, 17, 19)")):
        shop.page.get_by_text(theme, exact=True).click()
        for frame in shop.page.frames:
            frame.wait_for_function(f"() => ({surface})() === '{colour}'")
    shop.page.reload()
    assert shop.page.evaluate(surface) == "rgb(17, 17, 19)"
    expect(shop.page.locator(".all")).to_have_text("4 of 4 devices live")


def test_the_snippet_names_this_gateway_and_can_be_copied(shop: Shop, demo: Demo, context: BrowserContext) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    shop.page.get_by_role("button", name="Copy").click()
    expect(shop.page.get_by_role("button", name="Copied")).to_be_visible()
    copied = shop.page.evaluate("() => navigator.clipboard.readText()")
    assert f'<script type="module" src="{demo.gateway.url}/inbox-bell.js"></script>' in copied
    shop.page.get_by_role("tab", name="HTML").press("ArrowRight")
    expect(shop.page.get_by_role("tabpanel")).to_contain_text("inbox-gateway-react")


def test_themes_apply_at_once_and_are_written_as_css(context: BrowserContext, demo: Demo) -> None:
    page = context.new_page()
    page.goto(f"{demo.address}/theme")
    expect(page.locator("#state")).to_have_text("Live")
    bell, css = page.frame_locator("iframe").locator("inbox-bell"), page.locator(".css code")
    expect(page.frame_locator("iframe").get_by_role("dialog")).to_be_visible()
    page.get_by_role("button", name="Clay").click()
    expect(css).to_contain_text("--inbox-accent: #b4481e;")
    value = "(bell) => getComputedStyle(bell).getPropertyValue('--inbox-accent')"
    expect(bell).to_have_css("--inbox-accent", "#b4481e")
    page.get_by_label("Background").fill("#2b1a13")
    expect(page.locator(".warnings")).to_contain_text("Text on the background has a contrast of 1.0 : 1")
    page.get_by_role("button", name="Back to the defaults").click()
    expect(css).to_contain_text("nothing to add")
    assert bell.evaluate(value) == ""
    expect(page.locator(".warnings")).to_be_empty()
    page.locator("#locale").select_option("ar")
    expect(page.frame_locator("iframe").get_by_role("dialog", name="الإشعارات")).to_be_visible()
    page.get_by_role("button", name="Send one more").click()
    expect(page.frame_locator("iframe").get_by_role("article")).to_have_count(3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_complain_about(shop: Shop, demo: Demo, scheme: Literal["light", "dark"]) -> None:
    page = shop.page
    page.emulate_media(color_scheme=scheme)
    shop.press("ada-laptop", "Cut the network")
    shop.send("Build failed", devices=3)
    assert violations(page, "body") == []
    page.goto(f"{demo.address}/theme")
    expect(page.locator("#state")).to_have_text("Live")
    assert violations(page, "body") == []
