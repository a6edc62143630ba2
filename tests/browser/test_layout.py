"""The bell fits every screen and direction of text: nothing is cut off, and nothing makes a page scroll sideways."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.bell import Bell
from tests.browser.conftest import watch
from tests.browser.console import Messages
from tests.browser.site import Site

SCREENS: dict[str, dict[str, Any]] = {
    "320 px": {"viewport": {"width": 320, "height": 568}, "is_mobile": True, "has_touch": True},
    "4K": {"viewport": {"width": 3840, "height": 2160}},
    "zoom of 200 %": {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2},
}

OUTSIDE = """() => {
    const root = document.querySelector("inbox-bell").shadowRoot;
    const seen = [...root.querySelectorAll("[role=dialog] *")].filter((element) => element.checkVisibility());
    return seen.filter((element) => {
        const { left, right, width } = element.getBoundingClientRect();
        return width > 0 && (left < -0.5 || right > innerWidth + 0.5);
    }).map((element) => element.outerHTML.slice(0, 200));
}"""


def open_long_list(page: Page, site: Site, user: str, attributes: str = 'lang="en"') -> Bell:
    """Open a bell with notifications that fill it, one of them with very long words."""
    site.send("Supercalifragilistic" * 8, user, content="expialidocious" * 40, category="c" * 60)
    actions = [{"label": "Approve " * 6, "url": "#a"}, {"label": "Decline", "url": "#b"}]
    for number in range(9):
        site.send(
            f"Number {number}", user, content="Words of a usual length. " * 12, custom_attributes={"actions": actions}
        )
    page.goto(site.page(site.element(user), attributes=attributes))
    bell = Bell(page)
    page.locator("inbox-bell").get_by_role("button").first.click()
    expect(bell.items).to_have_count(10)
    return bell


@pytest.mark.parametrize("screen", SCREENS)
def test_the_panel_fits_the_screen(browser: Browser, site: Site, user: str, errors: Messages, screen: str) -> None:
    with browser.new_context(**SCREENS[screen], reduced_motion="reduce") as context:
        watch(context, errors)
        page = context.new_page()
        bell = open_long_list(page, site, user)
        width, height = page.evaluate("[innerWidth, innerHeight]")
        box = bell.panel.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height + 0.5
        assert (box["width"], box["height"]) == (width, height) if width < 480 else box["width"] == 400
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(OUTSIDE) == []
        assert bell.items.evaluate_all("rows => rows.filter((row) => row.scrollWidth > row.clientWidth).length") == 0
        # The last one can be reached and is not covered.
        bell.items.last.scroll_into_view_if_needed()
        bell.items.last.click(position={"x": 60, "y": 10})
        bell.expect_unread(9)
        page.keyboard.press("Escape")
        expect(bell.panel).to_be_hidden()
    assert errors == []


def test_from_right_to_left_everything_is_mirrored(page: Page, site: Site, user: str) -> None:
    bell = open_long_list(page, site, user, attributes='lang="ar" dir="rtl"')
    row = bell.items.first
    places = row.evaluate(
        "row => [row.querySelector('a'), row.querySelector('time')].map((each) => each.getBoundingClientRect().right)"
    )
    assert places[0] > places[1]
    assert page.evaluate(OUTSIDE) == []
    assert bell.panel.evaluate("panel => getComputedStyle(panel).direction") == "rtl"
    tabs = bell.panel.get_by_role("tab")
    tabs.first.focus()
    page.keyboard.press("ArrowLeft")
    expect(tabs.nth(1)).to_have_attribute("aria-selected", "true")
    boxes = [tabs.nth(number).bounding_box() for number in (0, 1)]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[0]["x"] > boxes[1]["x"]


def test_what_a_page_sets_for_its_own_texts_does_not_reach_the_panel(page: Page, site: Site, user: str) -> None:
    style = "font: bold italic 30px/3 serif; letter-spacing: 3px; text-transform: uppercase; white-space: pre"
    site.pages.add("/loud.css", f"header {{ {style}; text-align: center; zoom: 1.5 }}", "text/css")
    site.send("A title that needs two lines in the panel of four hundred pixels", user)
    page.goto(site.page(site.element(user), head='<link rel="stylesheet" href="/loud.css">'))
    bell = Bell(page)
    bell.open()
    names = ["fontSize", "fontFamily", "textTransform", "whiteSpace", "textAlign", "letterSpacing", "fontStyle"]
    read = "(element, names) => names.map((name) => getComputedStyle(element)[name])"
    tab = bell.tab("All").evaluate(read, names)
    assert tab == ["14px", "serif", "none", "nowrap", "center", "normal", "normal"]
    title = bell.items.get_by_text("A title").evaluate(read, names)
    assert title == ["14px", "serif", "none", "normal", "start", "normal", "normal"]
    box = bell.panel.bounding_box()  # as the window has it
    assert box is not None
    assert box["x"] >= 0
    assert box["y"] >= 0
    assert box["x"] + box["width"] <= 800
    assert box["y"] + box["height"] <= 700
