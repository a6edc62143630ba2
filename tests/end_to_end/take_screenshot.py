"""Create the screenshot of the demo in the README: `.venv/bin/python -m tests.end_to_end.take_screenshot`.

It starts a gateway and a browser of its own, uses the page for some seconds, and writes docs/demo.png.
"""

import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.chromium import running_chromium
from tests.end_to_end.demo_page import running_demo

PICTURE = Path(__file__).parents[2] / "docs" / "demo.png"


def use(page: Page) -> None:
    """Send the examples of the page, and open the inbox on two devices."""
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


def main() -> None:
    """Write the screenshot."""
    with (
        tempfile.TemporaryDirectory() as directory,
        running_demo(Path(directory) / "data") as demo,
        running_chromium() as browser,
        browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce") as context,
    ):
        page = context.new_page()
        page.goto(demo.address)
        use(page)
        page.screenshot(path=PICTURE, animations="disabled")
    print(f"{PICTURE}: {PICTURE.stat().st_size // 1024} KB")  # noqa: T201


if __name__ == "__main__":
    main()
