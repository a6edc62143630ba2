"""Our own client holds to the protocol: in a browser over a WebSocket, and in Node over an event stream."""

import asyncio
import itertools
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.checks import Result, result_of
from conformance.rules import CLIENT
from conformance.script import serve

CLIENT_JS = Path(__file__).parents[2] / "gateway" / "web" / "dist" / "client.js"
CHROMIUM = Path("/usr/bin/chromium")
MISSING = not CHROMIUM.exists() or shutil.which("node") is None

SECONDS = 60.0

CONNECT = """
import { InboxClient } from "%s";
const random = Math.random;
Math.random = () => random() / 20;  // or the pauses of a client that is cut again and again take half a minute
const client = new InboxClient({ url: "%s", transports: ["%s"], apiKey: "k", userExternalId: "ada", userHmac: "aGk=" });
client.inbox().start();
"""

BROWSER = """
import select, sys
from playwright.sync_api import sync_playwright

url, client, script = sys.argv[1:]
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
    page = browser.new_page()
    page.route("**/client.js", lambda route: route.fulfill(path=client, content_type="text/javascript"))
    page.goto(f"{url}/")  # a 404, whose origin is this machine's: a page from nowhere may not connect to it
    page.add_script_tag(type="module", content=script)
    while not select.select([sys.stdin], [], [], 0)[0]:
        page.wait_for_timeout(100)
    browser.close()
"""


def in_chromium(url: str) -> list[str]:
    """Return the command that runs the client in Chromium until its input ends."""
    return [sys.executable, "-c", BROWSER, url, str(CLIENT_JS), CONNECT % ("/client.js", url, "websocket")]


def in_node(url: str) -> list[str]:
    """Return the command that runs the client in Node until its input ends."""
    program = CONNECT % (CLIENT_JS.as_uri(), url, "sse") + "process.stdin.on('end', () => process.exit()).resume();"
    return ["node", "--input-type=module", "--eval", program]


async def results_of(command_of: Callable[[str], list[str]]) -> dict[str, Result]:
    """Run a client against the script, and return the results by number, up to the first failure."""
    results: dict[str, Result] = {}
    async with serve(0, SECONDS) as script:
        client = await asyncio.create_subprocess_exec(*command_of(script.url), stdin=asyncio.subprocess.PIPE)
        try:
            for check in CLIENT.select():
                results[check.number] = await result_of(check, script, 4 * SECONDS)
                if results[check.number].outcome == "fail":
                    break
        finally:
            await client.communicate(b"")  # which ends it
    return results


@pytest.mark.skipif(MISSING, reason="chromium or node is missing: `apt-get install chromium nodejs`")
@pytest.mark.timeout(400)
async def test_our_client_passes_over_a_websocket_and_over_an_event_stream() -> None:
    over_websocket, over_stream = await asyncio.gather(results_of(in_chromium), results_of(in_node))
    everything = itertools.chain(over_websocket.values(), over_stream.values())
    assert [result for result in everything if result.outcome == "fail"] == []
    assert {number for number, result in over_stream.items() if result.outcome == "skip"} == {"9.2b", "9.5a"}
    assert [result.number for result in over_websocket.values() if result.outcome == "skip"] == []
    assert "over websocket" in over_websocket["9.1a"].did
    assert "over stream" in over_stream["9.1a"].did
