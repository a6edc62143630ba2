"""Server-sent events with third-party clients: a browser and two independent libraries.

Chromium's own `EventSource`, npm's `eventsource` and PyPI's `requests-sse` reconnect by themselves.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import CHROMIUM, running_chromium
from tests.live.clients import user_query
from tests.servers import ADMIN, Gateway, running_gateway, user_headers, wait_for

NPM_PACKAGE = "eventsource@4.1.1"
"""The newest version for Debian's Node; version 5 has the same code for a newer Node."""

HERE = Path(__file__).parent
INSTALL_SECONDS = 100
PATIENCE_SECONDS = 30

CONTENTS = [
    "two\nlines",
    "\n\nblank ones around\n\n",
    "carriage\rreturns\r\n",
    "data: not data\n\nid: 7\nevent: ready\nretry: 1\n\n",
    ": no comment",
    " spaces around ",
    "\u2028 and \u2029, \u0085 and \x0b\x0c\x1c, which some readers treat as the end of a line",
    "\ufeff a mark, grüße, 日本語, 🙈👩‍👩‍👧‍👦",
    "</script>\\\"'&amp;",
    "0123456789" * 30_000,
]


@dataclass(frozen=True)
class Observation:
    """An observation of a client:

    `open`, `lost`, or the name of an event. `at` is in milliseconds of the client's clock.
    """

    name: str
    at: float
    id: str = ""
    data: str = ""
    closed: bool = False

    @property
    def message(self) -> Any:
        """The data of the event."""
        return json.loads(self.data)


class Source(ABC):
    """A third-party EventSource."""

    usual_ms: ClassVar[float]
    """The default reconnection time."""

    @abstractmethod
    def observed(self) -> list[Observation]:
        """Return all observations so far."""

    def events(self, name: str) -> list[Observation]:
        """Return the observations with a name so far."""
        return [observed for observed in self.observed() if observed.name == name]

    def wait_for(self, name: str, count: int) -> list[Observation]:
        """Wait for a number of observations with a name, and return them."""
        wait_for(lambda: len(self.events(name)) >= count, f"{count} × {name}", PATIENCE_SECONDS)
        return self.events(name)


class BrowserSource(Source):
    """The EventSource of Chromium, on a page of another origin."""

    usual_ms = 3000

    def __init__(self, page: Page, gateway: Gateway, address: str):
        self.page = page
        page.goto(f"http://localhost:{gateway.port}/healthz")  # for a browser another origin than 127.0.0.1
        listen = (HERE / "listen.mjs").read_text().replace("export function", "function")
        page.evaluate(
            f"""(address) => {{
                {listen}
                globalThis.observed = [];
                listen(new EventSource(address), (it) => observed.push(it));
            }}""",
            address,
        )

    def observed(self) -> list[Observation]:
        """Return the observations of the page."""
        return [Observation(**fields) for fields in self.page.evaluate("observed")]


class ProcessSource(Source):
    """The EventSource of a library, in a process that prints its observations."""

    def __init__(self, process: "subprocess.Popen[bytes]", output: Path, usual_ms: float):
        self.process = process
        self.output = output
        self.usual_ms = usual_ms  # type: ignore[misc] # of this one

    def observed(self) -> list[Observation]:
        """Return the observations that the process has printed."""
        *lines, _ = self.output.read_text().split("\n")
        return [Observation(**json.loads(line)) for line in lines]


Connect = Callable[[str], Source]
"""Opens the stream of a user."""


@pytest.fixture(scope="module")
def fragile_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Yield a gateway whose workers the tests end, with one connection for each user."""
    directory = tmp_path_factory.mktemp("fragile_gateway")
    with running_gateway(directory / "data", INBOX_MAX_CONNECTIONS_PER_USER="1") as gateway:
        yield gateway


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: `apt-get install chromium`")
    with running_chromium() as started:
        yield started


@pytest.fixture(scope="module")
def npm_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the npm package."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    directory = tmp_path_factory.mktemp("npm")
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(directory), NPM_PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    return directory


@pytest.fixture(params=["chromium", "eventsource", "requests-sse"])
def connect(request: pytest.FixtureRequest, fragile_gateway: Gateway, tmp_path: Path) -> Iterator[Connect]:
    """Yield a function that opens streams with one of the three clients. They end with the test."""
    with contextlib.ExitStack() as stack:

        def connect_browser(user: str) -> Source:
            context = stack.enter_context(request.getfixturevalue("browser").new_context())
            return BrowserSource(context.new_page(), fragile_gateway, address(fragile_gateway, user))

        def connect_process(command: list[str], usual_seconds: float, **environment: str) -> Connect:
            def start(user: str) -> Source:
                output = tmp_path / "observed"
                process = subprocess.Popen(
                    command,
                    stdout=stack.enter_context(output.open("wb")),
                    env={**os.environ, **environment, "ADDRESS": address(fragile_gateway, user)},
                )
                stack.callback(process.wait, 10)
                stack.callback(process.kill)
                return ProcessSource(process, output, 1000 * usual_seconds)

            return start

        match request.param:
            case "chromium":
                yield connect_browser
            case "eventsource":
                packages = request.getfixturevalue("npm_packages")
                yield connect_process(["node", str(HERE / "event_source.mjs")], 3, PACKAGES=str(packages))
            case _:
                # It waits twice as long as its setting.
                command = [sys.executable, str(HERE / "event_source.py")]
                yield connect_process(command, 6, RECONNECTION_SECONDS="3")


def address(gateway: Gateway, user: str) -> str:
    """Return the address of a stream with a user's credentials, because `EventSource` cannot send headers."""
    return f"{gateway.url}/realtime/sse?{urlencode(user_query(user))}"


def send(gateway: Gateway, user: str, content: str = "") -> None:
    body = {"notification": {"title": "Hello", "content": content, "recipients": [{"external_id": user}]}}
    httpx.post(f"{gateway.url}/notifications", headers=ADMIN, json=body, timeout=10).raise_for_status()


def test_every_event_arrives_at_once_and_unchanged(fragile_gateway: Gateway, user: str, connect: Connect) -> None:
    source = connect(user)
    (ready,) = source.wait_for("ready", 1)
    assert ready.id == ready.message["position"]
    for number, content in enumerate(CONTENTS, 1):
        send(fragile_gateway, user, content)
        event = source.wait_for("notifications/new", number)[-1]
        assert event.message["data"]["notification"]["content"] == content
        assert event.id == event.message["position"] == ready.id.removesuffix("0") + str(number)
    assert [observed.name for observed in source.observed()] == [
        "open",
        "ready",
        *["notifications/new"] * len(CONTENTS),
    ]


def test_after_a_lost_connection_the_client_resumes_and_misses_nothing(
    fragile_gateway: Gateway, user: str, connect: Connect
) -> None:
    source = connect(user)
    (ready,) = source.wait_for("ready", 1)
    send(fragile_gateway, user, "before")
    source.wait_for("notifications/new", 1)
    (killed,) = fragile_gateway.children("worker")
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: killed not in fragile_gateway.children("worker"), "the worker to end")
    wait_for(fragile_gateway.ready, "another worker", PATIENCE_SECONDS)
    send(fragile_gateway, user, "meanwhile")
    send(fragile_gateway, user, "meanwhile, too")
    events = source.wait_for("notifications/new", 3)
    assert [event.message["data"]["notification"]["content"] for event in events] == [
        *("before", "meanwhile", "meanwhile, too")
    ]
    epoch = ready.id.removesuffix("0")
    assert [event.id for event in events] == [f"{epoch}{number}" for number in (1, 2, 3)]
    assert [event.message["position"] for event in source.events("ready")] == [f"{epoch}0", f"{epoch}1"]
    assert source.events("reset") == []


def test_the_client_reconnects_at_the_time_in_the_goodbye(
    fragile_gateway: Gateway, user: str, connect: Connect
) -> None:
    source = connect(user)
    source.wait_for("ready", 1)
    waited_ms: list[float] = []
    for count in (1, 2):
        before = fragile_gateway.children("worker")
        assert fragile_gateway.process is not None
        fragile_gateway.process.send_signal(signal.SIGHUP)
        (*_, goodbye) = source.wait_for("goodbye", count)
        source.wait_for("ready", count + 1)
        lost, opened = source.events("lost")[-1], source.events("open")[-1]
        waited_ms.append(opened.at - lost.at)
        assert waited_ms[-1] >= goodbye.message["retry_after_ms"] - 5  # the clocks are coarse
        wait_for(lambda: not set(before) & set(fragile_gateway.children("worker")), "the old worker to end")  # noqa: B023
    # It is measured twice, because a busy machine may delay the client.
    assert min(waited_ms) < source.usual_ms


def test_the_client_stops_reconnecting_after_a_204(fragile_gateway: Gateway, user: str, connect: Connect) -> None:
    with httpx.stream("GET", f"{fragile_gateway.url}/realtime/sse", headers=user_headers(user)) as first:
        lines = first.iter_lines()  # a reference, without which the connection would end
        assert next(lines)
        source = connect(user)
        source.wait_for("lost", 1)
        if isinstance(source, ProcessSource):
            assert source.process.wait(PATIENCE_SECONDS) == 0, "the process has nothing to wait for"
        assert [(observed.name, observed.closed) for observed in source.observed()] == [("lost", True)]
