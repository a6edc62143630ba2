"""Pictures of the states of the bell and of the screens of the dashboard, light and dark, on a desktop and a phone.

A run of the tests with `PICTURES=1`, as `make browsers` does, writes them to
`build/screenshots/STATE-SCHEME-DEVICE.png`. Other runs reach the same states without pictures.
`.venv/bin/python -m tests.browser.gallery` puts those of the last run on sheets: `build/screenshots/index.html`, and
`sheet-N.png` with some states each.
"""

import html
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Page, Route

from tests.browser.bell import Bell
from tests.browser.chromium import running_chromium

PICTURES = Path(__file__).parents[2] / "build" / "screenshots"
SCHEMES: Sequence[Literal["light", "dark"]] = ("light", "dark")
DEVICES: Mapping[str, Mapping[str, Any]] = {
    "desktop": {"viewport": {"width": 760, "height": 680}},
    "phone": {
        "viewport": {"width": 390, "height": 680},
        "device_scale_factor": 2,
        "has_touch": True,
        "is_mobile": True,
    },
}
STATES_A_SHEET = 4

SHEET_STYLE = """
body { margin: 0; padding: 8px; background: #777; font: 600 16px/24px sans-serif; color: #fff; width: max-content; }
section { display: flex; gap: 8px; margin-block-end: 8px; }
img { height: 440px; }
h2 { font: inherit; margin: 0; }
"""


@dataclass(frozen=True)
class Gallery:
    """The same bell on pages of several devices."""

    pages: Mapping[str, Page]

    @property
    def bells(self) -> list[Bell]:
        """The bells on the pages."""
        return [Bell(page) for page in self.pages.values()]

    def goto(self, address: str) -> None:
        """Open a page on all devices."""
        for page in self.pages.values():
            page.goto(address)

    def route(self, pattern: str, handler: Callable[[Route], object]) -> None:
        """Handle requests of all devices, as `Page.route` does."""
        for page in self.pages.values():
            page.route(pattern, handler)

    def reroute(self, pattern: str, handler: Callable[[Route], object]) -> None:
        """Handle these requests in another way than before."""
        for page in self.pages.values():
            page.unroute(pattern)
            page.route(pattern, handler)

    def take(self, state: str) -> None:
        """Take the pictures of a state, if they are wanted."""
        for device, page in self.pages.items():
            take(page, state, device)


def take(page: Page, state: str, device: str) -> None:
    """Take the pictures of a page in both color schemes, if they are wanted."""
    if not os.environ.get("PICTURES"):
        return
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=PICTURES / f"{state}-{scheme}-{device}.png", animations="disabled")


def sheet(states: Sequence[str]) -> str:
    """Return a page with the pictures of some states."""
    rows = []
    for state in states:
        names = [f"{state}-{scheme}-{device}.png" for device in DEVICES for scheme in SCHEMES]
        pictures = "".join(f'<img src="{html.escape(name)}" alt="">' for name in names if (PICTURES / name).exists())
        rows.append(f"<h2>{html.escape(state)}</h2><section>{pictures}</section>")
    return f'<!doctype html><meta charset="utf-8"><style>{SHEET_STYLE}</style>{"".join(rows)}'


def main() -> None:
    """Write the sheets."""
    taken = {
        path.name.removesuffix("-light-desktop.png"): path.stat().st_mtime
        for path in PICTURES.glob("*-light-desktop.png")
    }
    states = sorted(taken, key=lambda state: taken[state])
    (PICTURES / "index.html").write_text(sheet(states))
    for old in PICTURES.glob("sheet-*.png"):
        old.unlink()
    with running_chromium() as browser, browser.new_context(viewport={"width": 400, "height": 400}) as context:
        page = context.new_page()
        for start in range(0, len(states), STATES_A_SHEET):
            (PICTURES / "sheet.html").write_text(sheet(states[start : start + STATES_A_SHEET]))
            page.goto((PICTURES / "sheet.html").as_uri())
            page.locator("body").screenshot(path=PICTURES / f"sheet-{start // STATES_A_SHEET + 1}.png")
    (PICTURES / "sheet.html").unlink(missing_ok=True)
    print(f"{len(states)} states: {PICTURES / 'index.html'}")  # noqa: T201


if __name__ == "__main__":
    main()
