"""Sessions of a user in the bell: tokens that are renewed or revoked, and pages that a browser keeps."""

import time

from playwright.sync_api import Page, WebSocket, expect

from tests.browser.bell import Bell
from tests.browser.console import Messages
from tests.browser.site import Site
from tests.servers import wait_for


def test_the_bell_gets_new_tokens_before_the_old_ones_end_and_after_a_revocation(
    page: Page, site: Site, user: str, errors: Messages
) -> None:
    issued: list[str] = []
    sockets: list[WebSocket] = []
    page.on("websocket", lambda socket: sockets.append(socket))

    def new_token() -> str:
        issued.append(site.token(user, 600 if issued else 6, iat=int(time.time())))
        return issued[-1]

    page.expose_function("newToken", new_token)
    page.goto(site.page("<inbox-bell></inbox-bell>"))
    page.evaluate("document.querySelector('inbox-bell').getToken = () => newToken()")
    bell = Bell(page)
    site.send("First", user)
    bell.expect_unread(1)
    wait_for(lambda: bool(page.evaluate("1")) and len(issued) > 1, "another token")
    site.revoke_tokens(user)
    site.send("Second", user)
    bell.expect_unread(2)
    assert len(issued) > 2
    bell.open()
    bell.expect_titles("Second", "First")
    bell.choose("First", "Mark as read")
    wait_for(lambda: site.inbox(user)["unread_count"] == 1, "the action")
    expect(bell.panel.get_by_text("ended")).to_have_count(0)
    assert sockets[-1].url == sockets[0].url
    errors.expect()  # of requests between the revocation and the new token
