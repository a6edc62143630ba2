"""The browser of tests: Debian's Chromium, driven by Playwright."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, BrowserType, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

PATIENCE_MS = 20_000
"""The time limit of an expectation.

Clients wait for some seconds before they reconnect, and shared machines are slow.
"""

expect.set_options(timeout=PATIENCE_MS)


def launch(chromium: BrowserType, back_forward_cache: bool = False) -> Browser:
    """Start a browser. Playwright switches the back-forward cache off, unless it is asked for."""
    left_out = ["--disable-back-forward-cache"] if back_forward_cache else None
    return chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS, ignore_default_args=left_out)


@contextlib.contextmanager
def running_chromium() -> Iterator[Browser]:
    """Run a browser for a block."""
    with sync_playwright() as playwright, launch(playwright.chromium) as browser:
        yield browser
