"""Notifications reach every tab and device, whatever happens to networks, workers and tokens."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.bell import open_bell
from tests.browser.conftest import watch
from tests.browser.console import Messages
from tests.browser.site import Site
from tests.servers import API_KEY, user_hmac, wait_for


@pytest.mark.parametrize("credentials", ["hmac", "email", "token"])
def test_three_lines_on_a_page_of_another_origin_show_a_working_bell(
    page: Page, site: Site, user: str, credentials: str
) -> None:
    recipient = {"email": f"{credentials}@example.com"} if credentials == "email" else {"external_id": user}
    name = recipient.get("email", user)
    attributes = {
        "hmac": f'api-key="{API_KEY}" user-external-id="{user}" user-hmac="{user_hmac(user)}"',
        "email": f'api-key="{API_KEY}" user-email="{name}" user-hmac="{user_hmac(name)}"',
        "token": f'token="{site.token(user)}"',
    }[credentials]
    for title in ("Before", "<i>Also</i> before"):
        site.request("POST", "/notifications", json={"notification": {"title": title, "recipients": [recipient]}})
    page.goto(
        site.pages.add(
            f"/three-lines-{credentials}",
            f'<script type="module" src="{site.url}/inbox-bell.js"></script>\n<link rel="icon" href="/icon.svg">\n'
            f"<inbox-bell {attributes}></inbox-bell>\n",
            "text/html",
        )
    )
    [root] = page.locator("inbox-bell").all()
    assert root.evaluate("bell => bell.shadowRoot.mode") == "open"
    button = page.get_by_role("button", name="Notifications, 2 unread", exact=True)
    expect(button).to_have_count(1)
    button.click()
    panel = page.get_by_role("dialog")
    expect(panel.get_by_role("article")).to_have_count(2)
    expect(panel.get_by_text("<i>Also</i> before", exact=True)).to_be_visible()
    expect(panel.get_by_text("Before", exact=True)).to_be_visible()


def test_every_tab_and_device_shows_the_same(
    browser: Browser, page: Page, site: Site, user: str, errors: Messages
) -> None:
    with browser.new_context() as phone:
        watch(phone, errors)
        bells = [
            open_bell(each, site, user) for each in (page, page.context.new_page(), phone.new_page(), phone.new_page())
        ]
        for bell in bells:
            bell.expect_unread(0)
        site.send("First", user)
        site.send("Second", user)
        for bell in bells:
            bell.expect_unread(2)
        assert site.inbox(user)["unseen_count"] == 2
        bells[0].open()
        bells[0].expect_titles("Second", "First")
        wait_for(lambda: site.inbox(user)["unseen_count"] == 0, "opening to mark as seen")
        bells[0].item("First").get_by_text("First").click()
        for bell in bells:
            bell.expect_unread(1)
        for bell in bells[1:]:
            bell.page.bring_to_front()
            bell.open()
            bell.expect_titles("Second", "First")
        assert site.inbox(user)["unread_count"] == 1


def test_after_a_cut_of_the_network_and_the_end_of_a_worker_nothing_is_missing(
    page: Page, site: Site, user: str, errors: Messages
) -> None:
    bell = open_bell(page, site, user)
    bell.open()
    site.send("Before", user)
    bell.expect_titles("Before")
    site.network.cut()
    site.send("While the network is cut", user)
    site.network.restore()
    bell.expect_titles("While the network is cut", "Before")
    site.kill_worker()
    site.send("After the worker ended", user)
    bell.expect_titles("After the worker ended", "While the network is cut", "Before")
    bell.expect_unread(3)
    errors.expect()


def test_a_user_whose_token_is_revoked_sees_that_the_access_ended(
    page: Page, site: Site, user: str, errors: Messages
) -> None:
    site.send("First", user)
    bell = open_bell(page, site, user, api_key=None, user_external_id=None, user_hmac=None, token=site.token(user))
    bell.open()
    bell.expect_titles("First")
    site.revoke_tokens(user)
    expect(bell.panel.get_by_text("ended")).to_be_visible()
    expect(bell.items).to_have_count(0)
    errors.expect()
