"""The bell's main path in Firefox and WebKit, on a page of another origin under a strict policy."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.browser.engines.engine import ESCAPE, Engine, click, press
from tests.browser.engines.firefox import running_firefox
from tests.browser.engines.webkit import running_webkit
from tests.browser.site import Site
from tests.servers import wait_for

ENGINES: dict[str, Callable[[Path], AbstractContextManager[Engine]]] = {
    "firefox": running_firefox,
    "webkit": running_webkit,
}
SECONDS = 60.0

SHOWN = """(() => {
    const { shadowRoot: root } = document.querySelector("inbox-bell");
    const place = (element) => {
        const { x, y, width, height } = element.getBoundingClientRect();
        return [x + width / 2, y + height / 2];
    };
    const button = root.querySelector("button");
    const panel = root.querySelector("[role=dialog]");
    const rows = [...panel.querySelectorAll("article")];
    return {
        name: button.ariaLabel, button: place(button), open: panel.matches(":popover-open"),
        titles: rows.map((row) => row.querySelector("a").textContent), rows: rows.map(place),
        bold: panel.querySelectorAll("article b").length,
    };
})()"""


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Yield a browser of another engine than Chromium's."""
    with ENGINES[request.param](tmp_path) as started:
        yield started


@dataclass(frozen=True)
class RemoteBell:
    """The bell on the page of a browser."""

    engine: Engine

    def shown(self) -> dict[str, Any]:
        """Return what the bell shows, and where."""
        found: dict[str, Any] = self.engine.evaluate(SHOWN)
        return found

    def wait_for(self, **expected: Any) -> dict[str, Any]:
        """Wait until the bell shows this, and return all that it shows."""

        def found() -> dict[str, Any] | None:
            shown = self.shown()
            # The same places twice, or a click would miss a row that moves.
            return shown if expected.items() <= shown.items() and shown == self.shown() else None

        try:
            shown: dict[str, Any] = wait_for(found, "the bell", SECONDS)
        except AssertionError:
            assert self.shown() == expected
            raise
        return shown


def test_the_bell_delivers_reads_and_resumes_under_a_strict_policy(engine: Engine, site: Site, user: str) -> None:
    site.pages.reports.clear()
    site.send("First", user, content="<b>Bold</b> and <i>more</i>", action_url="#opened")
    engine.open(site.page(site.element(user), strict=True))
    bell = RemoteBell(engine)
    click(engine, *bell.wait_for(name="Notifications, 1 unread")["button"])
    bell.wait_for(open=True, titles=["First"])
    site.send("Second", user)
    bell.wait_for(name="Notifications, 2 unread", titles=["Second", "First"], bold=1)

    def is_read() -> bool:
        click(engine, *bell.shown()["rows"][1])  # again if it missed: the rows move while the new one comes in
        return bool(bell.shown()["name"] == "Notifications, 1 unread")

    wait_for(is_read, "a click on the second row", SECONDS)
    wait_for(lambda: site.inbox(user)["unread_count"] == 1, "the notification to be read")
    assert engine.evaluate("location.hash") == "#opened"

    site.network.cut()
    site.send("Third", user)
    site.network.restore()
    bell.wait_for(name="Notifications, 2 unread", titles=["Third", "Second", "First"])
    press(engine, ESCAPE)
    bell.wait_for(open=False)
    assert engine.evaluate("violations") == []
    assert site.pages.reports == []
