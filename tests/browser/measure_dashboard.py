"""Measure how soon the dashboard of a large project responds: `.venv/bin/python -m tests.browser.measure_dashboard`.

The project has 100,000 users and a million events, as in the scenario `admin` of the load test. Other sizes are
arguments: `measure_dashboard USERS EVENTS`. Each action is repeated in Chromium. "paint" is the time from the click or
the key to the next paint (Event Timing, in steps of 8 ms), "shown" that to the frame which has the result, requests
included. This is no test: figures count on a machine without other work only.
"""

import asyncio
import contextlib
import statistics
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx
from playwright.sync_api import Page, expect

from loadtest.cores import Cores
from loadtest.project_data import KEPT
from loadtest.scenarios.admin import EMAIL, PASSWORD, Project, fill
from loadtest.targets.gateway import API_KEY, API_SECRET, GatewayTarget
from tests.browser.chromium import running_chromium

USERS, EVENTS = 100_000, 1_000_000
REPEATED = 15
EVENTS_A_SECOND, EVENTS_A_REQUEST = 300, 30
SHORTEST_MS = 16
"""Browsers report no interactions that are shorter."""

OBSERVE = """
window.paints = [];
new PerformanceObserver((list) => paints.push(...list.getEntries().filter((each) => each.interactionId)))
    .observe({ type: "event", durationThreshold: 16, buffered: true });
"""

WATCH = """(isShown) => {
    paints.length = 0;
    window.shown = new Promise((done) => {
        let began = null;
        const note = (event) => { began ??= event.timeStamp; };
        for (const name of ["pointerdown", "keydown"]) addEventListener(name, note, { capture: true, once: true });
        const isThere = new Function(`return ${isShown}`);
        const look = () => requestAnimationFrame(() => {
            if (began !== null && isThere()) setTimeout(() => done(performance.now() - began));
            else look();
        });
        look();
    });
}"""

PAINTED = """async () => {
    await new Promise((done) => setTimeout(done, 200)); // entries arrive after their frame
    return Math.max(0, ...paints.map((each) => each.duration));
}"""


@dataclass(frozen=True)
class Action:
    """Something that people do. `is_shown` is the condition, in JavaScript, that ends it."""

    name: str
    prepare: Callable[[Page], None]
    act: Callable[[Page], None]
    is_shown: str
    paints: list[float] = field(default_factory=list)
    shown: list[float] = field(default_factory=list)

    def measure(self, page: Page) -> None:
        """Do it once."""
        self.prepare(page)
        page.evaluate(WATCH, self.is_shown)
        self.act(page)
        self.shown.append(float(page.evaluate("shown")))
        self.paints.append(float(page.evaluate(PAINTED)))
        if page.locator("dialog[open]").count():
            page.keyboard.press("Escape")

    def row(self) -> str:
        """Return the medians and the longest times."""
        paint, longest = (max(SHORTEST_MS, each) for each in (statistics.median(self.paints), max(self.paints)))
        shown = f"{statistics.median(self.shown):8.0f} {max(self.shown):8.0f}"
        return f"{self.name:32} {paint:8.0f} {longest:8.0f} {shown}"


def follow(title: str) -> Callable[[Page], None]:
    """Return what chooses a screen in the sidebar."""
    return lambda page: page.locator("nav").get_by_role("link", name=title, exact=True).first.click()


def shows(title: str, selector: str) -> Callable[[Page], None]:
    """Return what goes to a screen, and waits for something on it."""

    def go(page: Page) -> None:
        follow(title)(page)
        expect(page.locator(selector).first).to_be_visible()

    return go


def search(page: Page) -> None:
    """Write a search but for its last letter."""
    shows("Users", "#main tbody a")(page)
    page.get_by_label("Search users", exact=True).fill("")
    expect(page.locator("#main tbody a").nth(10)).to_be_visible()
    page.get_by_label("Search users", exact=True).fill("user-50@example.co")


def resume(page: Page) -> None:
    """Go to a live tail that is not paused."""
    shows("Live", "[data-row]")(page)
    if page.get_by_role("button", name="Pause", exact=True).count() == 0:
        page.keyboard.press(".")
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()


PAUSED = "![...document.querySelectorAll('#main button')].some((each) => each.textContent.trim() === 'Pause')"

QUIET = (
    Action(
        "open Users",
        shows("Overview", "#main h1"),
        follow("Users"),
        "location.pathname.endsWith('/users') && document.querySelector('#main tbody a')",
    ),
    Action(
        "search a user",
        search,
        lambda page: page.keyboard.press("m"),
        "document.querySelectorAll('#main tbody a').length === 1",
    ),
    Action(
        "open a drawer of the audit log",
        shows("Audit log", "#main tbody a"),
        lambda page: page.locator("#main tbody a").first.click(),
        "document.querySelector('dialog[open]')",
    ),
)
BUSY = (
    Action(
        "open Live, 300 events/s",
        shows("Overview", "#main h1"),
        follow("Live"),
        "document.querySelector('[data-row]')",
    ),
    Action(
        "pause Live, 300 events/s",
        resume,
        lambda page: page.get_by_role("button", name="Pause", exact=True).click(),
        PAUSED,
    ),
)


async def prepared(target: GatewayTarget, users: int, events: int) -> None:
    """Start a gateway, and fill its project."""
    await target.start()
    pool = target.pool()
    await fill(Project(users, events, target, pool))
    await pool.close()


@contextlib.contextmanager
def events_flow(url: str) -> Iterator[None]:
    """Send notifications for a block, so that the project has some hundred events a second."""
    ended = threading.Event()
    headers = {"X-MAGICBELL-API-KEY": API_KEY, "X-MAGICBELL-API-SECRET": API_SECRET}
    recipients = [{"external_id": f"user-{number}"} for number in range(EVENTS_A_REQUEST)]
    body = {"notification": {"title": "An event", "recipients": recipients}}

    def send() -> None:
        with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
            while not ended.wait(EVENTS_A_REQUEST / EVENTS_A_SECOND):
                client.post("/notifications", json=body).raise_for_status()

    thread = threading.Thread(target=send, name="events")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def sign_in(page: Page, url: str) -> None:
    """Sign in, and wait for the first screen."""
    page.add_init_script(OBSERVE)
    page.goto(f"{url}/admin/")
    page.get_by_label("Email", exact=True).fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("#main h1")).to_be_visible()


def main(users: int = USERS, events: int = EVENTS) -> None:
    """Measure all actions, and print a table."""
    target = GatewayTarget(Cores.divide(), INBOX_PROJECT_EVENTS=str(KEPT.events))
    url = f"http://{target.host}:{target.port}"
    try:
        asyncio.run(prepared(target, users, events))
        with running_chromium() as browser, browser.new_context(viewport={"width": 1280, "height": 800}) as context:
            page = context.new_page()
            sign_in(page, url)
            for action in QUIET * REPEATED:
                action.measure(page)
            with events_flow(url):
                for action in BUSY * REPEATED:
                    action.measure(page)
    finally:
        asyncio.run(target.stop())
    lines = [
        f"{users} users, {events} events, {REPEATED} times each; milliseconds",
        f"{'':32} {'paint':>8} {'longest':>8} {'shown':>8} {'longest':>8}",
        *(action.row() for action in (*QUIET, *BUSY)),
    ]
    print("\n".join(lines))  # noqa: T201 # the result


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
