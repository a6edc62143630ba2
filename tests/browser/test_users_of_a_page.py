"""One page, one user after another: nothing of the first one is shown to the second, or to nobody."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.bell import Bell
from tests.browser.site import Site
from tests.servers import user_hmac

SIGN_IN = """(bell, [user, hmac]) => {
  bell.userExternalId = user;
  bell.userHmac = hmac;
}"""


@pytest.mark.parametrize("next_user", ["another", "nobody"])
def test_a_user_who_signs_in_while_the_texts_are_loaded_is_the_one_whose_inbox_is_shown(
    page: Page, site: Site, user: str, next_user: str
) -> None:
    other = f"{user}-other"
    site.send("For the first", user)
    for title in ("One", "Two"):
        site.send(title, other)
    held: list[Route] = []
    page.route("**/locale-de.js", lambda route: held.append(route), times=1)
    with page.expect_request("**/locale-de.js"):
        page.goto(site.page(site.element(user, locale="de")), wait_until="commit")
    bell = page.locator("inbox-bell")
    signed_in = [other, user_hmac(other)] if next_user == "another" else [None, None]
    bell.evaluate(SIGN_IN, signed_in)
    held[0].continue_()
    name, using = (", 2 (ungelesen|unread)$", True) if next_user == "another" else ("^[A-Za-z]+$", False)
    expect(bell.locator(".button")).to_have_accessible_name(re.compile(name))
    assert bell.evaluate("(bell) => bell.using !== null") == using


def test_what_arrived_for_a_user_is_not_shown_or_read_out_after_another_one_has_signed_in(
    page: Page, site: Site, user: str
) -> None:
    other = f"{user}-other"
    site.send("Hello", other)
    page.goto(site.page(site.element(user, toasts="")))
    bell = Bell(page)
    bell.expect_unread(0)
    page.wait_for_function("document.querySelector('inbox-bell').using?.state.status === 'live'")
    for title in ("Secret one", "Secret two"):
        site.send(title, user)
    root = page.locator("inbox-bell")
    expect(root.locator(".toast")).to_have_count(2)
    root.evaluate(SIGN_IN, [other, user_hmac(other)])
    bell.expect_unread(1)
    assert "Secret" not in root.evaluate("(bell) => bell.shadowRoot.textContent")
    site.send("For the second", other)
    expect(root.locator(".unseen")).to_contain_text("For the second")
    expect(root.locator(".toast")).to_have_count(1)
