"""In which language the elements speak."""

from playwright.sync_api import Page, expect

from tests.browser.console import Messages
from tests.browser.site import Site


def test_the_language_is_that_of_the_attribute_the_project_or_the_page(page: Page, site: Site) -> None:
    # Other users have no language of their own, so this test saves it for this user and not for the project.
    user = "speaks-spanish"
    site.send("Hello", user)
    page.goto(site.page(site.element(user), attributes='lang="fr-CA"', strict=True))
    bell = page.locator("inbox-bell")
    expect(bell.get_by_role("button", name="Notifications, 1 non lue")).to_be_visible()
    look = {"locale": "es", "images": None, "theme": None}
    site.request("PUT", "/v2/integrations/inbox/installations", user, json=look)
    page.reload()
    expect(bell.get_by_role("button", name="Notificaciones, 1 sin leer")).to_be_visible()
    bell.evaluate("(bell) => { bell.locale = 'de'; bell.messages = { title: 'Neuigkeiten' }; }")
    bell.get_by_role("button", name="Benachrichtigungen, 1 ungelesen").click()
    expect(bell.get_by_role("dialog", name="Neuigkeiten").get_by_role("tab", name="Archiviert")).to_be_visible()


def test_arabic_is_written_from_right_to_left(page: Page, site: Site, user: str) -> None:
    site.send("مرحبا", user)
    page.goto(site.page(site.element(user, locale="ar"), strict=True))
    page.locator("inbox-bell").get_by_role("button", name="الإشعارات، 1 غير مقروء").click()
    dialog = page.get_by_role("dialog", name="الإشعارات")
    expect(dialog.get_by_role("article")).to_be_visible()
    assert dialog.evaluate("(element) => getComputedStyle(element).direction") == "rtl"


def test_a_language_whose_file_is_missing_is_english(page: Page, site: Site, user: str, errors: Messages) -> None:
    page.route("**/locale-de.js", lambda route: route.abort())
    page.goto(site.page(site.element(user, locale="de")))
    expect(page.get_by_role("button", name="Notifications, 0 unread")).to_be_visible()
    errors.expect()
