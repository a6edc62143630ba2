"""What is around the bell: languages, themes, HTML contents, notification settings, web push and toasts."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.site import Site
from tests.servers import wait_for

# ---- notification settings


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
    expect(settings.get_by_role("table", name="Notification settings").get_by_role("row")).to_have_count(3)


def test_a_change_that_cannot_be_saved_is_taken_back_and_explained(
    page: Page, site: Site, user: str, errors: list[str]
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
    errors.clear()


def test_settings_that_cannot_be_fetched_are_fetched_again_by_a_button(
    page: Page, site: Site, user: str, errors: list[str]
) -> None:
    page.route("**/user_preferences", lambda route: route.abort())
    settings = settings_page(site, page, user)
    expect(settings.get_by_role("alert").first).to_contain_text("Settings couldn’t be loaded")
    page.unroute_all()
    settings.get_by_role("button", name="Try again").click()
    expect(settings.get_by_role("switch").first).to_be_visible()
    errors.clear()
