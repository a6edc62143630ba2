"""What holds on every screen: contrast and names, the policy, the width of a phone, and what roles may see."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import axe, gallery
from tests.browser.dashboard.dashboard import DESKTOP, PHONE, Dashboard, dashboard_of
from tests.browser.dashboard.instance import OWNER, VIEWER, Instance
from tests.browser.dashboard.screens import SCREENS, Screen
from tests.servers import API_SECRET

OVERFLOW = """() => [...document.querySelectorAll("body *")].filter((element) => {
    const { right, left, width } = element.getBoundingClientRect();
    return width && (right > innerWidth + 1 || left < -1) && !element.closest("dialog:not([open]), [popover], .hidden");
}).map((element) => `${element.localName}.${element.className} ${element.textContent.trim().slice(0, 40)}`)"""

OWN = ("settings-profile", "settings-sessions")
"""The screens of one's own account, where everybody may change something."""

every_screen = pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name)


@pytest.fixture(scope="module")
def desktop(browser: Browser, instance: Instance) -> Iterator[Dashboard]:
    """Yield one page of the owner for all screens."""
    with dashboard_of(browser, instance, OWNER, {**DESKTOP, "reduced_motion": "reduce"}) as found:
        yield found


@pytest.fixture(scope="module")
def phone(browser: Browser, instance: Instance) -> Iterator[Dashboard]:
    """Yield one page of the owner on a phone for all screens."""
    with dashboard_of(browser, instance, OWNER, PHONE) as found:
        yield found


@pytest.fixture(scope="module")
def reader(browser: Browser, instance: Instance) -> Iterator[Dashboard]:
    """Yield one page of a viewer for all screens."""
    with dashboard_of(browser, instance, VIEWER) as found:
        yield found


@every_screen
def test_axe_finds_nothing_in_either_theme_and_no_policy_is_violated(desktop: Dashboard, screen: Screen) -> None:
    for scheme in ("light", "dark"):
        desktop.page.emulate_media(color_scheme=scheme)
        if scheme == "light":
            screen.show(desktop)
            gallery.take(desktop.page, f"dashboard-{screen.name}", "desktop")
            desktop.page.emulate_media(color_scheme=scheme)
        assert axe.violations(desktop.page, "body") == [], scheme
    assert desktop.violations() == []
    assert desktop.errors == []


@every_screen
def test_nothing_is_wider_than_a_phone(phone: Dashboard, screen: Screen) -> None:
    phone.page.emulate_media(color_scheme="light")
    screen.show(phone)
    gallery.take(phone.page, f"dashboard-{screen.name}", "phone")
    width = phone.page.evaluate("document.scrollingElement.scrollWidth")
    assert width <= 390, phone.page.evaluate(OVERFLOW)


@every_screen
def test_a_viewer_sees_no_secret_and_nothing_that_is_refused(
    reader: Dashboard, instance: Instance, screen: Screen
) -> None:
    reader.requests.clear()
    reader.responses.clear()
    screen.show(reader)
    read = [each for each in reader.responses if each.headers.get("content-type", "").startswith("application/json")]
    texts = [reader.page.content(), *(each.text() for each in read)]
    assert not [text for text in texts for secret in (API_SECRET, instance.mail.key) if secret in text]
    if screen.name in OWN:
        return
    if screen.role == VIEWER:
        for name in button_names(reader):
            click(reader, screen, name)
    else:
        expect(reader.page.get_by_text("Your role does not allow this")).to_be_visible()
    assert reader.refused == []
    assert not [request for request in reader.requests if not request.startswith("GET ")]


def test_the_styles_of_a_screen_end_with_it(desktop: Dashboard) -> None:
    page = desktop.page
    desktop.open("users")
    before = page.evaluate("document.adoptedStyleSheets.length")
    for title in ("Channels", "Keys", "Deliveries", "Users"):
        desktop.follow(title)
        assert page.evaluate("document.adoptedStyleSheets.length") == before, title


def button_names(dashboard: Dashboard) -> list[str]:
    """Return the names of the buttons of a screen. Of buttons whose names differ in figures alone, one is listed."""
    names = dashboard.main.get_by_role("button", disabled=False).evaluate_all(
        "all => all.map((each) => each.ariaLabel || each.textContent.trim())"
    )
    found = {re.sub(r"\d+", "0", name): name for name in reversed(names) if name}
    return list(reversed(found.values()))


def click(dashboard: Dashboard, screen: Screen, name: str) -> None:
    """Click a button, and close what it opens. Go back to the screen if it leads away."""
    here = dashboard.page.url
    button = dashboard.main.get_by_role("button", name=name, exact=True).first
    if not button.is_visible():
        return
    button.click()
    dashboard.wait()
    dashboard.page.keyboard.press("Escape")
    if dashboard.page.url != here:
        screen.show(dashboard)
