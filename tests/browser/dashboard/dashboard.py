"""The dashboard on a page, as people find it."""

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, Response, expect

from tests.browser.chromium import PATIENCE_MS
from tests.browser.console import Messages
from tests.browser.dashboard.instance import Instance

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}

VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
    violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""

LOADING = "#main .skeleton, #main [aria-busy=true]"


class Dashboard:
    """A page of the dashboard of somebody who is signed in, or of nobody.

    `errors` has what the page logged as an error or a warning, `refused` the responses of the gateway from 400 on,
    `requests` and `responses` all calls of operations. A test that causes errors on purpose removes them.
    """

    def __init__(self, page: Page, instance: Instance):
        self.page = page
        self.instance = instance
        self.errors = Messages()
        self.refused = Messages()
        self.requests: list[str] = []
        self.responses: list[Response] = []
        self._pending: set[Request] = set()
        page.add_init_script(VIOLATIONS)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._on_request)
        page.on("response", self._on_response)
        page.on("requestfinished", self._on_end)
        page.on("requestfailed", self._on_end)

    # ---- where one is

    def goto(self, path: str = "", **query: str) -> None:
        """Load an address below `/admin/`, and wait until nothing is loading."""
        self.page.goto(self.instance.url + path + (f"?{urlencode(query)}" if query else ""))
        self.wait()

    def open(self, screen: str, **query: str) -> None:
        """Load a screen of the project, such as `users` or `users/ID`, and wait for what it shows."""
        self.goto(f"projects/{self.instance.project_id}/{screen}", **query)

    def follow(self, name: str) -> None:
        """Choose a screen in the sidebar by its title, and wait for what it shows."""
        self.page.get_by_role("link", name=name, exact=True).first.click()
        expect(self.heading(name)).to_be_visible()
        self.wait()

    def wait(self) -> None:
        """Wait until the page has a heading, no request is running, and nothing stands in for what is loading."""
        expect(self.page.get_by_role("heading", level=1).first).to_be_visible()
        quiet = 0
        deadline = self._now() + PATIENCE_MS
        while quiet < 2:
            assert self._now() < deadline, f"still loading: {[request.url for request in self._pending]}"
            # Two frames, in which a response becomes visible, and the next requests begin.
            self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            quiet = 0 if self._pending or self.page.locator(LOADING).count() else quiet + 1

    # ---- what is there

    def heading(self, title: str) -> Locator:
        """Return the title of the screen."""
        return self.page.get_by_role("heading", level=1, name=title)

    @property
    def main(self) -> Locator:
        """The screen, without the sidebar and the bar at the top."""
        return self.page.locator("#main")

    @property
    def drawer(self) -> Locator:
        """The open drawer or dialog."""
        return self.page.locator("dialog[open]")

    def button(self, name: str) -> Locator:
        """Return a button by its exact name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def field(self, label: str) -> Locator:
        """Return a field by its label."""
        return self.page.get_by_label(label, exact=True)

    def toast(self, text: str) -> Locator:
        """Return a message at the edge of the page."""
        return self.page.locator(".toasts").get_by_text(text)

    def violations(self) -> list[str]:
        """Return what the content security policy has refused on this page."""
        return list(self.page.evaluate("window.violations ?? []"))

    # ---- what happens

    def _now(self) -> float:
        return float(self.page.evaluate("Date.now()"))

    def _on_console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def _on_request(self, request: Request) -> None:
        if request.url.startswith(f"{self.instance.url}api/"):
            self.requests.append(f"{request.method} {request.url.removeprefix(self.instance.url)}")
            self._pending.add(request)

    def _on_end(self, request: Request) -> None:
        self._pending.discard(request)

    def _on_response(self, response: Response) -> None:
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            self._pending.discard(response.request)
        elif response.url.startswith(f"{self.instance.url}api/"):
            self.responses.append(response)
        if response.status >= 400:
            self.refused.append(f"{response.status} {response.request.method} {response.url}")


@contextlib.contextmanager
def dashboard_of(
    browser: Browser, instance: Instance, role: str | None, device: dict[str, Any] = DESKTOP
) -> Iterator[Dashboard]:
    """Yield a page on a device of its own, with a session of a role or without one.

    Fail if the page has logged an error, was refused something, or has violated its policy.
    """
    with browser.new_context(**device) as context:
        found = sign_in_on(context, instance, role)
        yield found
        violations = [] if found.page.is_closed() else found.violations()
    problems = [*found.errors, *found.refused, *violations]
    assert not problems, "\n".join(problems)


def sign_in_on(context: BrowserContext, instance: Instance, role: str | None) -> Dashboard:
    """Return an empty page of a context, with a session of a role or without one."""
    if role is not None:
        context.add_cookies([instance.cookie(role)])  # type: ignore[list-item] # a cookie's type is not public
    return Dashboard(context.new_page(), instance)
