"""The notification settings: `<inbox-preferences>`, and those in the panel."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.bell import wait_until_live
from tests.browser.console import Messages
from tests.browser.site import Site
from tests.npm import web_modules
from tests.servers import wait_for


def settings_page(site: Site, page: Page, user: str, **attributes: str) -> Locator:
    """Open a page with the settings of a user who has got notifications of two categories. Return the element."""
    for category in ("orders", "new_message"):
        site.send("Hello", user, category=category)
    site.request("POST", "/v2/channels/teams/tokens", user, json={"webhook": {"url": f"https://a.example/{user}"}})
    page.goto(site.page(main=site.element(user, "inbox-preferences", **attributes), strict=True))
    return page.locator("inbox-preferences")


def channels(site: Site, user: str, category: str) -> dict[str, bool]:
    """Return whether each channel of a category is enabled."""
    found = site.request("GET", "/v2/channels/user_preferences", user).json()["categories"]
    [each] = [each for each in found if each["key"] == category]
    return {channel["name"]: channel["enabled"] for channel in each["channels"]}


def test_a_user_turns_channels_off_and_on_again_by_switches(page: Page, site: Site, user: str) -> None:
    settings = settings_page(site, page, user)
    switch = settings.get_by_role("switch", name="Inbox for New message")
    expect(switch).to_be_checked()
    expect(settings.get_by_role("switch", name="Teams for Orders")).to_be_checked()
    expect(settings.get_by_role("switch", name=re.compile("SMS"))).to_have_count(0)
    switch.focus()
    page.keyboard.press("Space")
    expect(switch).not_to_be_checked()
    expect(settings.get_by_role("rowheader", name="New ones won’t appear in this inbox.")).to_be_visible()
    wait_for(lambda: not channels(site, user, "new_message")["in_app"], "the change")
    assert channels(site, user, "orders")["in_app"]
    page.reload()
    expect(switch).not_to_be_checked()
    switch.click()
    wait_for(lambda: channels(site, user, "new_message")["in_app"], "the change")
    # The other categories of the project, which other tests use, may be listed too.
    rows = settings.get_by_role("table", name="Notification settings").get_by_role("row")
    expect(rows.filter(has_text=re.compile("Orders|New message"))).to_have_count(2)


def test_a_change_that_cannot_be_saved_is_taken_back_and_explained(
    page: Page, site: Site, user: str, errors: Messages
) -> None:
    settings = settings_page(site, page, user)
    switch = settings.get_by_role("switch", name="Inbox for Orders")
    expect(switch).to_be_checked()
    page.route("**/user_preferences", lambda route: route.abort())
    switch.click()
    expect(settings.get_by_role("alert")).to_contain_text("“Orders” couldn’t be changed")
    expect(switch).to_be_checked()
    page.unroute_all()
    switch.click()
    wait_for(lambda: not channels(site, user, "orders")["in_app"], "the change")
    expect(settings.get_by_role("alert")).to_have_count(0)
    errors.expect()


def test_settings_that_cannot_be_fetched_are_fetched_again_by_a_button(
    page: Page, site: Site, user: str, errors: Messages
) -> None:
    page.route("**/user_preferences", lambda route: route.abort())
    settings = settings_page(site, page, user)
    expect(settings.get_by_role("alert").first).to_contain_text("Settings couldn’t be loaded")
    page.unroute_all()
    settings.get_by_role("button", name="Try again").click()
    expect(settings.get_by_role("switch").first).to_be_visible()
    errors.expect()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_settings_and_toasts_are_accessible(page: Page, site: Site, user: str, scheme: str) -> None:
    settings = settings_page(site, page, user)
    bell = site.element(user, theme=scheme, toasts="")
    element = site.element(user, "inbox-preferences", theme=scheme, push_worker="/push.js")
    page.goto(site.page(bell, main=f"<h1>Settings</h1>{element}"))
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    settings.get_by_role("switch", name="Teams for Orders").click()
    wait_until_live(page)
    site.send("Hello", user, content="It arrived")
    expect(page.get_by_role("group", name="Hello")).to_be_visible()
    page.evaluate((web_modules() / "axe-core" / "axe.min.js").read_text())
    for width in (900, 320):
        page.set_viewport_size({"width": width, "height": 700})
        found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        problems = [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found["violations"]]
        assert problems == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
