"""New notifications at the edge of the page."""

from playwright.sync_api import Page, Route, expect

from tests.browser.bell import wait_until_live
from tests.browser.console import Messages
from tests.browser.site import Site
from tests.servers import wait_for


def test_the_latest_three_notifications_appear_at_the_edge_of_a_page_that_wants_them(
    page: Page, site: Site, user: str
) -> None:
    page.goto(site.page(site.element(user, toasts=""), strict=True))
    bell = page.locator("inbox-bell")
    toasts = bell.get_by_role("group")
    wait_until_live(page)
    for number in range(1, 5):
        site.send(f"Number {number}", user, content="<b>5</b> &lt; 7", action_url=f"{site.pages.url}/icon.svg")
        expect(bell.get_by_role("group", name=f"Number {number}")).to_be_visible()
    expect(toasts).to_have_count(3)
    expect(toasts.first).to_contain_text("Number 25 < 7")
    toasts.first.get_by_role("button", name="Dismiss").focus()
    page.keyboard.press("Escape")
    expect(toasts).to_have_count(2)
    expect(toasts.first.get_by_role("button", name="Dismiss")).to_be_focused()
    page.evaluate("addEventListener('inbox-item-click', (event) => (window.clicked = event.detail.notification.title))")
    page.evaluate("addEventListener('inbox-item-click', (event) => event.preventDefault())")
    toasts.last.get_by_role("link", name="Number 4").click()
    expect(toasts).to_have_count(1)
    assert page.evaluate("clicked") == "Number 4"
    wait_for(lambda: site.inbox(user)["notifications"][0]["read_at"] is not None, "the notification to be read")
    bell.get_by_role("button", name="Notifications, 3 unread").click()
    site.send("Number 5", user)
    expect(bell.get_by_role("article", name="Number 5")).to_be_visible()
    expect(bell.get_by_role("group", name="Number 5")).to_have_count(0)
    page.mouse.move(1, 1)
    expect(toasts).to_have_count(0)  # the time is over


def test_a_page_that_does_not_want_them_shows_no_toasts(page: Page, site: Site, user: str) -> None:
    page.goto(site.page(site.element(user)))
    bell = page.locator("inbox-bell")
    wait_until_live(page)
    site.send("Hello", user)
    expect(bell.get_by_role("button", name="Notifications, 1 unread")).to_be_visible()
    expect(bell.get_by_role("group")).to_have_count(0)


def test_the_latest_of_those_that_arrive_while_toasts_are_loaded_are_shown_in_order_even_if_a_load_fails(
    page: Page, site: Site, user: str, errors: Messages
) -> None:
    failed: list[str] = []

    def fail_once(route: Route) -> None:
        if failed:
            route.fallback()
        else:
            failed.append(route.request.url)
            # Until all have arrived, which they have when the bell has counted them.
            expect(page.get_by_role("button", name="Notifications, 6 unread")).to_be_visible()
            route.abort("connectionreset")

    page.route("**/toast.js*", fail_once)
    page.goto(site.page(site.element(user, toasts="")))
    wait_until_live(page)
    for number in range(6):
        site.send(f"Number {number}", user)
    expect(page.locator("inbox-bell").get_by_role("group")).to_have_text(["Number 3", "Number 4", "Number 5"])
    assert failed
    assert all("ERR_CONNECTION_RESET" in error for error in errors)
    errors.expect()


def test_the_time_of_toasts_starts_once_when_pointer_and_focus_have_left_them(
    page: Page, site: Site, user: str
) -> None:
    page.clock.install()
    page.goto(site.page(site.element(user, toasts="")))
    wait_until_live(page)
    for number in range(2):
        site.send(f"Number {number}", user)
    toasts = page.locator("inbox-bell").get_by_role("group")
    last = toasts.filter(has_text="Number 1")
    last.hover()
    last.get_by_role("button", name="Dismiss").focus()
    page.clock.fast_forward(60_000)
    page.mouse.move(1, 1)
    page.clock.fast_forward(60_000)  # the focus is still there
    last.get_by_role("button", name="Dismiss").blur()
    last.hover()
    page.clock.fast_forward(60_000)
    expect(toasts).to_have_count(2)
    page.mouse.move(1, 1)
    page.clock.fast_forward(7_000)
    expect(toasts).to_have_count(0)
