"""Every state of the bell, with pictures of each in build/screenshots."""

import contextlib
import json
import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.browser.bell import Bell, wait_until_live
from tests.browser.gallery import DEVICES, PICTURES, Gallery
from tests.browser.site import Site

PAGES = "**/notifications?*"


@pytest.fixture(scope="module")
def pictures() -> None:
    """Remove the pictures of earlier runs."""
    shutil.rmtree(PICTURES, ignore_errors=True)


@pytest.fixture
def gallery(browser: Browser, site: Site, pictures: None) -> Iterator[Gallery]:
    """Yield an empty page on each device."""
    with contextlib.ExitStack() as stack:
        contexts = {name: stack.enter_context(browser.new_context(**device)) for name, device in DEVICES.items()}
        yield Gallery({name: context.new_page() for name, context in contexts.items()})
        site.network.restore()


def send_samples(site: Site, user: str) -> None:
    """Send what an application would send, the newest last."""
    read = [
        site.send("Welcome to Shop", user, content="Here is how to get the most out of it."),
        site.send(
            "Your invoice for October is ready", user, category="billing", content="€ 42.00, due on 14 November."
        ),
        site.send("Backup finished", user, category="system"),
    ]
    for each in read:
        site.request("POST", f"/notifications/{each}/read", user)
    site.send(
        "Order 1043 has shipped", user, category="orders", action_url="#order",
        content="It should arrive on <b>Thursday</b>. <a href='https://example.com/track'>Track the parcel</a>.",
    )  # fmt: skip
    site.send(
        "Grace Hopper asks for access to “Compilers”", user, category="access", action_url="#request",
        content="“I would like to fix the build before the release.”",
        custom_attributes={"actions": [{"label": "Approve", "url": "#yes"}, {"label": "Decline", "url": "#no"}]},
    )  # fmt: skip
    site.send(
        "Payment failed", user, category="billing", content="Your card was declined. Update it to keep your plan."
    )


def fail(route: Route, status: int = 503, code: str = "service_unavailable") -> None:
    """Respond as a gateway that refuses, by default because its store is down."""
    body = json.dumps({"errors": [{"code": code, "message": "The service is temporarily unavailable"}]})
    headers = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "*", "X-Request-Id": "k3f9-0042"}
    route.fulfill(status=status, content_type="application/json", headers=headers, body=body)


def scroll_to_last(found: Locator) -> None:
    """Scroll to the last of some elements, if there is one. A list that tries again by itself replaces its elements."""
    found.evaluate_all("all => all.at(-1)?.scrollIntoView({ block: 'nearest' })")


def test_signed_out(gallery: Gallery, site: Site, user: str) -> None:
    gallery.goto(site.bell_page(user, api_key=None, user_external_id=None, user_hmac=None))
    for bell in gallery.bells:
        bell.open()
        expect(bell.panel.get_by_text("You’re signed out")).to_be_visible()
    gallery.take("01-signed-out")


def test_from_an_empty_inbox_to_a_list_that_is_read(gallery: Gallery, site: Site, user: str) -> None:
    gallery.goto(site.bell_page(user))
    for bell in gallery.bells:
        bell.expect_unread(0)
    gallery.take("02-nothing-unread")
    for bell in gallery.bells:
        bell.open()
        expect(bell.panel.get_by_text("Nothing here yet")).to_be_visible()
    gallery.take("03-empty")
    for bell in gallery.bells:
        bell.tab("Archived").click()
        expect(bell.panel.get_by_text("Nothing archived")).to_be_visible()
    gallery.take("04-empty-archive")
    for bell in gallery.bells:
        bell.tab("Unread").click()
        expect(bell.panel.get_by_text("You’re all caught up")).to_be_visible()
    gallery.take("05-caught-up")
    send_samples(site, user)
    for bell in gallery.bells:
        bell.tab("All").click()
        expect(bell.items).to_have_count(6)
    gallery.take("06-list")
    desktop, phone = gallery.bells
    desktop.item("Order 1043").hover()
    desktop.item("Order 1043").get_by_role("button", name="Actions").click()
    phone.item("Order 1043").get_by_role("button", name="Actions").click()
    gallery.take("07-menu")
    for bell in gallery.bells:
        bell.page.keyboard.press("Escape")
    desktop.choose("Order 1043", "Archive")
    phone.choose("Backup finished", "Delete")
    gallery.take("08-undo")


def test_loading_and_failing(gallery: Gallery, site: Site, user: str) -> None:
    for number in range(45):
        site.send(f"Report {number} is ready", user, content="It covers the last seven days.", category="reports")
    gallery.route(PAGES, lambda route: None)
    gallery.goto(site.bell_page(user))
    for bell in gallery.bells:
        bell.expect_unread(45)
        bell.button.click()
        expect(bell.panel.get_by_role("status", name="Loading")).to_be_visible()
    gallery.take("09-loading")

    gallery.reroute(PAGES, lambda route: fail(route))
    for bell in gallery.bells:
        bell.page.reload()
        bell.button.click()
        expect(bell.panel.get_by_text("Notifications couldn’t be loaded")).to_be_visible()
        expect(bell.panel.get_by_text("k3f9-0042")).to_be_visible()
    gallery.take("10-failed")

    # The first page arrives, and the next one does not.
    gallery.reroute(PAGES, lambda route: route.fallback() if "&page=1&" in route.request.url else None)
    for bell in gallery.bells:
        bell.page.reload()
        bell.button.click()
        expect(bell.items.first).to_be_visible()
        scroll_to_last(bell.items)
    gallery.take("11-loading-more")

    gallery.reroute(PAGES, lambda route: route.fallback() if "&page=1&" in route.request.url else fail(route))
    for bell in gallery.bells:
        bell.page.reload()
        bell.button.click()
        expect(bell.items.first).to_be_visible()
        scroll_to_last(bell.items)
        expect(bell.panel.get_by_text("Older notifications couldn’t be loaded")).to_be_visible()
        scroll_to_last(bell.panel.get_by_role("button", name="Try again"))
    gallery.take("12-older-failed")

    gallery.reroute(PAGES, lambda route: route.fallback())
    for bell in gallery.bells:
        # The list may have tried again by itself.
        bell.panel.get_by_role("button", name="Try again").evaluate_all("all => all.forEach((each) => each.click())")
        expect(bell.items).to_have_count(40)
        scroll_to_last(bell.items)
        expect(bell.items).to_have_count(45)
    for number in range(55):
        site.send(f"Alert {number}", user, category="alerts")
    for bell in gallery.bells:
        bell.expect_unread(100)
        expect(bell.panel.get_by_text("55 new")).to_be_visible()
    gallery.take("13-new-ones-above")
    for bell in gallery.bells:
        bell.panel.get_by_text("55 new").click()
        expect(bell.panel.get_by_text("55 new")).to_be_hidden()
        expect(bell.item("Alert 54")).to_be_in_viewport()
        bell.close()
    gallery.take("14-more-than-99")


def test_languages_and_contents(gallery: Gallery, site: Site, user: str) -> None:
    site.send("ملاحظة", user, content="وصل الطلب رقم 1043 إلى المستودع وسيصلك يوم الخميس.", category="طلبات")
    site.send("Der Bericht ist fertig", user, content="Er umfasst die letzten sieben Tage.", category="berichte")
    site.send("Supercalifragilisticexpialidocious" * 4, user, content="<ul><li>one<li>two</ul><pre>code</pre>" * 9)
    for language, direction in (("ar", "rtl"), ("de", "ltr")):
        gallery.goto(site.page(site.element(user), attributes=f'lang="{language}" dir="{direction}"'))
        for bell in gallery.bells:
            bell.page.locator("inbox-bell button").first.click()
            expect(bell.items).to_have_count(3)
        gallery.take(f"20-language-{language}")


def test_a_list_as_a_part_of_a_page(gallery: Gallery, site: Site, user: str) -> None:
    send_samples(site, user)
    gallery.goto(site.page(main=f"<h1>Inbox</h1>{site.element(user, 'inbox-list')}"))
    for page in gallery.pages.values():
        expect(page.get_by_role("article")).to_have_count(6)
    gallery.take("21-list-on-a-page")


def test_settings(gallery: Gallery, site: Site, user: str) -> None:
    preferences = "**/user_preferences"
    gallery.route(preferences, lambda route: None)
    gallery.goto(site.page(main=f"<h1>Settings</h1>{site.element(user, 'inbox-preferences', push_worker='/push.js')}"))
    for page in gallery.pages.values():
        expect(page.get_by_role("status", name="Loading")).to_be_visible()
    gallery.take("22-settings-loading")
    gallery.reroute(preferences, lambda route: fail(route))
    for page in gallery.pages.values():
        page.reload()
        expect(page.get_by_text("Settings couldn’t be loaded")).to_be_visible()
    gallery.take("23-settings-failed")
    gallery.reroute(preferences, lambda route: route.fallback())
    site.request("POST", "/v2/channels/teams/tokens", user, json={"webhook": {"url": f"https://a.example/{user}"}})
    send_samples(site, user)
    for page in gallery.pages.values():
        page.reload()
        expect(page.get_by_role("switch", name="Teams for Billing")).to_be_visible()
    gallery.take("24-settings")
    gallery.reroute(preferences, lambda route: fail(route))
    for page in gallery.pages.values():
        page.get_by_role("switch", name="Inbox for Billing").click()
        expect(page.get_by_text("“Billing” couldn’t be changed")).to_be_visible()
    gallery.take("25-settings-not-saved")
    gallery.reroute(preferences, lambda route: route.fallback())
    gallery.goto(site.bell_page(user))
    for bell in gallery.bells:
        bell.open()
        bell.panel.get_by_role("button", name="Notification settings").click()
        expect(bell.panel.get_by_role("switch", name="Teams for Billing")).to_be_visible()
    gallery.take("26-settings-in-the-panel")


def test_toasts(gallery: Gallery, site: Site, user: str) -> None:
    for number, page in enumerate(gallery.pages.values()):
        own = f"{user}-{number}"
        page.goto(site.bell_page(own, toasts=""))
        wait_until_live(page)
        size = page.viewport_size
        assert size is not None
        page.mouse.move(size["width"] / 2, size["height"] - 40)
        page.mouse.move(size["width"] - 60, size["height"] - 40)  # where they appear: the pointer stops their time
        send_samples(site, own)
        for title in ("Order 1043 has shipped", "Grace Hopper asks", "Payment failed"):
            expect(page.get_by_role("group", name=title)).to_be_visible()
    gallery.take("27-toasts")


def test_connections_that_end(gallery: Gallery, site: Site, user: str) -> None:
    send_samples(site, user)
    signed = {"api_key": None, "user_external_id": None, "user_hmac": None, "token": site.token(user)}
    gallery.goto(site.bell_page(user, **signed))
    for bell in gallery.bells:
        bell.open()
        expect(bell.items).to_have_count(6)
    site.network.cut()
    for bell in gallery.bells:
        expect(bell.panel.get_by_text("Reconnecting…")).to_be_visible()
    gallery.take("15-reconnecting")
    for bell in gallery.bells:
        bell.page.context.set_offline(True)
        bell.choose("Order 1043", "Archive")
        expect(bell.panel.get_by_text("You’re offline")).to_be_visible()
        expect(bell.panel.get_by_text("1 change will be sent later")).to_be_visible()
    gallery.take("16-offline")
    site.network.restore()
    for bell in gallery.bells:
        bell.page.context.set_offline(False)
        expect(bell.panel.get_by_text("You’re offline")).to_be_hidden()
        expect(bell.panel.get_by_text("Reconnecting…")).to_be_hidden()

    gallery.route("**/notifications/*/read", lambda route: fail(route, 403, "forbidden"))
    for bell in gallery.bells:
        bell.choose("Payment failed", "Mark as read")
        expect(bell.panel.get_by_text("A change was taken back")).to_be_visible()
        expect(bell.item("Payment failed")).to_have_accessible_name(re.compile("^Unread"))
    gallery.take("17-taken-back")

    site.revoke_tokens(user)
    for bell in gallery.bells:
        expect(bell.panel.get_by_text("Your session has ended")).to_be_visible()
        expect(bell.panel.get_by_text("token_revoked")).to_be_hidden()
        expect(bell.button).to_have_accessible_name("Notifications")  # and no number that may be wrong
    gallery.take("18-session-ended")


def test_a_panel_whose_module_is_late_or_fails(gallery: Gallery, site: Site, user: str) -> None:
    site.send("Welcome to Shop", user)
    gallery.route("**/panel.js*", lambda route: None)
    gallery.goto(site.bell_page(user))
    for bell in gallery.bells:
        bell.expect_unread(1)
        bell.open()
        expect(bell.panel.get_by_role("status", name="Loading")).to_be_visible()
    gallery.take("22-module-is-late")
    _, phone = gallery.bells
    phone.panel.get_by_role("button", name="Close").click()  # nothing else can, on a phone
    expect(phone.panel).to_be_hidden()

    gallery.reroute("**/panel.js*", lambda route: route.abort())
    for bell in gallery.bells:
        bell.page.reload()
        bell.open()
        expect(bell.panel.get_by_text("Notifications couldn’t be loaded")).to_be_visible()
    gallery.take("23-module-failed")
    gallery.reroute("**/panel.js*", lambda route: route.fallback())
    for bell in gallery.bells:
        bell.expect_titles("Welcome to Shop")  # it is loaded again by itself


def test_a_page_that_does_not_say_that_it_can_be_dark_has_a_light_bell(page: Page, site: Site, user: str) -> None:
    page.emulate_media(color_scheme="dark")
    surfaces = {}
    for scheme in ("", "light dark", "dark"):
        head = f'<meta name="color-scheme" content="{scheme}">{site.script()}'
        page.goto(site.pages.add_page(site.element(user), head=head))
        bell = Bell(page)
        bell.expect_unread(0)
        bell.open()
        surfaces[scheme] = bell.panel.evaluate("panel => getComputedStyle(panel).backgroundColor")
    assert surfaces == {"": "rgb(255, 255, 255)", "light dark": "rgb(24, 25, 27)", "dark": "rgb(24, 25, 27)"}
