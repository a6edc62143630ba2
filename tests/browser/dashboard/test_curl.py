"""Copy as curl: what is copied works in a shell, of lists and of actions, of a project and of the instance."""

import json
import os
import subprocess
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Locator

from tests.api.admin.admins import run_command
from tests.browser.dashboard.dashboard import Dashboard
from tests.browser.dashboard.instance import OWNER, Instance
from tests.servers import API_KEY, API_SECRET


@pytest.fixture(scope="module")
def variables(instance: Instance) -> dict[str, str]:
    """Return what the copied commands expect in the environment."""
    token = run_command(instance.gateway, "admin", "token", f"{OWNER}@example.com")
    assert token.returncode == 0, token.stderr
    values = {"API_KEY": API_KEY, "API_SECRET": API_SECRET, "INBOX_ADMIN_TOKEN": token.stdout.strip()}
    return {"INBOX": instance.gateway.url, **values}


def copied(page: Dashboard, button: Locator) -> str:
    """Click on a button that copies, and return what the clipboard has."""
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.page.evaluate("navigator.clipboard.writeText('')")
    button.click()
    page.page.wait_for_function("async () => (await navigator.clipboard.readText()) !== ''")
    return str(page.page.evaluate("navigator.clipboard.readText()"))


def run(command: str, variables: dict[str, str]) -> Any:
    """Run a command in a shell, and return the JSON that it prints."""
    done = subprocess.run(
        ["sh", "-c", f"{command} -fsS"], env={**os.environ, **variables}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, (command, done.stderr)
    return json.loads(done.stdout)


def test_the_commands_of_lists_print_what_the_lists_show(owner: Dashboard, variables: dict[str, str]) -> None:
    owner.open("users", query="ada@example.com")
    button = owner.main.get_by_role("button", name="Copy as curl").first
    found = run(copied(owner, button), variables)
    assert [each["external_id"] for each in found["data"]] == ["ada"]
    owner.goto("settings/audit", actor="owner@example.com")
    command = copied(owner, owner.main.get_by_role("button", name="Copy as curl").first)
    found = run(command, variables)
    assert {each["actor"] for each in found["data"]} == {"owner@example.com"}
    for secret in (API_SECRET, variables["INBOX_ADMIN_TOKEN"], owner.instance.sessions[OWNER]):
        assert secret not in command


def test_the_command_of_an_action_does_what_its_button_does(
    editor: Dashboard, variables: dict[str, str], instance: Instance
) -> None:
    title = f'It\'s `$HOME` "{uuid4().hex[:8]}" \\ !'
    editor.open("users", query="barbara")
    editor.main.get_by_role("link", name="Barbara Liskov").click()
    editor.wait()
    editor.button("Send a test").click()
    editor.field("Title").fill(title)
    sent = run(copied(editor, editor.drawer.get_by_role("button", name="Copy as curl")), variables)
    assert sent["notification"]["title"] == title
    titles = [each["title"] for each in instance.request("GET", "/notifications", "barbara").json()["notifications"]]
    assert titles.count(title) == 1
