"""The bell on a page, as people and screen readers find it: by roles, names and texts."""

import re
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

from tests.browser.site import Site
from tests.servers import wait_for


@dataclass(frozen=True)
class Bell:
    """A bell on an open page. Locators of Playwright look into open shadow roots."""

    page: Page

    @property
    def button(self) -> Locator:
        """The button."""
        return self.page.get_by_role("button", name=re.compile("^Notifications"))

    @property
    def panel(self) -> Locator:
        """The panel that the button opens."""
        return self.page.get_by_role("dialog")

    @property
    def items(self) -> Locator:
        """The rows of the list, newest first."""
        return self.panel.get_by_role("article")

    def item(self, title: str) -> Locator:
        """Return the row with a title."""
        return self.items.filter(has_text=title)

    def open(self) -> None:
        """Open the panel."""
        self.button.click()
        expect(self.panel).to_be_visible()

    def close(self) -> None:
        """Close the panel by the keyboard."""
        self.page.keyboard.press("Escape")
        expect(self.panel).to_be_hidden()

    def tab(self, name: str) -> Locator:
        """Return a tab by the beginning of its name."""
        return self.panel.get_by_role("tab", name=re.compile(f"^{name}"))

    def choose(self, title: str, action: str) -> None:
        """Choose an entry of the menu of a notification."""
        row = self.item(title)
        row.hover()
        row.get_by_role("button", name="Actions").click()
        self.panel.get_by_role("menuitem", name=action).click()

    def undo(self) -> None:
        """Undo the last action."""
        self.panel.get_by_role("button", name="Undo").click()

    def expect_unread(self, number: int) -> None:
        """Wait until the button names this number."""
        expect(self.button).to_have_accessible_name(f"Notifications, {number} unread")

    def expect_titles(self, *titles: str) -> None:
        """Wait until exactly these notifications are shown, in this order."""
        expect(self.items).to_have_count(len(titles))
        expect(self.items).to_contain_text(list(titles))


def open_bell(page: Page, site: Site, user: str, **attributes: str | None) -> Bell:
    """Open a page with a bell for a user."""
    page.goto(site.bell_page(user, **attributes))
    return Bell(page)


def wait_until_live(page: Page) -> None:
    """Wait for the bell's connection."""
    status = "document.querySelector('inbox-bell').using?.state.status"  # without polling in the page, which needs eval
    wait_for(lambda: page.evaluate(status) == "live", "the connection")
