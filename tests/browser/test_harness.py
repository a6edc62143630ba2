"""The tools of these tests find what they look for."""

import pytest
from playwright.sync_api import Page

from tests.browser.console import Messages
from tests.browser.site import Site
from tests.servers import wait_for


def test_a_page_of_another_origin_loads_the_client_under_a_strict_policy(page: Page, site: Site, user: str) -> None:
    site.pages.add(
        "/client-page.js",
        f'import {{ InboxError }} from "{site.url}/client.js"; window.loaded = InboxError;',
        "text/javascript",
    )
    page.goto(site.pages.add_page('<script type="module" src="/client-page.js"></script>', policy=site.policy))
    assert page.evaluate("typeof loaded") == "function"


def test_violations_of_a_policy_are_reported(page: Page, site: Site, errors: Messages) -> None:
    body = '<p style="color: red">Red</p><script>document.body.innerHTML = "<p></p>"</script>'
    page.goto(site.pages.add_page(body, policy=site.policy))
    found = page.evaluate("violations.splice(0)")
    assert [each["violatedDirective"] for each in found] == ["style-src-attr", "script-src-elem"]
    wait_for(lambda: len(site.pages.reports) == 2, "the reports")
    site.pages.reports.clear()
    with pytest.raises(Exception, match="TrustedHTML"):
        page.evaluate("document.body.innerHTML = '<p></p>'")
    assert [each["violatedDirective"] for each in page.evaluate("violations.splice(0)")] == [
        "require-trusted-types-for"
    ]
    wait_for(lambda: len(site.pages.reports) == 1, "the reports")
    site.pages.reports.clear()
    assert len(errors) == 3
    errors.expect("violates the following Content Security Policy|TrustedHTML")


def test_a_network_that_is_cut_ends_connections_until_it_is_restored(page: Page, site: Site, errors: Messages) -> None:
    page.goto(site.pages.add_page(""))
    request = f"fetch('{site.url}/healthz').then(({{ status }}) => status, () => 0)"
    assert page.evaluate(request) == 200
    site.network.cut()
    assert page.evaluate(request) == 0
    site.network.restore()
    assert page.evaluate(request) == 200
    errors.expect()
