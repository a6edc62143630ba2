"""Create the pictures in the documentation: `.venv/bin/python -m tests.end_to_end.take_pictures`.

It starts gateways and a browser of its own, uses the demo, the bell and the dashboard as people do, and writes
docs/images/*.png. In the pictures of the bell, notifications have ages, because all of them were sent just now. The
argument `dashboard` takes those of the dashboard alone.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

import httpx
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.bell import Bell
from tests.browser.chromium import running_chromium
from tests.browser.page_server import PageServer, running_page_server
from tests.end_to_end.dashboard_pictures import take_dashboard
from tests.end_to_end.demo_page import Demo, running_demo
from tests.end_to_end.palette_png import with_palette
from tests.servers import user_hmac

DOCS = Path(__file__).parents[2] / "docs" / "images"

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR

NOTIFICATIONS: list[tuple[int, dict[str, Any]]] = [
    (
        2 * MINUTE,
        {"title": "Payment failed", "content": "Your card was declined.", "category": "billing"},
    ),
    (
        18 * MINUTE,
        {
            "title": "Grace Hopper wants to join “Compilers”",
            "content": "“I would like to fix the build before the release.”",
            "category": "access",
            "custom_attributes": {"actions": [{"label": "Approve", "url": "#yes"}, {"label": "Decline", "url": "#no"}]},
        },
    ),
    (
        HOUR,
        {
            "title": "Order 1043 has shipped",
            "content": "It should arrive on <b>Thursday</b>. <a href='https://example.com/'>Track the parcel</a>.",
            "category": "orders",
        },
    ),
    (5 * HOUR, {"title": "Backup finished", "content": "12.4 GB in 3 minutes.", "category": "system"}),
    (
        DAY,
        {
            "title": "Your invoice for October is ready",
            "content": "€ 42.00, due on 14 November.",
            "category": "billing",
        },
    ),
    (
        3 * DAY,
        {"title": "Alan Turing commented on “Release 2.0”", "content": "Looks good.", "category": "comments"},
    ),
    (4 * DAY, {"title": "Welcome to Shop", "content": "Here is how to get the most out of it."}),
]
READ = 4
"""How many of the last ones are read."""

STYLE = """
:root { color-scheme: light dark; background: light-dark(#fcfcfd, #111113); font: 14px/20px system-ui, sans-serif; }
body { margin: 0; color: light-dark(#1c2024, #edeef0); }
header { display: flex; align-items: center; justify-content: space-between; padding: 8px 16px;
  border-block-end: 1px solid light-dark(#e8e8ec, #2e3135); }
main { padding: 16px; }
h1 { font-size: 20px; line-height: 28px; margin: 0 0 4px; }
p { margin: 0; opacity: .7; }
"""


def user_headers(demo: Demo, user: str) -> dict[str, str]:
    """Return the headers of a user's requests."""
    signature = user_hmac(user, demo.api_secret)
    names = {"API-KEY": demo.api_key, "USER-EXTERNAL-ID": user, "USER-HMAC": signature}
    return {f"X-MAGICBELL-{name}": value for name, value in names.items()}


def send_samples(demo: Demo, user: str) -> None:
    """Send the notifications, and read the oldest."""
    for number, (_, fields) in enumerate(reversed(NOTIFICATIONS)):
        if number == READ:
            url = f"{demo.gateway.url}/notifications/read"
            httpx.post(url, headers=user_headers(demo, user), timeout=10).raise_for_status()
        demo.send(fields["title"], user, **{name: value for name, value in fields.items() if name != "title"})


def age(route: Route) -> None:
    """Respond with notifications that have the ages of the samples."""
    response = route.fetch()
    page = response.json()
    ages = {fields["title"]: seconds for seconds, fields in NOTIFICATIONS}
    for item in page["notifications"]:
        item["sent_at"] = int(time.time()) - ages[item["title"]]
    route.fulfill(response=response, json=page)


def bell_page(demo: Demo, pages: PageServer, user: str) -> str:
    """Add a page of a shop with a bell. Return its address."""
    signature = user_hmac(user, demo.api_secret)
    element = f'<inbox-bell api-key="{demo.api_key}" user-external-id="{user}" user-hmac="{signature}"></inbox-bell>'
    pages.add("/style.css", STYLE, "text/css")
    return pages.add_page(
        f"<header><strong>Shop</strong>{element}</header><main><h1>Orders</h1><p>Three are on their way.</p></main>",
        head='<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/style.css">'
        f'<script type="module" src="{demo.gateway.url}/inbox-bell.js"></script>',
    )


def save(page: Page, name: str) -> None:
    """Write a picture of what the page shows."""
    path = DOCS / name
    path.write_bytes(with_palette(page, page.screenshot(animations="disabled")))
    print(f"{path}: {path.stat().st_size // 1024} KB")  # noqa: T201


def take_bell(browser: Browser, address: str, name: str, scheme: Literal["light", "dark"], **device: Any) -> None:
    """Take a picture of the open bell."""
    with browser.new_context(color_scheme=scheme, reduced_motion="reduce", **device) as context:
        page = context.new_page()
        page.route("**/notifications?*", age)
        page.goto(address)
        bell = Bell(page)
        bell.open()
        expect(bell.items).to_have_count(len(NOTIFICATIONS))
        bell.expect_unread(len(NOTIFICATIONS) - READ)
        page.mouse.move(0, 0)
        expect(bell.panel.get_by_role("link", name="Track the parcel")).to_be_visible()
        save(page, name)


def take_demo(browser: Browser, demo: Demo) -> None:
    """Take a picture of the demo: send its examples, and open the inbox on two devices."""
    with browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce") as context:
        page = context.new_page()
        page.goto(demo.address)
        expect(page.locator(".all")).to_have_text("4 of 4 devices live")
        for example in ("HTML", "Build failed", "Order shipped"):
            page.get_by_role("button", name=example, exact=True).click()
            page.get_by_role("button", name="Send", exact=True).click()
            expect(page.locator(f'.strip li:has-text("{page.get_by_label("Title").input_value()}")')).to_have_count(2)
        for device in ("ada-laptop", "ada-phone"):
            screen = page.frame_locator(f'[data-device="{device}"] iframe')
            screen.get_by_role("button", name="Notifications,").click()
            expect(screen.get_by_role("article")).to_have_count(5)
        page.mouse.move(0, 0)
        save(page, "demo.png")


def main() -> None:
    """Write the pictures."""
    with (
        tempfile.TemporaryDirectory() as directory,
        running_demo(Path(directory) / "data") as demo,
        running_page_server() as pages,
        running_chromium() as browser,
    ):
        if sys.argv[1:] == ["dashboard"]:
            take_dashboard(browser, Path(directory) / "shop", save)
            return
        take_demo(browser, demo)
        send_samples(demo, "grace-hopper")
        address = bell_page(demo, pages, "grace-hopper")
        desktop = {"viewport": {"width": 640, "height": 680}, "device_scale_factor": 1.5}
        take_bell(browser, address, "bell-light.png", "light", **desktop)
        take_bell(browser, address, "bell-dark.png", "dark", **desktop)
        phone = {"viewport": {"width": 360, "height": 680}, "has_touch": True, "is_mobile": True}
        take_bell(browser, address, "bell-phone.png", "light", device_scale_factor=2, **phone)
        take_bell(browser, address, "bell-phone-dark.png", "dark", device_scale_factor=2, **phone)
        take_dashboard(browser, Path(directory) / "shop", save)


if __name__ == "__main__":
    main()
