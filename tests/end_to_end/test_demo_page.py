"""The page of the live protocol in a real browser, with a gateway without any settings."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import CHROMIUM, running_chromium
from tests.end_to_end.demo_page import Demo, DemoPage, running_demo
from tests.servers import Gateway, wait_for

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is missing: `apt-get install chromium`")

LOST_CONNECTION = re.compile(r"net::ERR_|WebSocket connection to .* failed")
"""Messages that browsers log when a server ends, which a page cannot prevent."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as started:
        yield started


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(tmp_path_factory.mktemp("demo") / "data") as started:
        yield started


@pytest.fixture
def errors() -> list[str]:
    """Return the list of errors, warnings and uncaught exceptions of pages, which is empty at first."""
    return []


@pytest.fixture
def page(browser: Browser, errors: list[str]) -> Iterator[Page]:
    """Yield an empty page. A test fails if the page logged errors that the test does not remove."""
    with browser.new_context(viewport={"width": 1400, "height": 1000}) as context:
        page = context.new_page()
        page.on(
            "console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
    assert errors == []


@pytest.fixture
def inboxes(page: Page, demo: Demo) -> DemoPage:
    """Return the open page, with its own users, who have no notifications."""
    opened = DemoPage(page, demo)
    opened.open()
    return opened


def kill_worker(gateway: Gateway) -> None:
    """Kill the gateway's worker (SIGKILL), and wait for the next one."""
    [killed] = gateway.children("worker")
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{killed}").exists(), "the worker to end")
    wait_for(gateway.ready, "another worker", 30)


def test_the_page_needs_no_secret_and_keeps_its_people_when_it_is_loaded_again(inboxes: DemoPage) -> None:
    page, users = inboxes.page, inboxes.users
    assert page.url == f"{inboxes.demo.gateway.url}/demo/protocol"
    page.reload()
    inboxes.expect_live()
    assert inboxes.users == users
    stored = page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])")
    for secret in (inboxes.demo.api_secret, "eyJ"):  # as every token begins
        assert secret not in page.content() + stored
        assert secret not in inboxes.demo.gateway.log


def test_on_a_phone_the_event_log_shows_whole_names_of_events(inboxes: DemoPage) -> None:
    inboxes.page.set_viewport_size({"width": 360, "height": 740})
    inboxes.send(title="On a phone")
    name = inboxes.page.locator(".entries .name", has_text="notifications/new").first
    expect(name).to_be_visible()
    assert name.evaluate("name => name.scrollWidth <= name.clientWidth")
    assert inboxes.page.evaluate("document.documentElement.scrollWidth") == 360


def test_a_notification_of_the_form_is_in_both_inboxes_of_each_recipient_and_in_no_other(inboxes: DemoPage) -> None:
    ada, grace = inboxes.users
    inboxes.send(title="For both", content="Two of them", category="greetings", action_url="https://example.com/both")
    for panel in inboxes.panels():
        panel.expect_titles("For both")
        panel.expect_badges(unread=1, unseen=1)
        expect(panel.item("For both")).to_contain_text("Two of them")
        expect(panel.item("For both")).to_contain_text("greetings")
        expect(panel.item("For both").get_by_role("link")).to_have_attribute("href", "https://example.com/both")
    expect(inboxes.page.locator("#send-outcome")).to_contain_text("In 4 of 4 inboxes")

    inboxes.send(to=(ada,), title="For Ada")
    for panel in inboxes.panels(ada):
        panel.expect_titles("For Ada", "For both")
        panel.expect_badges(unread=2, unseen=2)
    for panel in inboxes.panels(grace):
        panel.expect_titles("For both")
    inboxes.expect_exact()


def test_reading_in_one_inbox_changes_the_other(inboxes: DemoPage) -> None:
    ada, grace = inboxes.users
    inboxes.demo.send("A letter", ada, grace)
    for here, there in (("websocket", "sse"), ("sse", "websocket")):
        inboxes.panel(ada, here).do("read", "A letter")
        expect(inboxes.panel(ada, there).item("A letter")).to_have_attribute("data-read", "true")
        for panel in inboxes.panels(ada):
            panel.expect_badges(unread=0, unseen=0)
        inboxes.panel(ada, there).do("unread", "A letter")
        for panel in inboxes.panels(ada):
            panel.expect_badges(unread=1, unseen=0)
    for panel in inboxes.panels(grace):
        panel.expect_badges(unread=1, unseen=1)
    inboxes.expect_exact()


def test_archiving_and_deleting_in_one_inbox_changes_the_other(inboxes: DemoPage) -> None:
    ada, _ = inboxes.users
    websocket, sse = inboxes.panels(ada)
    for title in ("First", "Second", "Third"):
        inboxes.demo.send(title, ada)
    websocket.expect_titles("Third", "Second", "First")
    websocket.do("archive", "Second")
    sse.expect_titles("Third", "First")
    sse.do("delete", "First")
    websocket.expect_titles("Third")
    for panel in (websocket, sse):
        panel.expect_badges(unread=1, unseen=1)
    inboxes.expect_exact()

    sse.element.get_by_label("archived").check()
    sse.expect_titles("Third", "Second")
    sse.expect_badges(unread=2, unseen=2)
    sse.do("unarchive", "Second")
    websocket.expect_titles("Third", "Second")
    inboxes.expect_exact()


def test_marking_all_in_one_inbox_marks_all_in_the_other(inboxes: DemoPage) -> None:
    ada, grace = inboxes.users
    for title in ("First", "Second", "Third"):
        inboxes.demo.send(title, ada, grace)
    websocket, sse = inboxes.panels(ada)
    websocket.expect_badges(unread=3, unseen=3)
    websocket.do("seen-all")
    sse.expect_badges(unread=3, unseen=0)
    sse.do("read-all")
    websocket.expect_badges(unread=0, unseen=0)
    for panel in inboxes.panels(grace):
        panel.expect_badges(unread=3, unseen=3)
    inboxes.expect_exact()


def test_a_connection_that_was_cut_resumes_with_the_missed_events(inboxes: DemoPage) -> None:
    ada, grace = inboxes.users
    inboxes.demo.send("Before", ada, grace)
    inboxes.expect_exact()
    cut = [inboxes.panel(ada, "websocket"), inboxes.panel(grace, "sse")]
    others = [inboxes.panel(ada, "sse"), inboxes.panel(grace, "websocket")]
    positions = [panel.shown()["position"] for panel in cut]

    for panel in cut:
        panel.do("cut")
    inboxes.send(title="Meanwhile")
    for panel in others:
        panel.expect_titles("Meanwhile", "Before")
        panel.do("read", "Before")
        panel.expect_badges(unread=1, unseen=1)
    for panel in cut:
        panel.expect_state("reconnecting")
        panel.expect_titles("Before")

    for panel, position in zip(cut, positions, strict=True):
        panel.expect_state("live")
        expect(panel.element).to_contain_text(f"resumed after {position}")
        panel.expect_titles("Meanwhile", "Before")
    inboxes.expect_exact()


def test_every_inbox_is_exact_again_after_the_worker_was_killed(inboxes: DemoPage, errors: list[str]) -> None:
    ada, grace = inboxes.users
    for title in ("First", "Second", "Third"):
        inboxes.demo.send(title, ada, grace)
    inboxes.expect_exact()
    inboxes.panel(ada, "sse").do("read", "First")
    inboxes.panel(grace, "websocket").do("archive", "Second")
    inboxes.expect_exact()

    kill_worker(inboxes.demo.gateway)
    inboxes.demo.send("Meanwhile", ada, grace)
    inboxes.expect_live()
    inboxes.expect_exact()
    inboxes.send(title="Afterwards")
    for panel in inboxes.panels(grace):
        panel.expect_titles("Afterwards", "Meanwhile", "Third", "First")
    inboxes.expect_exact()
    errors[:] = [error for error in errors if not LOST_CONNECTION.search(error)]


def test_content_with_html_is_shown_as_text_and_never_runs(inboxes: DemoPage) -> None:
    ada, _ = inboxes.users
    markup = """<img src="x" onerror="document.title = 'run'"><script>document.title = 'run'</script>"""
    inboxes.send(to=(ada,), title=markup, content=markup, category=markup[:90], action_url="javascript:alert(1)")
    for panel in inboxes.panels(ada):
        panel.expect_titles(markup)
        expect(panel.element.locator(".item-content")).to_have_text(markup)
        expect(panel.element.locator(".item a")).to_be_hidden()
        expect(panel.element.locator("img, script")).to_have_count(0)
    inboxes.page.locator("#log summary").first.click()
    expect(inboxes.page.locator("#log pre").first).to_contain_text("onerror")
    expect(inboxes.page.locator("#log").locator("img, script")).to_have_count(0)
    assert inboxes.page.title() == "Four inboxes, live"
