"""The documentation matches the code."""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from gateway.api.admin import cookies
from gateway.settings import NO_SETTINGS
from tests import reference
from tests.api.workspaces import created_project
from tests.browser.chromium import CHROMIUM, running_chromium
from tests.docs.snippets import snippets_of
from tests.docs.test_snippets import IN_ONE_TERMINAL
from tests.servers import ADMIN, API_KEY, API_SECRET, START_SECONDS, Gateway, free_port, user_hmac, wait_for

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
SEND_AND_RECEIVE = ROOT / "docs" / "api" / "README.md"

GUIDE = (ROOT / "docs" / "api" / "v2.md").read_text()
GUIDE_SNIPPETS = re.findall(r"```sh\n(.*?)```", GUIDE, flags=re.DOTALL)
SHOWN = (
    '"name":"My backend"',
    '{"count":0}',
    '"custom_attributes":{"plan":"pro"}',
    '"status":"processed","summary":{"total":1,"failures":0}',
    '"archived_at":"',
    '"discarded_at":"',
    "event: ready",
    '{"name":"email","enabled":false}',
    '"delay":3600,"if":"{{ notification.unseen and not notification.archived }}"',
    "Param 'channels[0].if' is not a condition",
    '"domain":"mg.example.org","region":"eu","api_key":"********"',
    '"auth_url":"https://slack.com/oauth/v2/authorize?',
    '"title":"Found a bug","content":"Opened by grace"',
    'data: {"id":"',
    '"status":"completed","next_step":3',
)
"""A part of what each snippet of the guide to v2 prints."""

PRINTED = {
    "migrate": '"title":"Hello from home"',
    "positions": '"title":"Shipped"',
    "seen-and-read": '"archived_at":1',
    "preferences": '"status":"unsubscribed"',
    "delivery": '"verdict":"Ada has it in the inbox',
}
"""A part of what the snippets of a page print."""

EXAMPLE_FILES = {
    "gateway/x/y.py",
    "tests/x/test_y.py",
    "gateway/api/v1/greetings.py",
    "tests/api/v1/test_greetings.py",
    "gateway/channels/pager.py",
    "tests/channels/test_pager.py",
}
"""Files that CONTRIBUTING.md names as examples."""


VARIABLES_OF_MAILS = {"inbox_delivery_id", "inbox_project_id", "inbox_user_id"}
"""What mail services store with each email: neither settings nor metrics."""

NAME_OF_PACKAGE = {"inbox_gateway"}
"""In the names of a wheel and a source distribution."""

NAMES_OF_ADMINS = {cookies.NAME, *NO_SETTINGS}
"""The cookie of a session, and the variable of scripts."""


def snippets(page: Path) -> list[tuple[str, str]]:
    """Return the languages and texts of the snippets of a page."""
    return [(snippet.language, snippet.text) for snippet in snippets_of(page)]


def snippet(page: Path, language: str, word: str) -> str:
    """Return the only snippet of a language on a page that contains a text."""
    (found,) = (text for kind, text in snippets(page) if kind == language and word in text)
    return found


FUNCTIONS = snippet(SEND_AND_RECEIVE, "sh", "backend()")
"""The functions `backend` and `ada`, which snippets of other pages use."""


def environment(gateway: Gateway) -> dict[str, str]:
    return {**os.environ, "INBOX": gateway.url, "API_KEY": API_KEY, "API_SECRET": API_SECRET}


def send(gateway: Gateway, title: str) -> None:
    body = {"notification": {"title": title, "recipients": [{"external_id": "ada"}]}}
    httpx.post(f"{gateway.url}/notifications", headers=ADMIN, json=body).raise_for_status()


def run(gateway: Gateway, script: str) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], env=environment(gateway), capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def background(gateway: Gateway) -> Iterator[Any]:
    """Yield a function that starts a command, which runs until the test ends, and returns the file with its output."""
    processes = []

    def start(*command: str) -> Path:
        output = Path(tempfile.mkstemp()[1])
        with output.open("wb") as file:
            processes.append(
                subprocess.Popen(
                    command, env=environment(gateway), stdout=file, stderr=subprocess.STDOUT, start_new_session=True
                )
            )
        return output

    yield start
    for process in processes:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def test_the_reference_matches_the_code() -> None:
    for path, page in reference.rendered().items():
        assert path.read_text() == page, "run `.venv/bin/python -m tests.reference`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_page_and_a_heading(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.is_file(), link
        if target.suffix != ".md":  # a picture, which `#only-dark` shows in one theme
            continue
        headings = re.findall(r"^#+ (.*)$", target.read_text(), flags=re.MULTILINE) if anchor else []
        assert not anchor or anchor in [
            re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings
        ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    named = set(re.findall(r"`((?:gateway|tests|loadtest|docs)/[\w./-]+)`", page.read_text()))
    assert not [name for name in sorted(named - EXAMPLE_FILES) if not (ROOT / name).exists()]


def test_the_architecture_names_every_package_and_no_other() -> None:
    listed = set(
        re.findall(r"^\| `gateway/(\w+(?:/\w+)?)/` \|", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
    )
    packages = {path.parent.name for path in (ROOT / "gateway").glob("*/__init__.py")}
    assert listed == packages | {"store/redis", "web"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_and_metrics_that_a_page_names_exist(page: Path) -> None:
    tables = "".join(path.read_text() for path in reference.rendered())
    known = set(re.findall(r"`(inbox_\w+|INBOX_\w+)`", tables))
    named = set(re.findall(r"\b(?:inbox|INBOX)_\w*[a-zA-Z]\b(?!_)", page.read_text()))
    assert named <= known | VARIABLES_OF_MAILS | NAMES_OF_ADMINS | NAME_OF_PACKAGE


def test_every_snippet_of_the_readme_has_a_test() -> None:
    # make run and test, the page with the bell, send (both in tests/browser)
    assert [language for language, _ in snippets(README)] == ["sh", "sh", "sh", "sh"]


def test_every_snippet_on_sending_and_receiving_has_a_test() -> None:
    # send, watch, the functions, read and list, Python, the module, EventSource
    assert [language for language, _ in snippets(SEND_AND_RECEIVE)] == [
        "sh",
        "sh",
        "sh",
        "sh",
        "python",
        "html",
        "html",
    ]


def test_make_run_serves_from_a_fresh_data_directory(tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "log"
    variables = {"INBOX_PORT": str(port), "INBOX_DATA_DIR": str(tmp_path / "data"), "INBOX_DRAIN_SECONDS": "0"}
    with log.open("wb") as file:
        process = subprocess.Popen(
            snippet(README, "sh", "make run").split(),
            cwd=ROOT,
            env={**os.environ, **variables},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        wait_for(lambda: "Demo page" in log.read_text(), "the demo page's address", START_SECONDS)
        assert httpx.get(f"http://127.0.0.1:{port}/demo", follow_redirects=True).status_code == 200
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def test_ci_runs_the_readmes_test_command() -> None:
    assert snippet(README, "sh", "make test").strip() in (ROOT / ".ci" / "run").read_text().splitlines()


def test_the_snippets_of_the_guide_to_v2_run_in_their_order_in_one_terminal(gateway: Gateway) -> None:
    project = created_project(gateway)
    variables = environment(gateway) | {"API_KEY": project["api_key"], "API_SECRET": project["api_secret"]}
    script = "\necho @@@\n".join(GUIDE_SNIPPETS)
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.split("@@@")
    for output, part in zip(printed, SHOWN, strict=True):
        assert part in output
        assert '"errors":[{' not in output
        assert project["api_secret"] not in output
    (message,) = [output for output in printed if "is not a condition" in output]
    assert f"```text\n{message.strip()}\n```" in GUIDE


@pytest.mark.parametrize(
    "page",
    [page for page in sorted(IN_ONE_TERMINAL) if any(not snippet.not_run for snippet in snippets_of(page))],
    ids=lambda page: f"{page.parent.name}/{page.stem}",
)
def test_the_snippets_of_a_page_run_in_a_terminal_with_credentials(gateway: Gateway, page: Path) -> None:
    project = created_project(gateway)
    variables = environment(gateway) | {"API_KEY": project["api_key"], "API_SECRET": project["api_secret"]}
    texts = [snippet.text for snippet in snippets_of(page) if not snippet.not_run]
    command = ["bash", "-euo", "pipefail", "-c", "\n".join([FUNCTIONS, GUIDE_SNIPPETS[0], *texts])]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert '"errors":[{' not in done.stdout
    assert PRINTED.get(page.stem, "") in done.stdout


def test_the_snippet_that_sends_sends_a_notification(gateway: Gateway) -> None:
    assert '"title":"Your order has shipped"' in run(gateway, snippet(SEND_AND_RECEIVE, "sh", "Your order has shipped"))


def test_the_snippet_that_watches_shows_what_is_sent(gateway: Gateway, background: Any) -> None:
    output = background(
        "bash",
        "-c",
        snippet(SEND_AND_RECEIVE, "sh", "curl -sSN"),
    )
    wait_for(lambda: "event: ready" in output.read_text(), "ready")
    send(gateway, "Watch me")
    wait_for(lambda: "Watch me" in output.read_text(), "the notification")


def test_the_snippet_that_reads_and_lists_does_so(gateway: Gateway) -> None:
    send(gateway, "Read me")
    printed = run(gateway, FUNCTIONS + snippet(SEND_AND_RECEIVE, "sh", "notifications/read"))
    assert '"unread_count":0' in printed
    assert '"title":"Read me"' in printed


def revoke_tokens_so_far(gateway: Gateway) -> None:
    body = {"issued_before": int(time.time())}
    httpx.post(f"{gateway.url}/users/external_id:ada/revoke_tokens", headers=ADMIN, json=body).raise_for_status()


def test_the_python_snippet_follows_an_inbox_even_if_tokens_were_revoked(gateway: Gateway, background: Any) -> None:
    send(gateway, "There is such a user")
    revoke_tokens_so_far(gateway)
    output = background(str(ROOT / ".venv/bin/python"), "-c", snippet(SEND_AND_RECEIVE, "python", "import asyncio"))
    wait_for(lambda: "ready" in output.read_text(), "ready")
    send(gateway, "From Python")
    wait_for(lambda: "event notifications/new" in output.read_text(), "the event")


@contextlib.contextmanager
def in_a_browser(gateway: Gateway, html: str) -> Iterator[Page]:
    """Show a snippet in Chromium. Yield the page."""
    if not CHROMIUM.exists():
        pytest.skip("chromium is not installed: `apt-get install chromium`")
    credentials = f'<script>window.credentials = {{apiKey: "{API_KEY}", userHmac: "{user_hmac("ada")}"}}</script>'
    with running_chromium() as browser:
        page = browser.new_page()
        # A page loaded from the gateway's own origin: Chromium does not let pages of other origins connect to loopback.
        page.goto(f"{gateway.url}/healthz")
        page.set_content(credentials + html)
        yield page


def test_the_html_snippet_shows_the_unread_count(gateway: Gateway) -> None:
    send(gateway, "In a browser")
    with in_a_browser(gateway, snippet(SEND_AND_RECEIVE, "html", "<p>Unread")) as page:
        unread = page.locator("#unread")
        expect(unread).not_to_have_text("…")
        before = int(unread.inner_text())
        send(gateway, "One more")
        expect(unread).to_have_text(str(before + 1))


def test_the_event_source_snippet_shows_what_is_sent(gateway: Gateway) -> None:
    with in_a_browser(gateway, snippet(SEND_AND_RECEIVE, "html", "new EventSource")) as page:
        titles = page.locator("#titles li")

        def shown() -> bool:
            send(gateway, "Named event")
            return bool(titles.count())

        wait_for(shown, "a title")  # the stream may open after the first notification was sent
        expect(titles.first).to_have_text("Named event")
