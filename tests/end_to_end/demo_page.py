"""The demo page as a person uses it: a gateway without any settings, and the page."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Locator, Page, expect

from tests.browser.chromium import PATIENCE_MS
from tests.servers import Gateway, running_gateway, user_hmac, wait_for

TRANSPORTS = ("websocket", "sse")


@dataclass(frozen=True)
class Demo:
    """A gateway without any settings, and the keys of its demo project."""

    gateway: Gateway
    api_key: str
    api_secret: str

    @property
    def address(self) -> str:
        """The printed address of the demo page."""
        return f"{self.gateway.url}/demo"

    def send(self, title: str, *users: str, **fields: str) -> None:
        """Send a notification as a backend."""
        recipients = [{"external_id": user} for user in users]
        body = {"notification": {"title": title, "recipients": recipients, **fields}}
        headers = {"X-MAGICBELL-API-KEY": self.api_key, "X-MAGICBELL-API-SECRET": self.api_secret}
        httpx.post(f"{self.gateway.url}/notifications", headers=headers, json=body, timeout=10).raise_for_status()

    def inbox(self, user: str) -> dict[str, Any]:
        """Return the expected content of a user's panel by the REST API: unarchived items, counts, and the position."""
        headers = {
            "X-MAGICBELL-API-KEY": self.api_key,
            "X-MAGICBELL-USER-EXTERNAL-ID": user,
            "X-MAGICBELL-USER-HMAC": user_hmac(user, self.api_secret),
        }
        query = {"archived": "false", "per_page": "100"}
        response = httpx.get(f"{self.gateway.url}/notifications", headers=headers, params=query, timeout=10)
        page = response.raise_for_status().json()
        return {
            "items": [
                {"title": item["title"], "read": item["read_at"] is not None, "seen": item["seen_at"] is not None}
                for item in page["notifications"]
            ],
            "unread": page["unread_count"],
            "unseen": page["unseen_count"],
            "position": response.headers["X-Inbox-Position"],
        }


@contextlib.contextmanager
def running_demo(data_dir: Path, **environment: str) -> Iterator[Demo]:
    """Run a gateway without any other settings for a block."""
    unset = {"INBOX_BOOTSTRAP_API_KEY": "", "INBOX_BOOTSTRAP_API_SECRET": ""}
    with running_gateway(data_dir, **unset, **environment) as gateway:
        wait_for(lambda: "Send one" in gateway.log, "the first steps")
        assert ("Demo page   " in gateway.log) == (environment.get("INBOX_DEMO") != "off")
        keys = json.loads((data_dir / "demo-project.json").read_text())
        yield Demo(gateway, keys["api_key"], keys["api_secret"])


@dataclass(frozen=True)
class Panel:
    """An inbox on the page."""

    element: Locator

    def item(self, title: str) -> Locator:
        """Return the row of the notification with a title."""
        return self.element.locator(".item").filter(has=self.element.page.get_by_role("heading", name=title))

    def do(self, action: str, title: str | None = None) -> None:
        """Click a button of the item with a title, or of the panel."""
        within = self.element if title is None else self.item(title)
        within.locator(f'[data-action="{action}"]').click()

    def shown(self) -> dict[str, Any]:
        """Return the content of the panel, in the form of `Demo.inbox`."""
        shown: dict[str, Any] = self.element.evaluate(
            """(panel) => {
                const text = (id) => panel.querySelector(`[data-testid="${id}"]`).textContent;
                return {
                    items: Array.from(panel.querySelectorAll(".item"), ({ dataset, children }) => ({
                        title: children[0].textContent,
                        read: dataset.read === "true",
                        seen: dataset.seen === "true",
                    })),
                    unread: Number(text("unread-count")),
                    unseen: Number(text("unseen-count")),
                    position: text("position"),
                };
            }"""
        )
        return shown

    def expect_shown(self, inbox: dict[str, Any]) -> None:
        """Wait until the panel shows exactly this inbox."""
        with contextlib.suppress(AssertionError):
            wait_for(lambda: self.shown() == inbox, "the panel", PATIENCE_MS / 1000)
        assert self.shown() == inbox

    def expect_state(self, state: str) -> None:
        """Wait until the connection is in a state."""
        expect(self.element).to_have_attribute("data-state", state)

    def expect_titles(self, *titles: str) -> None:
        """Wait until exactly these notifications are shown, in this order."""
        expect(self.element.locator(".item h4")).to_have_text(list(titles))

    def expect_badges(self, unread: int, unseen: int) -> None:
        """Wait until the badges show these counts."""
        expect(self.element.get_by_test_id("unread-count")).to_have_text(str(unread))
        expect(self.element.get_by_test_id("unseen-count")).to_have_text(str(unseen))


@dataclass(frozen=True)
class DemoPage:
    """The page of the protocol in a browser, with the inboxes of two people."""

    page: Page
    demo: Demo

    def open(self) -> None:
        """Open the page, and wait until all inboxes are live."""
        self.page.goto(f"{self.demo.address}/protocol")
        self.expect_live()

    @property
    def users(self) -> tuple[str, str]:
        """The external ids of Ada and Grace, who belong to this browser alone."""
        ada, grace = self.page.locator(".person-id").all_inner_texts()
        return ada, grace

    def panel(self, user: str, transport: str) -> Panel:
        """Return one of the four inboxes."""
        return Panel(self.page.locator(f'[data-user="{user}"][data-transport="{transport}"]'))

    def panels(self, *users: str) -> list[Panel]:
        """Return both inboxes of each of these users, by default of all users."""
        return [self.panel(user, transport) for user in users or self.users for transport in TRANSPORTS]

    def send(self, *, to: tuple[str, ...] = (), **fields: str) -> None:
        """Fill in the form, and send it to some people, by default to all."""
        for name, user in zip(("Ada", "Grace"), self.users, strict=True):
            self.page.get_by_role("checkbox", name=name, exact=True).set_checked(not to or user in to)
        for name, value in ({"content": "", "category": "", "action_url": ""} | fields).items():
            self.page.locator(f'#send [name="{name}"]').fill(value)
        self.page.get_by_role("button", name="Send", exact=True).click()

    def expect_live(self) -> None:
        """Wait until every inbox is connected."""
        expect(self.page.locator('.panel[data-state="live"]')).to_have_count(4)

    def expect_exact(self) -> None:
        """Wait until every inbox shows exactly what the REST API returns."""
        for user in self.users:
            inbox = self.demo.inbox(user)
            for panel in self.panels(user):
                panel.expect_shown(inbox)
