"""The dashboard's main path in Firefox: sign in, find a user, write and send, and the trace."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.browser.dashboard.instance import EDITOR, PASSWORD, Instance, running_instance
from tests.browser.engines.engine import ENTER, Engine, click, press
from tests.browser.engines.firefox import running_firefox
from tests.servers import wait_for

SECONDS = 60.0

PLACE = """((selector, name, within) => {
    const root = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document;
    const nameOf = (each) => each.ariaLabel || (each.labels?.[0] ?? each).textContent;
    const isThere = (each) => !each.disabled && each.checkVisibility();
    const isNamed = (each) => nameOf(each).trim().startsWith(name);
    const isWithin = (each) => (each.closest("tr") ?? each).textContent.includes(within);
    const all = [...root.querySelectorAll(selector)];
    const found = all.find((each) => isThere(each) && isNamed(each) && isWithin(each));
    if (!found) return null;
    found.scrollIntoView({ block: "center" });
    const { x, y, width, height } = found.getBoundingClientRect();
    return [x + width / 2, y + height / 2];
})"""

SETUP = """(() => {
    globalThis.violations = [];
    addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
    return true;
})()"""


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Yield a gateway with a dashboard."""
    with running_instance(tmp_path_factory.mktemp("d")) as started:
        yield started


@dataclass(frozen=True)
class RemoteDashboard:
    """The dashboard on the page of a browser."""

    engine: Engine

    def place(self, selector: str, name: str, within: str = "") -> tuple[float, float] | None:
        """Return where an element is, by the beginning of its name and a text of its row, or None while it moves."""
        expression = f"{PLACE}({json.dumps(selector)}, {json.dumps(name)}, {json.dumps(within)})"
        found = self.engine.evaluate(expression)
        return found if found == self.engine.evaluate(expression) else None

    def click(self, selector: str, name: str, within: str = "") -> None:
        """Click on an element as soon as it is there."""
        x, y = wait_for(lambda: self.place(selector, name, within), f"{selector} {name!r}", SECONDS)
        click(self.engine, x, y)

    def fill(self, label: str, text: str) -> None:
        """Type a text into a field, once a click has given it the focus: while a page is laid out, fields move."""
        focused = f"(document.activeElement.labels?.[0].textContent ?? '').trim().startsWith({json.dumps(label)})"

        def focus() -> bool:
            self.click("input, textarea", label)
            return bool(self.engine.evaluate(focused))

        wait_for(focus, f"the focus in {label!r}", SECONDS)
        steps = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self.engine.act([{"type": "key", "id": "keyboard", "actions": steps}])

    def wait_for_heading(self, text: str) -> None:
        """Wait until the page has a title."""
        title = "document.querySelector('h1')?.textContent ?? ''"
        try:
            wait_for(lambda: self.engine.evaluate(title) == text, f"the heading {text!r}", SECONDS)
        except AssertionError:
            assert self.engine.evaluate("document.body.innerText") == text
            raise

    def wait_for_text(self, text: str) -> None:
        """Wait until the page has a text."""
        shown = f"document.body.innerText.includes({json.dumps(text)})"
        wait_for(lambda: self.engine.evaluate(shown), repr(text), SECONDS)


def test_somebody_signs_in_finds_a_user_sends_and_reads_the_trace(instance: Instance, tmp_path: Path) -> None:
    with running_firefox(tmp_path) as engine:
        page = RemoteDashboard(engine)
        engine.open(f"{instance.url}projects/{instance.project_id}/users")
        engine.evaluate(SETUP)
        page.wait_for_heading("Sign in")
        page.fill("Email", f"{EDITOR}@example.com")
        page.fill("Password", PASSWORD)
        press(engine, ENTER)
        page.wait_for_heading("Users")
        page.fill("Search users", "hopper")
        page.click("tbody a", "Grace Hopper")
        page.wait_for_heading("Grace Hopper")

        press(engine, "g")
        press(engine, "c")
        page.wait_for_heading("Compose")
        page.fill("External ids and emails", "grace")
        page.fill("Title", "Sent by Firefox")
        page.click("button", "Send to 1 person")
        page.wait_for_text("goes out by")
        page.click("button", "Send to 1 person")
        page.wait_for_heading("Sent")
        page.click("a", "Open the broadcast")
        page.click("a", "Open the notification")
        page.click("[role=tab]", "Recipients")
        page.click("a", "Why?", "grace")
        page.wait_for_heading("Did Grace Hopper get “Sent by Firefox”?")
        page.wait_for_text("Grace has it in the inbox")
        assert engine.evaluate("violations") == [], "no page was loaded since the first one"
