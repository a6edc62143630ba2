"""Compose: an audience with its count, live previews, a test, and a broadcast that is confirmed by its number."""

import os
import subprocess
from uuid import uuid4

from playwright.sync_api import expect

from tests.browser.dashboard.dashboard import Dashboard
from tests.browser.dashboard.instance import Instance
from tests.servers import ADMIN, API_KEY, API_SECRET, wait_for

TITLE = "We have moved"


def test_an_editor_writes_previews_tests_and_sends_a_notification(editor: Dashboard, instance: Instance) -> None:
    page = editor.page
    editor.open("compose")
    expect(editor.button("Send")).to_be_visible()

    # The audience
    page.get_by_role("tab", name="Condition").click()
    editor.field("Value").fill("pro")
    editor.button("Add a comparison").click()
    editor.field("Attribute").nth(1).select_option("first_name")
    editor.field("Comparison").nth(1).select_option("!=")
    editor.field("Value").nth(1).fill("Ada")
    expect(page.get_by_text('custom_attributes.plan = "pro" and first_name != "Ada"')).to_be_visible()
    expect(page.locator(".audience-count")).to_have_text("5 people")

    # The previews
    page.get_by_role("textbox", name="Title").first.fill(TITLE)
    page.get_by_role("textbox", name="Text").first.fill("To <b>Main Street</b> 1")
    editor.field("Category optional").fill("never-sent")
    inbox = page.locator("inbox-list")
    expect(inbox.get_by_text(TITLE)).to_be_visible()
    expect(inbox.locator("b", has_text="Main Street")).to_be_visible()
    expect(page.get_by_text("has never sent the category “never-sent”")).to_be_visible()
    page.get_by_role("tab", name="Email").click()
    mail = page.frame_locator("iframe")
    expect(mail.get_by_role("heading", name=TITLE)).to_be_visible()
    expect(mail.locator("b, strong", has_text="Main Street")).to_be_visible()
    page.get_by_role("tab", name="SMS").click()
    expect(page.locator(".bubble")).to_have_text(f"{TITLE}\nTo Main Street 1")

    # It survives a reload, and can be tried.
    page.reload()
    editor.wait()
    expect(page.get_by_role("textbox", name="Title").first).to_have_value(TITLE)
    editor.button("Test to me").click()
    editor.field("Your user").fill("alan")
    editor.button("Send the test").click()
    expect(editor.toast("A test was sent to alan").last).to_be_visible()
    expect(editor.button("Test to alan")).to_be_visible()

    # The number is confirmed.
    editor.button("Send to 5 people").click()
    expect(editor.drawer).to_contain_text("goes out by: Inbox, Email")
    editor.drawer.get_by_role("button", name="Send to 5 people").click()
    expect(editor.heading("Sent")).to_be_visible()
    expect(page.locator(".sent-count")).to_have_text("5 people")
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "5")
    titles = [each["title"] for each in notifications(instance, "alan")]
    assert titles.count(TITLE) == 2
    assert TITLE not in [each["title"] for each in notifications(instance, "ada")]
    editor.button("Write another").click()
    expect(page.get_by_role("textbox", name="Title").first).to_have_value("")


def notifications(instance: Instance, user: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = instance.request("GET", "/notifications", user).json()["notifications"]
    return found


def test_the_copied_command_sends_the_draft(editor: Dashboard, instance: Instance) -> None:
    page, user = editor.page, f"curl-{uuid4().hex[:8]}"
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    editor.open("compose")
    editor.field("External ids and emails").fill(user)
    page.get_by_role("textbox", name="Title").first.fill("It's $HOME")
    page.get_by_text("Custom attributes").click()
    editor.field("JSON").fill("[1]")
    expect(page.get_by_text("This is not a JSON object")).to_be_visible()
    editor.field("JSON").fill('{"order": 42}')
    editor.button("Copy as curl").click()
    expect(editor.toast("The command is copied").last).to_be_visible()
    command = page.evaluate("navigator.clipboard.readText()")
    names = {"INBOX": instance.gateway.url, "API_KEY": API_KEY, "API_SECRET": API_SECRET}
    done = subprocess.run(["sh", "-c", f"{command} -fsS"], env={**os.environ, **names}, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr

    wait_for(lambda: "It's $HOME" in sent_to(instance, user), "the notification", 60)


def sent_to(instance: Instance, user: str) -> list[str]:
    """Return the titles in the inbox of a user, none before the user exists."""
    found = instance.backend.get("/v2/users", params={"query": user}, headers=ADMIN).raise_for_status()
    return [each["title"] for each in notifications(instance, user)] if found.json()["data"] else []


def test_a_viewer_does_not_find_compose(viewer: Dashboard) -> None:
    viewer.open("compose")
    expect(viewer.main.get_by_text("Your role does not allow this")).to_be_visible()
    expect(viewer.page.get_by_role("link", name="Compose", exact=True)).to_have_count(0)
