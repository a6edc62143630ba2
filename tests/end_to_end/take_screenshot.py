"""Create the screenshot of the demo page in the README: `.venv/bin/python -m tests.end_to_end.take_screenshot`.

It starts a gateway and a browser of its own, uses the page for some seconds, and writes docs/demo.png.
"""

import tempfile
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.chromium import running_chromium
from tests.end_to_end.demo_page import DemoPage, running_demo

PICTURE = Path(__file__).parents[2] / "docs" / "demo.png"


def use(inboxes: DemoPage) -> None:
    """Send the suggestions of the page, and read, archive and mark some of them as both people."""
    ada, grace = inboxes.users

    def send(*to: str) -> str:
        for name, user in zip(("Ada", "Grace"), inboxes.users, strict=True):
            inboxes.page.get_by_role("checkbox", name=name, exact=True).set_checked(user in to)
        title = inboxes.page.get_by_label("Title").input_value()
        inboxes.page.get_by_role("button", name="Send", exact=True).click()
        for panel in inboxes.panels(*to):
            expect(panel.item(title)).to_be_attached()
        return title

    send(ada, grace)
    send(grace)
    send(ada, grace)
    archived = send(ada, grace)
    inboxes.panel(ada, "websocket").do("read", archived)
    inboxes.panel(ada, "websocket").do("seen-all")
    inboxes.panel(ada, "sse").element.get_by_label("archived").check()
    inboxes.panel(ada, "sse").do("archive", archived)
    read = send(ada, grace)
    inboxes.panel(ada, "sse").do("read", read)
    inboxes.panel(grace, "websocket").do("seen-all")

    inboxes.panel(grace, "sse").do("cut")
    inboxes.panel(grace, "websocket").do("read", archived)
    inboxes.expect_live()
    send(ada, grace)
    for panel in inboxes.panels():
        panel.element.locator(".items").evaluate("(items) => items.scrollTo(0, 0)")
    inboxes.page.mouse.move(0, 0)


def main() -> None:
    """Write the screenshot."""
    with (
        tempfile.TemporaryDirectory() as directory,
        running_demo(Path(directory) / "data") as demo,
        running_chromium() as browser,
        browser.new_context(viewport={"width": 1400, "height": 900}, color_scheme="light") as context,
    ):
        page = context.new_page()
        page.add_init_script("Math.random = () => 0.8")  # always start with the same suggestion
        inboxes = DemoPage(page, demo)
        inboxes.open()
        use(inboxes)
        page.screenshot(path=PICTURE, full_page=True, animations="disabled")
    print(f"{PICTURE}: {PICTURE.stat().st_size // 1024} KB")  # noqa: T201


if __name__ == "__main__":
    main()
