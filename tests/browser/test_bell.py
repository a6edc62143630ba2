"""<inbox-bell> on a page of another origin: what it shows, and what a user does with it."""

import re
import time

import pytest
from playwright.sync_api import Browser, Locator, Page, WebSocket, expect

from tests.browser.console import Messages
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


def test_every_action_works_by_keys_alone_and_can_be_undone(page: Page, site: Site, user: str) -> None:
    for number in (3, 2, 1):
        site.send(f"Item {number}", user)
    page.goto(site.bell_page(user))
    expect(bell(page)).to_have_accessible_name("Notifications, 3 unread")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    rows = panel(page).get_by_role("article")
    expect(rows).to_have_count(3)

    page.keyboard.press("ArrowDown")
    expect(item(page, "Item 1")).to_be_focused()
    page.keyboard.press("r")
    expect(bell(page)).to_have_accessible_name("Notifications, 2 unread")
    page.keyboard.press("End")
    expect(item(page, "Item 3")).to_be_focused()
    page.keyboard.press("Delete")
    expect(rows).to_have_count(2)
    expect(item(page, "Item 2")).to_be_focused()
    page.keyboard.press("Control+z")
    expect(rows).to_have_count(3)
    page.keyboard.press("e")
    expect(rows).to_have_count(2)
    expect(item(page, "Item 3")).to_be_focused()
    page.keyboard.press("Delete")
    expect(rows).to_have_count(1)
    assert site.inbox(user)["total"] == 3, "a deletion that can be undone was sent"

    page.keyboard.press("Escape")
    expect(panel(page)).to_have_count(0)
    expect(bell(page)).to_be_focused()
    wait_for(lambda: site.inbox(user)["total"] == 2, "the deletion, which cannot be undone any more")
    assert site.inbox(user, archived="true")["notifications"][0]["title"] == "Item 2"


def test_the_menu_the_tabs_and_what_stands_in_place_of_a_list(page: Page, site: Site, user: str) -> None:
    site.send("Item 1", user)
    open_bell(page, site.bell_page(user))
    item(page, "Item 1").hover()
    panel(page).get_by_role("button", name="Actions for Item 1").click()
    page.get_by_role("menuitem", name="Mark as read").click()
    expect(panel(page).get_by_role("button", name="Actions for Item 1")).to_be_focused()
    panel(page).get_by_role("tab", name="Unread").click()
    expect(panel(page)).to_contain_text("You’re all caught up")
    panel(page).get_by_role("button", name="Show all").click()
    panel(page).get_by_role("button", name="Archive all read").click()
    expect(panel(page)).to_contain_text("Nothing here yet")
    page.keyboard.press("Escape")
    bell(page).click()
    panel(page).get_by_role("tab", name="Archived").click()
    expect(panel(page).get_by_role("article")).to_contain_text(["Item 1"])
    panel(page).get_by_role("button", name="Notification settings").click()
    expect(panel(page).get_by_role("heading", name="Notification settings")).to_be_visible()
    panel(page).get_by_role("button", name="Back").click()
    expect(item(page, "Item 1")).to_be_visible()


def test_new_items_come_in_at_the_top_and_move_nothing_further_down(page: Page, site: Site, user: str) -> None:
    for number in range(12):
        site.send(f"Item {number}", user, content="One line")
    open_bell(page, site.bell_page(user))
    expect(panel(page).get_by_role("article")).to_have_count(12)
    site.send("First", user)
    expect(panel(page).get_by_role("article").first).to_contain_text("First")
    expect(panel(page).get_by_role("button", name="1 new")).to_be_hidden()

    item(page, "Item 4").evaluate("(item) => item.scrollIntoView({ block: 'center' })")
    before = item(page, "Item 4").bounding_box()
    site.send("Second", user)
    panel(page).get_by_role("button", name="1 new").wait_for()
    assert item(page, "Item 4").bounding_box() == pytest.approx(before, abs=0.5)
    panel(page).get_by_role("button", name="1 new").click()
    expect(item(page, "Second")).to_be_in_viewport()
    expect(panel(page).get_by_role("button", name="1 new")).to_be_hidden()


def test_elements_with_the_same_user_share_a_connection_that_ends_with_the_last_of_them(
    page: Page, site: Site, user: str
) -> None:
    sockets: list[WebSocket] = []
    page.on("websocket", lambda socket: sockets.append(socket))
    address = site.page(
        site.element(user), main=site.element(user, "inbox-list", tabs="category:billing=Our_bills category:")
    )
    with page.expect_console_message(lambda message: message.text.startswith("Inbox: there is no tab category:.")):
        page.goto(address)
    listed = page.locator("inbox-list")
    site.send("Invoice", user, category="billing")
    site.send("Other", user)
    expect(bell(page)).to_have_accessible_name("Notifications, 2 unread")
    expect(listed.get_by_role("tab")).to_have_text(["Our bills", "All"])
    expect(listed.get_by_role("article")).to_contain_text(["Invoice"])
    assert len(sockets) == 1

    page.evaluate("document.querySelector('inbox-list').remove()")
    site.send("Third", user)
    expect(bell(page)).to_have_accessible_name(re.compile("[13] unread"))  # the list has seen, and not read
    assert not sockets[0].is_closed()
    page.evaluate("window.kept = document.querySelector('inbox-bell'); kept.remove()")
    wait_for(lambda: page.evaluate("1") and sockets[0].is_closed(), "the connection to end")
    page.evaluate("document.body.append(kept)")
    expect(bell(page)).to_have_accessible_name("Notifications, 3 unread")


def test_the_page_decides_about_links_texts_and_the_look_of_items(page: Page, site: Site, user: str) -> None:
    site.send("Invoice", user, action_url="/elsewhere", custom_attributes={"amount": "12 €"})
    script = """
      const bell = document.querySelector("inbox-bell");
      bell.messages = { title: "Messages", empty: "None" };
      addEventListener("inbox-item-click", (event) => {
        event.preventDefault();
        window.route = event.detail.url;
      });
    """
    address = site.page(
        site.element(user).replace(
            "></inbox-bell>",
            '><template slot="item"><b data-field="title"></b> <i part="sum" data-field="custom_attributes.amount"></i>'
            '</template><span slot="footer">Our footer</span></inbox-bell>',
        ),
        head="<style>inbox-bell::part(sum) { color: rgb(1, 2, 3) }</style>",
    )
    page.goto(address)
    page.evaluate(script)
    bell(page).click()
    own = page.get_by_role("dialog", name="Messages")
    expect(own.get_by_role("article")).to_have_text("Invoice 12 €now")
    expect(own.get_by_text("12 €")).to_have_css("color", "rgb(1, 2, 3)")
    expect(own.get_by_role("heading")).to_have_text("Messages")
    expect(page.get_by_text("Our footer")).to_be_visible()
    own.get_by_role("article").click()
    expect(bell(page)).to_have_accessible_name("Notifications, 0 unread")
    assert page.url == address
    assert page.evaluate("route") == f"{site.pages.url}/elsewhere"


def test_the_panel_shows_what_is_wrong_and_what_to_do(page: Page, site: Site, user: str, errors: Messages) -> None:
    site.send("Item 1", user)
    token = site.token(user)
    page.goto(site.page("<inbox-bell></inbox-bell>"))
    page.get_by_role("button", name="Notifications", exact=True).click()
    expect(panel(page)).to_contain_text("You’re signed out")
    page.evaluate("(token) => { document.querySelector('inbox-bell').token = token }", token)
    expect(item(page, "Item 1")).to_be_visible()

    page.context.set_offline(True)
    expect(panel(page)).to_contain_text("You’re offline")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("r")
    expect(panel(page)).to_contain_text("1 change will be sent later")
    page.context.set_offline(False)
    wait_for(lambda: page.evaluate("1") and site.inbox(user)["unread_count"] == 0, "the action that waited")

    valid_from = site.revoke_tokens(user)
    expect(panel(page)).to_contain_text("Your session has ended")
    expect(item(page, "Item 1")).to_be_hidden()
    errors.expect()
    wait_for(lambda: time.time() >= valid_from, "the second after the revocation")
    token = site.token(user, iat=int(time.time()))
    page.evaluate("(token) => { document.querySelector('inbox-bell').token = token }", token)
    expect(item(page, "Item 1")).to_be_visible()


def test_on_a_phone_the_panel_fills_the_screen_and_keeps_the_focus(browser: Browser, site: Site, user: str) -> None:
    site.send("Item 1", user)
    with browser.new_context(
        viewport={"width": 390, "height": 700}, has_touch=True, is_mobile=True, reduced_motion="reduce"
    ) as phone:
        page = phone.new_page()
        page.goto(site.page(site.element(user), attributes='lang="ar" dir="rtl"'))
        button = page.locator("inbox-bell").get_by_role("button").first
        button.tap()
        opened = page.get_by_role("dialog")
        expect(opened.get_by_role("article")).to_contain_text("Item 1")
        assert opened.bounding_box() == {"x": 0, "y": 0, "width": 390, "height": 700}
        assert opened.get_attribute("dir") is None, "the page has the direction"
        for _ in range(12):
            page.keyboard.press("Tab")
            assert opened.evaluate("(dialog) => dialog.contains(dialog.getRootNode().activeElement)")
        page.keyboard.press("Escape")
        expect(opened).to_have_count(0)
        expect(button).to_be_focused()
