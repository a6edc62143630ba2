"""Fixtures of the tests in a browser: one gateway, one site and one Chromium for all of them."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.chromium import CHROMIUM, running_chromium
from tests.browser.console import Messages
from tests.browser.site import Site, running_site
from tests.servers import Gateway


# Of the package and not of the session: while Playwright runs, asynchronous tests cannot.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Yield a browser that all tests of this package share."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: `apt-get install chromium`")
    with running_chromium() as started:
        yield started


@pytest.fixture(scope="package")
def site(gateway: Gateway) -> Iterator[Site]:
    """Yield a site of another origin than its gateway's."""
    with running_site(gateway) as started:
        yield started


@pytest.fixture
def errors() -> Messages:
    """Return the errors, warnings and uncaught exceptions of pages, none at first."""
    return Messages()


@pytest.fixture
def context(browser: Browser, site: Site, errors: Messages) -> Iterator[BrowserContext]:
    """Yield a device: a context whose pages share storage and connections.

    A test fails if a page logged errors that the test does not expect, or if a policy was violated.
    """
    site.pages.reports.clear()
    with browser.new_context(viewport={"width": 800, "height": 700}) as device:
        watch(device, errors)
        yield device
        site.network.restore()
        assert [found for page in device.pages for found in page.evaluate("window.violations ?? []")] == []
    assert errors == []
    assert site.pages.reports == []


def watch(context: BrowserContext, errors: Messages) -> None:
    """Record the errors of all pages of a context."""
    context.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    context.on("weberror", lambda error: errors.append(str(error.error)))


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """Return an empty page of the device."""
    return context.new_page()
