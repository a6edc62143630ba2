"""Pages of other origins than the gateway's: what works without any setting, and what a developer reads if not."""

import re

from playwright.sync_api import ConsoleMessage, Page, expect

from tests.api.projects import command, project_of
from tests.browser.console import Messages
from tests.browser.site import Site
from tests.servers import user_hmac


def test_the_console_says_what_to_set_when_a_project_does_not_allow_the_origin(
    site: Site, page: Page, errors: Messages
) -> None:
    project = project_of(command(site.gateway, "project", "create", "Elsewhere"))
    command(site.gateway, "project", "set", project.api_key, "--allowed-origins", "https://shop.example.com")
    element = site.element("ada", api_key=project.api_key, user_hmac=user_hmac("ada", project.api_secret))
    with page.expect_console_message(lambda message: message.text.startswith("Inbox: ")) as told:
        page.goto(site.page(element))
    message: ConsoleMessage = told.value
    assert re.search(r"origin is not allowed.*project's allowed_origins, or to INBOX_ALLOWED_ORIGINS", message.text)
    command(site.gateway, "project", "set", project.api_key, "--allowed-origins", "")
    page.reload()
    expect(page.get_by_role("button", name="Notifications, 0 unread")).to_be_visible()
    # The browser's own messages, about requests that it blocked.
    errors.expect("CORS|ERR_FAILED")
