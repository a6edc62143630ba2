"""The browser of tests: Debian's Chromium, driven by Playwright."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect, sync_playwright

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


@contextlib.contextmanager
def running_chromium() -> Iterator[Browser]:
    """Run a browser for a block."""
    options: Any = {"executable_path": CHROMIUM, "args": _ARGUMENTS}
    with sync_playwright() as playwright, playwright.chromium.launch(**options) as browser:
        yield browser
