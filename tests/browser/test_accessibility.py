"""People who use a keyboard, a screen reader or strong contrast use all of the bell."""

import re
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import axe
from tests.browser.bell import Bell, open_bell
from tests.browser.site import Site

FOCUSED = """() => {
    let element = document.activeElement;
    while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    return element?.ariaLabel || element?.textContent.trim() || element?.localName;
}"""


TREE = """
- button "Notifications, 2 unread" [expanded]
- status
- dialog "Notifications":
  - heading "Notifications" [level=2]
  - button "Mark all as read"
  - tablist "Notifications":
    - tab "All" [selected]
    - tab "Unread 2"
    - tab "Archived"
  - tabpanel "All":
    - feed "Notifications":
      - article /Unread\\. Grace asks for access/:
        - link "Grace asks for access"
        - time: now
        - paragraph:
          - text: She wants to edit
          - link "the plan"
        - link "Approve"
        - link "Decline"
        - button "Actions for Grace asks for access"
      - article "Your invoice is ready. Invoice 1042 is due on Friday. billing, now.":
        - text: Your invoice is ready
        - time: now
        - text: Invoice 1042 is due on Friday.
        - button "Actions for Your invoice is ready"
      - article "Unread. Welcome aboard. now.":
        - text: Welcome aboard
        - time: now
        - button "Actions for Welcome aboard"
    - text: That’s everything
"""
"""What a screen reader finds in an open bell."""


def focused(page: Page) -> str:
    """Return the name or text of the element that has the focus."""
    return str(page.evaluate(FOCUSED))


def send_samples(site: Site, user: str) -> None:
    """Send notifications of all kinds: read and unread, with a category, content, a link and buttons."""
    actions = [{"label": "Approve", "url": "#approve"}, {"label": "Decline", "url": "#decline"}]
    site.send("Welcome aboard", user)
    first = site.send("Your invoice is ready", user, content="Invoice 1042 is due on Friday.", category="billing")
    site.send(
        "Grace asks for access", user, category="access-requests", action_url="#request",
        content="<p>She wants to <b>edit</b> <a href='https://example.com/plan'>the plan</a>.</p>",
        custom_attributes={"actions": actions},
    )  # fmt: skip
    site.request("POST", f"/notifications/{first}/read", user)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page: Page, site: Site, user: str, scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    send_samples(site, user)
    page.goto(site.page(site.element(user), main=f"<h1>Inbox</h1>{site.element(user, 'inbox-list')}"))
    bell = Bell(page)
    expect(page.locator("inbox-list").get_by_role("article")).to_have_count(3)
    assert axe.violations(page, "body") == []
    bell.open()
    expect(bell.items).to_have_count(3)
    assert axe.violations(page, "inbox-bell") == []
    bell.item("Grace").hover()
    bell.item("Grace").get_by_role("button", name="Actions").click()
    assert axe.violations(page, "inbox-bell") == []
    page.keyboard.press("Escape")
    bell.tab("Archived").click()
    expect(bell.items).to_have_count(0)
    assert axe.violations(page, "inbox-bell") == []


def test_a_keyboard_is_enough(page: Page, site: Site, user: str) -> None:
    for title in ("Three", "Two", "One"):
        site.send(title, user, action_url=f"#{title}")
    bell = open_bell(page, site, user)
    bell.expect_unread(3)
    press = page.keyboard.press
    press("Tab")
    assert focused(page) == "Notifications, 3 unread"
    press("Enter")
    bell.expect_titles("One", "Two", "Three")
    reached: list[str] = []
    while not reached or (not reached[-1].startswith("Unread") and len(reached) < 12):
        press("Tab")
        reached.append(focused(page))
    assert "Mark all as read" in reached
    assert any(name.startswith("All") for name in reached)
    press("End")
    assert "Three" in focused(page)
    press("Home")
    press("ArrowDown")
    assert "Two" in focused(page)
    press("r")
    bell.expect_unread(2)
    press("e")
    bell.expect_titles("One", "Three")
    assert "Three" in focused(page)
    press("Delete")
    bell.expect_titles("One")
    assert "One" in focused(page)
    bell.panel.get_by_role("button", name="Undo").focus()
    press("Enter")
    bell.expect_titles("One", "Three")
    assert "One" in focused(page)  # and not on the page: the button that had it is gone
    press("Enter")
    expect(page).to_have_url(re.compile("#One$"))
    bell.expect_unread(1)
    press("Escape")
    expect(bell.panel).to_be_hidden()
    assert focused(page) == "Notifications, 1 unread"


def test_a_screen_reader_finds_a_dialog_with_tabs_and_a_feed(page: Page, site: Site, user: str) -> None:
    send_samples(site, user)
    bell = open_bell(page, site, user)
    bell.open()
    bell.expect_titles("Grace asks for access", "Your invoice is ready", "Welcome aboard")
    expect(page.locator("inbox-bell")).to_match_aria_snapshot(TREE)


def test_what_arrives_is_announced_once_in_five_seconds(page: Page, site: Site, user: str) -> None:
    page.clock.install()
    bell = open_bell(page, site, user)
    bell.expect_unread(0)
    status = page.locator("inbox-bell").get_by_role("status").first
    site.send("First", user)
    expect(status).to_have_text("1 new: First")
    for title in ("Second", "Third"):
        site.send(title, user)
    bell.expect_unread(3)
    expect(status).to_have_text("1 new: First")
    page.clock.fast_forward(5000)
    expect(status).to_have_text("2 new: Third")


def test_high_contrast_shows_what_is_unread_chosen_and_focused(page: Page, site: Site, user: str) -> None:
    page.emulate_media(forced_colors="active")
    send_samples(site, user)
    bell = open_bell(page, site, user)
    bell.open()
    bell.expect_titles("Grace asks for access", "Your invoice is ready", "Welcome aboard")
    style = "(element, name) => getComputedStyle(element)[name]"
    surface = bell.panel.evaluate(style, "backgroundColor")
    assert bell.items.first.locator(".dot").evaluate(style, "backgroundColor") != surface
    lines = [bell.tab(name).evaluate(style, "borderBottomColor") for name in ("All", "Unread", "Archived")]
    assert lines[0] != surface
    assert lines[1:] == [surface, surface]


def test_touch_targets_are_large(browser: Browser, site: Site, user: str) -> None:
    send_samples(site, user)
    with browser.new_context(viewport={"width": 390, "height": 680}, has_touch=True, is_mobile=True) as context:
        page = context.new_page()
        bell = open_bell(page, site, user)
        bell.open()
        bell.expect_titles("Grace asks for access", "Your invoice is ready", "Welcome aboard")
        names = "els => els.filter((el) => el.offsetParent && el.offsetHeight < 44).map((el) => el.textContent)"
        assert bell.panel.locator("button, .action").evaluate_all(names) == []
