"""The API documentation in a browser, on a wide screen and on a phone."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.api.operations import OPERATIONS
from tests.browser.chromium import CHROMIUM, running_chromium
from tests.servers import Gateway


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("chromium is not installed: `apt-get install chromium`")
    with running_chromium() as started:
        yield started


def opened(browser: Browser, gateway: Gateway, width: int, height: int) -> Page:
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(f"{gateway.url}/docs")
    expect(page.locator("main h1")).to_be_visible()
    return page


def test_on_a_phone_the_page_begins_with_its_text(browser: Browser, gateway: Gateway) -> None:
    page = opened(browser, gateway, 360, 740)
    expect(page.locator("main h1")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.locator("main h1").bounding_box()["y"] < 200  # type: ignore[index] # it is visible
    page.close()


def test_on_a_phone_the_contents_open_and_lead_to_an_operation(browser: Browser, gateway: Gateway) -> None:
    page = opened(browser, gateway, 360, 740)
    page.get_by_text("Contents", exact=True).click()
    page.get_by_role("link", name="Import users", exact=True).click()
    expect(page.locator("#post_imports pre").first).to_be_in_viewport()
    expect(page.get_by_role("link", name="Import users", exact=True)).to_be_hidden()
    page.close()


def test_on_a_wide_screen_the_contents_are_beside_the_text(browser: Browser, gateway: Gateway) -> None:
    page = opened(browser, gateway, 1280, 900)
    for entry in ("Send a notification", "Issue a project's token"):
        expect(page.get_by_role("link", name=entry, exact=True)).to_be_in_viewport()
    expect(page.locator("main h1")).to_be_in_viewport()
    page.close()


def test_the_page_begins_with_the_variables_of_its_commands(browser: Browser, gateway: Gateway) -> None:
    page = opened(browser, gateway, 1280, 900)
    used = set(re.findall(r"\$[A-Z_]+", " ".join(page.locator("main details pre").all_text_contents())))
    named = set(re.findall(r"\$[A-Z_]+", " ".join(page.locator("main > p").all_text_contents())))
    assert used == named
    page.close()


def test_operations_that_are_not_built_are_one_list_of_paths_at_the_end(browser: Browser, gateway: Gateway) -> None:
    page = opened(browser, gateway, 1280, 900)
    assert page.get_by_role("link", name="Not built yet").count() == 1
    page.get_by_role("link", name="Not built yet").click()
    expect(page.get_by_text("POST /ws/auth", exact=True)).to_be_in_viewport()
    assert page.locator("details.card", has_text="Not built yet").count() == 0
    page.close()


def test_an_entry_of_the_contents_has_more_than_one_word() -> None:
    assert [row.summary for row in OPERATIONS if " " not in row.summary] == []
