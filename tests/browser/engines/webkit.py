"""WebKitGTK's MiniBrowser on a virtual display, driven by WebDriver."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers import free_port, wait_for

START_SECONDS = 30


class WebKit:
    """A MiniBrowser with one page."""

    def __init__(self, http: httpx.Client, browser: Path):
        options = {"binary": str(browser), "args": ["--automation"]}
        self._http = http
        self._session = ""
        capabilities = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
        self._session = "/" + self._send("POST", "/session", capabilities=capabilities)["sessionId"]
        self._send("POST", "/window/rect", width=800, height=700)

    def open(self, url: str) -> None:
        """Open a page, and wait until it is loaded."""
        self._send("POST", "/url", url=url)

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript, by JSON."""
        found = self._send("POST", "/execute/sync", script=f"return JSON.stringify({expression})", args=[])
        return json.loads(found)

    def act(self, actions: Sequence[dict[str, Any]]) -> None:
        """Perform actions of WebDriver."""
        self._send("POST", "/actions", actions=actions)

    def screenshot(self) -> bytes:
        """Return what the page shows, as PNG."""
        return base64.b64decode(self._send("GET", "/screenshot"))

    def end(self) -> None:
        """Close the browser."""
        self._send("DELETE", "")

    def _send(self, method: str, path: str, **parameters: Any) -> Any:
        address = f"/session{self._session}{path}" if self._session else path
        response = self._http.request(method, address, json=parameters if method == "POST" else None)
        assert response.status_code == 200, response.text
        return response.json()["value"]


def installed_browser() -> Path:
    """Return the path of the MiniBrowser. Skips the test if it, its driver or the virtual display is missing."""
    found = next(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"), None)
    if found is None or shutil.which("WebKitWebDriver") is None or shutil.which("Xvfb") is None:
        pytest.skip("WebKitGTK is not installed: `apt-get install webkit2gtk-driver xvfb`")
    return found


@contextlib.contextmanager
def running_display(directory: Path) -> Iterator[str]:
    """Run a virtual display for a block, and yield its name. Skips the test if it is not installed."""
    reading, writing = os.pipe()
    command = ("Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x900x24", "-nolisten", "tcp")
    with (directory / "display.log").open("wb") as log:
        process = subprocess.Popen(command, pass_fds=(writing,), stdout=log, stderr=log)
    os.close(writing)
    try:
        with os.fdopen(reading) as chosen:
            yield f":{chosen.readline().strip()}"
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def running_webkit(directory: Path) -> Iterator[WebKit]:
    """Run a MiniBrowser for a block, with its data in a directory."""
    browser, port = installed_browser(), free_port()
    with running_display(directory) as display, (directory / "log").open("wb") as log:
        environment = {
            **os.environ,
            "DISPLAY": display,
            "GDK_BACKEND": "x11",
            "HOME": str(directory),
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "WEBKIT_DISABLE_COMPOSITING_MODE": "1",
        }
        command = ("WebKitWebDriver", f"--port={port}")
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
                wait_for(lambda: _answers(http), "the driver", START_SECONDS)
                engine = WebKit(http, browser)
                try:
                    yield engine
                finally:
                    engine.end()
        finally:
            process.terminate()
            process.wait(20)


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("/status").status_code == 200
    except httpx.TransportError:
        return False
