"""What people do with notifications: it shows at once, in every tab, is stored, and can be undone."""

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, WebSocketRoute, expect

from tests.browser.bell import open_bell
from tests.browser.console import Messages
from tests.browser.site import Site
from tests.servers import wait_for


def stored(site: Site, user: str) -> dict[str, str]:
    """Return the state of each of a user's notifications by its title."""
    return {
        each["title"]: "archived" if each["archived_at"] else "read" if each["read_at"] else "unread"
        for each in site.inbox(user)["notifications"]
    }


def expect_stored(site: Site, user: str, **expected: str) -> None:
    """Wait until exactly these notifications are stored."""
    try:
        wait_for(lambda: stored(site, user) == expected, "the notifications")
    except AssertionError:
        assert stored(site, user) == expected


def test_each_action_shows_in_the_other_tab_and_is_stored(page: Page, site: Site, user: str) -> None:
    for title in ("Four", "Three", "Two", "One"):
        site.send(title, user)
    here, there = open_bell(page, site, user), open_bell(page.context.new_page(), site, user)
    for bell in (here, there):
        bell.open()
        bell.expect_titles("One", "Two", "Three", "Four")
    here.page.bring_to_front()

    here.choose("One", "Mark as read")
    there.expect_unread(3)
    here.choose("One", "Mark as unread")
    there.expect_unread(4)
    here.choose("Two", "Archive")
    there.expect_titles("One", "Three", "Four")
    expect_stored(site, user, One="unread", Two="archived", Three="unread", Four="unread")
    here.undo()
    there.expect_titles("One", "Two", "Three", "Four")
    here.choose("Two", "Archive")

    here.choose("Three", "Delete")
    here.expect_titles("One", "Four")
    here.undo()
    here.expect_titles("One", "Three", "Four")
    expect_stored(site, user, One="unread", Two="archived", Three="unread", Four="unread")
    here.choose("Three", "Delete")
    here.close()
    there.expect_titles("One", "Four")
    expect_stored(site, user, One="unread", Two="archived", Four="unread")

    here.open()
    here.tab("Archived").click()
    here.choose("Two", "Move to inbox")
    expect(here.items).to_have_count(0)
    there.expect_titles("One", "Two", "Four")
    here.tab("All").click()
    here.panel.get_by_role("button", name="Mark all as read").click()
    there.expect_unread(0)
    expect_stored(site, user, One="read", Two="read", Four="read")


def test_a_deletion_is_sent_when_the_time_to_undo_it_is_over(page: Page, site: Site, user: str) -> None:
    page.clock.install()
    site.send("One", user)
    bell = open_bell(page, site, user)
    bell.open()
    bell.choose("One", "Delete")
    expect(bell.panel.get_by_role("button", name="Undo")).to_be_visible()
    assert stored(site, user) == {"One": "unread"}
    page.clock.fast_forward(6000)
    expect_stored(site, user)
    expect(bell.panel.get_by_role("button", name="Undo")).to_be_hidden()


def test_archiving_all_that_are_read_can_be_undone(page: Page, site: Site, user: str) -> None:
    sent = [site.send(title, user) for title in ("Two", "One")]
    site.request("POST", f"/notifications/{sent[0]}/read", user)
    bell = open_bell(page, site, user)
    bell.open()
    bell.expect_titles("One", "Two")
    archive = bell.panel.get_by_role("button", name="Archive all read")
    archive.click()
    bell.expect_titles("One")
    bell.undo()
    bell.expect_titles("One", "Two")
    archive.click()
    bell.expect_titles("One")
    # What is read afterwards stays where it is: those that were read before are archived first.
    bell.item("One").click()
    bell.expect_unread(0)
    wait_for(lambda: site.inbox(user, archived="true")["total"] == 1, "the archive to have one")
    bell.expect_titles("One")
    assert [item["title"] for item in site.inbox(user, archived="false")["notifications"]] == ["One"]


def test_a_refused_action_is_taken_back(page: Page, site: Site, user: str, errors: Messages) -> None:
    held: list[tuple[WebSocketRoute, Any]] = []
    holding = False

    def hold_events(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        server.on_message(lambda message: held.append((route, message)) if holding else route.send(message))

    page.route_web_socket("**/realtime/ws*", hold_events)
    sent = site.send("Deleted elsewhere", user)
    bell = open_bell(page, site, user)
    bell.open()
    bell.expect_unread(1)
    page.evaluate(
        "addEventListener('inbox-error', ({ detail }) => { window.refusal = [detail.action, detail.error.status]; })"
    )
    holding = True
    site.request("DELETE", f"/notifications/{sent}", user)
    bell.choose("Deleted elsewhere", "Mark as read")
    expect(bell.panel.get_by_text("A change was taken back")).to_be_visible()
    assert page.evaluate("refusal") == ["read", 404]
    bell.expect_unread(1)
    expect(bell.item("Deleted elsewhere")).to_be_visible()
    holding = False
    for route, message in held:
        route.send(message)
    bell.expect_unread(0)
    errors.expect()


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_click_follows_the_link_unless_the_page_cancels_it(
    page: Page, site: Site, user: str, cancelled: bool
) -> None:
    site.send("Your parcel", user, action_url="#parcel")
    bell = open_bell(page, site, user)
    page.evaluate(
        """cancelled => document.addEventListener("inbox-item-click", (event) => {
            window.clicked = [event.detail.notification.title, event.detail.url, event.composed];
            if (cancelled) event.preventDefault();
        })""",
        cancelled,
    )
    bell.open()
    bell.item("Your parcel").click()
    bell.expect_unread(0)
    title, url, composed = page.evaluate("clicked")
    assert (title, composed) == ("Your parcel", True)
    assert url.endswith("#parcel")
    assert page.evaluate("location.hash") == ("" if cancelled else "#parcel")


def test_actions_without_a_network_are_sent_once_it_is_back(
    context: BrowserContext, page: Page, site: Site, user: str, errors: Messages
) -> None:
    for title in ("Two", "One"):
        site.send(title, user)
    bell = open_bell(page, site, user)
    bell.open()
    bell.expect_titles("One", "Two")
    context.set_offline(True)
    expect(bell.panel.get_by_text("You’re offline")).to_be_visible()
    bell.choose("One", "Archive")
    bell.choose("Two", "Mark as read")
    bell.expect_titles("Two")
    bell.expect_unread(0)
    expect(bell.panel.get_by_text("2 changes will be sent later")).to_be_visible()
    assert stored(site, user) == {"One": "unread", "Two": "unread"}
    context.set_offline(False)
    expect_stored(site, user, One="archived", Two="read")
    expect(bell.panel.get_by_text("You’re offline")).to_be_hidden()
    bell.expect_titles("Two")
    errors.expect()
