"""The main path with the keyboard alone: sign in, compose, test, send, trace, audit log."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.dashboard.dashboard import Dashboard
from tests.browser.dashboard.instance import OWNER, PASSWORD

MOST_STOPS = 80
"""More than any screen has before what a test looks for."""

COUNT_POINTER_EVENTS = """
window.pointerEvents = 0;
for (const name of ["pointerdown", "mousedown", "touchstart"]) addEventListener(name, () => pointerEvents++, true);
"""


class Keyboard:
    """A page, used without a mouse."""

    def __init__(self, page: Page):
        self.page = page

    def press(self, *names: str) -> None:
        """Press keys, one after the other."""
        for name in names:
            self.page.keyboard.press(name)

    def write(self, text: str) -> None:
        """Type a text into what has the focus."""
        self.page.keyboard.type(text)

    def tab_to(self, wanted: Locator) -> None:
        """Press Tab until an element has the focus, which must be visible there."""
        expect(wanted).to_be_visible()
        for _ in range(MOST_STOPS):
            if wanted.evaluate("element => element === element.ownerDocument.activeElement"):
                assert wanted.evaluate("element => element.matches(':focus-visible')")
                return
            self.press("Tab")
        pytest.fail(f"Tab does not lead to {wanted}")


def test_a_notification_is_written_tested_sent_traced_and_found_in_the_audit_log(guest: Dashboard) -> None:
    page, keys = guest.page, Keyboard(guest.page)
    page.add_init_script(COUNT_POINTER_EVENTS)
    guest.goto()
    expect(guest.field("Email")).to_be_focused()
    keys.write(f"{OWNER}@example.com")
    keys.tab_to(guest.field("Password"))
    keys.write(PASSWORD)
    keys.press("Enter")
    expect(guest.heading("Overview")).to_be_focused()
    guest.wait()

    keys.press("g", "c")
    expect(guest.heading("Compose")).to_be_focused()
    keys.tab_to(guest.field("External ids and emails"))
    keys.write("donald")
    title = page.get_by_role("textbox", name="Title").first
    keys.tab_to(title)
    keys.write("Without a mouse")
    keys.tab_to(guest.button("Test to me"))
    keys.press("Enter")
    expect(guest.field("Your user")).to_be_focused()
    keys.write("donald")
    keys.press("Enter")
    expect(guest.toast("A test was sent to donald").last).to_be_visible()
    expect(guest.drawer).to_have_count(0)
    send = guest.button("Send to 1 person")
    keys.tab_to(send)
    keys.press("Enter")
    keys.tab_to(guest.drawer.get_by_role("button", name="Send to 1 person"))
    keys.press("Enter")
    expect(guest.heading("Sent")).to_be_visible()
    expect(page.locator(".sent-count")).to_have_text("1 person")

    keys.tab_to(page.get_by_role("link", name="Open the broadcast"))
    keys.press("Enter")
    keys.tab_to(guest.drawer.get_by_role("link", name="Open the notification"))
    keys.press("Enter")
    tab = guest.drawer.get_by_role("tab", name="Overview")
    keys.tab_to(tab)
    keys.press("ArrowRight")
    keys.tab_to(guest.drawer.get_by_role("row", name="donald").get_by_role("link", name="Why?"))
    keys.press("Enter")
    expect(guest.heading("Did Donald Knuth get “Without a mouse”?")).to_be_focused()
    expect(guest.main.get_by_label("Verdict")).to_contain_text("Donald has it in the inbox")
    guest.wait()

    keys.press("Control+k")
    expect(guest.drawer.get_by_role("combobox")).to_be_focused()
    keys.write("audit")
    expect(page.get_by_role("option", name="Audit log")).to_be_visible()
    keys.press("Enter")
    expect(guest.heading("Audit log")).to_be_focused()
    keys.tab_to(guest.main.locator("tbody a").filter(has_text="broadcast").first)
    keys.press("Enter")
    expect(guest.drawer).to_contain_text("post_v2_broadcasts")
    expect(guest.drawer).to_contain_text(f"{OWNER}@example.com")
    keys.press("Escape")
    expect(guest.drawer).to_have_count(0)
    assert page.evaluate("pointerEvents") == 0
    assert all(line.startswith("401 ") for line in guest.refused)
    guest.refused.expect(r"^401 GET .*/api/(me|projects\?.*)$")
    guest.errors.expect()  # the browser logs each refusal
