"""The pictures of the dashboard in the documentation: the screens of a shop's project.

They are in the light theme; the overview is in the dark one as well.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.dashboard.dashboard import Dashboard, sign_in_on
from tests.browser.dashboard.instance import OWNER, Instance
from tests.end_to_end.northwind import SHOWN, running_northwind
from tests.servers import wait_for

DEVICE: dict[str, Any] = {
    "viewport": {"width": 1440, "height": 900},
    "color_scheme": "light",
    "reduced_motion": "reduce",
}
NEWEST = 4
"""The minutes in which the data was made: the charts show the ones before in their place."""

Save = Callable[[Page, str], None]


def take_dashboard(browser: Browser, directory: Path, save: Save) -> None:
    """Take the pictures: `save` writes what a page shows under a name."""
    directory.mkdir()
    with running_northwind(directory) as shop, browser.new_context(**DEVICE) as context:
        page = sign_in_on(context, shop, OWNER)
        page.page.route("**/v2/usage/minutes?*", _steady)
        page.open("overview")
        save(page.page, "dashboard-overview.png")
        page.page.emulate_media(color_scheme="dark")
        save(page.page, "dashboard-overview-dark.png")
        page.page.emulate_media(color_scheme="light")
        _ask(page, shop)
        save(page.page, "dashboard-trace.png")
        _write(page)
        save(page.page, "dashboard-compose.png")
        for screen in ("users", "channels"):
            page.open(screen)
            save(page.page, f"dashboard-{screen}.png")
        page.goto("settings/audit")
        save(page.page, "dashboard-audit.png")


def _ask(page: Dashboard, shop: Instance) -> None:
    """Ask why a notification is not in an inbox."""
    query = f"/v2/events?type=notification.suppressed&user=external_id:{SHOWN}"
    wait_for(lambda: shop.request("GET", query).json()["data"], "the event", 60)
    event = shop.request("GET", query).json()["data"][0]
    page.open("deliveries", user=f"external_id:{SHOWN}", notification=event["context"]["notification_id"])
    expect(page.main.get_by_label("Verdict")).to_contain_text("switched the inbox off")


def _write(page: Dashboard) -> None:
    """Write a notification to everyone, up to the count of its audience."""
    page.open("compose")
    page.main.get_by_text("Everyone", exact=True).click()
    page.field("Title").fill("Free returns until 31 January")
    page.main.get_by_label("Text").first.fill("Buy presents now, and decide later. Returns cost nothing until then.")
    page.main.get_by_label("Link").first.fill("https://northwind.example/returns")
    page.main.get_by_label("Category").first.fill("offers")
    expect(page.main.get_by_role("button", name="Send to 2,000 people")).to_be_visible()
    page.wait()


def _steady(route: Route) -> None:
    """Show the minutes before in the place of those in which all data was made at once."""
    response = route.fetch()
    body = response.json()
    for name in ("stored", "sends", "deliveries", "connections"):
        values = body["series"][name]
        values[-NEWEST:] = values[-2 * NEWEST : -NEWEST]
    route.fulfill(response=response, json=body)
