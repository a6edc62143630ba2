"""The documentation site is built without a fault, and works in a browser: from a file, below a path, and alone."""

import functools
import re
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import documentation
from tests.browser.chromium import CHROMIUM, running_chromium
from tests.documentation import SITE


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    documentation.build()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def below_a_path() -> Iterator[str]:
    """Serve the site below a path, and yield its address."""
    handler = functools.partial(QuietHandler, directory=str(SITE.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="site")
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/{SITE.name}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("chromium is not installed: `apt-get install chromium`")
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Yield a page of its own: one that an earlier test left may still be loading its search."""
    with browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark") as page:
        yield page


def test_every_page_is_in_the_navigation_every_link_leads_somewhere_and_no_page_loads_from_another_host() -> None:
    assert documentation.faults() == []


def test_the_index_for_language_models_names_every_page_with_a_sentence() -> None:
    lines = re.findall(r"^- \[(.+)\]\((.+)\): (.*)$", (SITE / "llms.txt").read_text(), re.MULTILINE)
    assert len(lines) == sum(len(pages) for _, pages in documentation.navigation())
    for _, address, sentence in lines:
        assert (SITE / address).is_file()
        assert sentence, address


def test_the_head_of_each_page_says_what_the_page_is_about() -> None:
    described: dict[str, str] = {}
    for _, pages in documentation.navigation():
        for page in pages:
            text = (SITE / re.sub(r"README$", "index", page.removesuffix(".md"))).with_suffix(".html").read_text()
            (described[page],) = re.findall(r'<meta name="description" content="([^"]*)">', text)
    assert described["index.md"].startswith("Your backend sends a notification.")
    assert all(re.match(r"[^-<].*", description) for description in described.values()), described
    assert "<title>Inbox gateway</title>" in (SITE / "index.html").read_text()


@pytest.mark.parametrize("place", ["file", "below a path"])
def test_the_pages_are_searched_without_a_request_to_another_host(page: Page, below_a_path: str, place: str) -> None:
    start = SITE.as_uri() if place == "file" else below_a_path
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(f"{start}/quickstart.html")
    query = page.get_by_role("combobox", name="Search")
    page.locator("label[for=__search].md-header__button").click()
    query.press_sequentially("unsubscribing")
    expect(query).to_have_value("unsubscribing")
    page.locator("a", has_text="Unsubscribing").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Email")
    assert {urlsplit(address).netloc for address in requested} <= {"", urlsplit(below_a_path).netloc}


def test_no_page_is_wider_than_a_phone(page: Page) -> None:
    for name in ("index", "compare", "performance", "reference/settings", "concepts/positions", "channels/index"):
        page.goto((SITE / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
