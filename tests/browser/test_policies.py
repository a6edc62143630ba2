"""A page of the gateway's own origin needs no exception from its Content-Security-Policy."""

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.bell import Bell
from tests.browser.page_server import RECORD_VIOLATIONS
from tests.browser.site import Site
from tests.browser.test_push import FAKE_SUBSCRIPTIONS

POLICY = (
    "default-src 'self'; require-trusted-types-for 'script'; trusted-types inbox-html inbox-push; report-uri /reports"
)


@pytest.mark.parametrize("language", ["en", "de"])
def test_everything_works_under_a_policy_of_the_own_origin_alone(
    page: Page, site: Site, user: str, language: str
) -> None:
    attributes = {"push_worker": "/push-worker.js", "toasts": "", "locale": language}
    elements = "".join(site.element(user, name, **attributes) for name in ("inbox-bell", "inbox-list"))
    body = f"""<!doctype html><html lang="en"><head><title>A page</title><script src="/violations.js"></script>
        <script type="module" src="/inbox-bell.js"></script></head><body>{elements}</body></html>"""
    reports: list[str | None] = []

    def report(route: Route) -> None:
        reports.append(route.request.post_data)
        route.fulfill(status=204)

    headers = {"Content-Security-Policy": POLICY}
    page.route(f"{site.url}/shop", lambda route: route.fulfill(body=body, content_type="text/html", headers=headers))
    page.route(
        f"{site.url}/violations.js",
        lambda route: route.fulfill(body=RECORD_VIOLATIONS, content_type="text/javascript"),
    )
    page.route(f"{site.url}/reports", report)
    page.route(f"{site.url}/favicon.ico", lambda route: route.fulfill(status=204))
    # The second one is for WebSockets to loopback addresses, because a page that a test fulfills has no address.
    page.context.grant_permissions(["notifications", "local-network-access"], origin=site.url)
    page.add_init_script(FAKE_SUBSCRIPTIONS + ("delete Element.prototype.setHTML" if language == "de" else ""))
    site.send("Order 1043", user, content="It arrives on <b>Thursday</b>", category="orders")
    page.goto(f"{site.url}/shop")

    expect(page.locator("inbox-list").get_by_role("article").locator("b")).to_have_text("Thursday")
    loaded = "performance.getEntriesByType('resource').map(({ name }) => name.split('/').at(-1))"
    files: list[str] = page.evaluate(loaded)
    assert ("locale-de.js" in files) == (language == "de")
    title, settings, turn_on, on = {
        "en": ("Notifications, 1 unread", "Notification settings", "Turn on", "On in this browser."),
        "de": (
            "Benachrichtigungen, 1 ungelesen",
            "Benachrichtigungen einstellen",
            "Einschalten",
            "In diesem Browser eingeschaltet.",
        ),
    }[language]
    page.get_by_role("button", name=title).click()
    panel = Bell(page).panel
    panel.get_by_role("button", name=settings).click()
    expect(panel.get_by_role("switch").first).to_be_visible()
    panel.get_by_role("button", name=turn_on).click()
    expect(panel.get_by_text(on)).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    site.send("Another", user)
    expect(page.get_by_role("group", name="Another")).to_be_visible()
    assert page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.map(({ scope }) => scope))") == [
        f"{site.url}/push-worker.js"
    ]
    assert (page.evaluate("violations"), reports) == ([], [])
