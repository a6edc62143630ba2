"""<inbox-bell> on a page of another origin: what it shows, and what a user does with it."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.site import Site
from tests.servers import wait_for


def bell(page: Page) -> Locator:
    """Return the button."""
    return page.get_by_role("button", name=re.compile(r"^Notifications, \d+ unread$"))


def panel(page: Page) -> Locator:
    """Return the open panel."""
    return page.get_by_role("dialog", name="Notifications")


def item(page: Page, title: str) -> Locator:
    """Return the item with a title."""
    return panel(page).get_by_role("article").filter(has_text=title)


def open_bell(page: Page, address: str) -> None:
    """Load a page and open its panel."""
    page.goto(address)
    bell(page).click()
    expect(panel(page)).to_be_visible()


def test_a_notification_arrives_is_seen_when_the_panel_opens_and_read_when_it_is_clicked(
    page: Page, site: Site, user: str
) -> None:
    address = site.pages.add_page("The invoice")
    site.send("Invoice 1 is due", user, content="<b>Twelve</b> seats", action_url=address)
    page.goto(site.page(site.element(user), strict=True))
    expect(bell(page)).to_have_accessible_name("Notifications, 1 unread")
    site.send("Invoice 2 is due", user, category="billing")
    expect(bell(page)).to_have_accessible_name("Notifications, 2 unread")
    assert site.inbox(user)["unseen_count"] == 2

    bell(page).click()
    expect(panel(page).get_by_role("article")).to_contain_text(["Invoice 2 is due", "Invoice 1 is due"])
    expect(item(page, "Invoice 1 is due")).to_contain_text("Twelve seats")
    wait_for(lambda: site.inbox(user)["unseen_count"] == 0, "the notifications to be seen")

    page.evaluate(
        "addEventListener('inbox-item-click', ({ detail }) => { window.clicked = detail.notification.title })"
    )
    item(page, "Invoice 2 is due").click()
    expect(bell(page)).to_have_accessible_name("Notifications, 1 unread")
    assert page.evaluate("clicked") == "Invoice 2 is due"
    item(page, "Invoice 1 is due").click()
    page.wait_for_url(address)
    wait_for(lambda: site.inbox(user)["unread_count"] == 0, "the notification to be read")
