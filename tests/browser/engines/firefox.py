"""Debian's Firefox, driven by WebDriver BiDi, which it speaks without another program.

Playwright drives it too (channel `moz-firefox`), but Playwright 1.65 opens pages by a command that Firefox 153 ESR does
not know, `emulation.setMediaFeaturesOverride`.
"""

import base64
import contextlib
import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.servers import wait_for

PROGRAM = shutil.which("firefox-esr") or shutil.which("firefox") or ""
ANSWER_SECONDS = 30

PREFERENCES: dict[str, Any] = {
    "remote.active-protocols": 1,
    "network.proxy.type": 0,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,none",
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.push.connection.enabled": False,
    "toolkit.telemetry.enabled": False,
}
"""Those of a profile that reaches nothing but this machine, and asks the user nothing."""


class Firefox:
    """A Firefox with one page."""

    def __init__(self, connection: ClientConnection):
        self._connection = connection
        self._numbers = itertools.count(1)
        self._send("session.new", capabilities={})
        self._page = self._send("browsingContext.getTree")["contexts"][0]["context"]
        self._send("browsingContext.setViewport", context=self._page, viewport={"width": 800, "height": 700})

    def open(self, url: str) -> None:
        """Open a page, and wait until it is loaded."""
        self._send("browsingContext.navigate", context=self._page, url=url, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript, by JSON."""
        target = {"context": self._page}
        script = f"JSON.stringify({expression})"
        found = self._send("script.evaluate", expression=script, target=target, awaitPromise=True)
        assert found["type"] == "success", found
        return json.loads(found["result"]["value"])

    def act(self, actions: Sequence[dict[str, Any]]) -> None:
        """Perform actions of WebDriver."""
        self._send("input.performActions", context=self._page, actions=actions)

    def screenshot(self) -> bytes:
        """Return what the page shows, as PNG."""
        return base64.b64decode(self._send("browsingContext.captureScreenshot", context=self._page)["data"])

    def _send(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._connection.recv(ANSWER_SECONDS))
            if answer.get("id") == number:
                assert answer["type"] == "success", answer
                return answer["result"]


@contextlib.contextmanager
def running_firefox(directory: Path) -> Iterator[Firefox]:
    """Run a Firefox for a block, with a profile in a directory. Skips the test if there is none."""
    if not PROGRAM:
        pytest.skip("Firefox is not installed: `apt-get install firefox-esr`")
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (directory / "user.js").write_text("\n".join(lines))
    environment = {**os.environ, "HOME": str(directory), "MOZ_CRASHREPORTER_DISABLE": "1"}
    command = (PROGRAM, "--headless", "--no-remote", "--profile", str(directory), "--remote-debugging-port", "0")
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        listening = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
        found = wait_for(lambda: listening.search(log.read_text(errors="replace")), "Firefox to listen", ANSWER_SECONDS)
        with connect(f"{found[1]}/session", max_size=None) as connection:
            yield Firefox(connection)
    finally:
        process.terminate()
        process.wait(20)
