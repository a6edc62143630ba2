"""Users: searched, created, imported, looked at, changed and deleted, as far as the role allows it."""

import json
import re
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.dashboard.dashboard import Dashboard
from tests.servers import ADMIN, wait_for


def test_a_viewer_searches_and_reads_what_is_known_of_a_user_and_can_change_nothing(viewer: Dashboard) -> None:
    viewer.open("users")
    viewer.field("Search users").fill("lovel")
    expect(viewer.page).to_have_url(re.compile("query=lovel"))
    row = viewer.main.get_by_role("link", name="Ada Lovelace")
    expect(row).to_have_count(1)
    row.click()
    expect(viewer.heading("Ada Lovelace")).to_be_visible()
    expect(viewer.main.get_by_role("table", name="Notifications of the user")).to_contain_text("Welcome to Shop")
    for tab, text in (
        ("Preferences", "Channels by category"),
        ("Devices and tokens", "No devices"),
        ("Online now", "Not online"),
        ("Deliveries", "Welcome to Shop"),
        ("Events", "A user was created."),
        ("JSON", '"external_id": "ada"'),
    ):
        viewer.page.get_by_role("tab", name=tab).click()
        expect(viewer.main.get_by_role("tabpanel")).to_contain_text(text)
    viewer.wait()
    for name in ("Send a test", "More actions"):
        expect(viewer.button(name)).to_have_count(0)
    with viewer.page.expect_download() as download:
        viewer.page.get_by_role("link", name="Export").click()
    exported = json.loads(Path(download.value.path()).read_text())
    assert (exported["user"]["external_id"], "Welcome to Shop" in str(exported["notifications"])) == ("ada", True)
    viewer.open("users", query="nobody has this name")
    viewer.button("Clear filters").last.click()
    expect(viewer.main).to_contain_text("Grace Hopper")


def test_an_editor_creates_a_user_sends_a_test_and_acts_in_the_inbox(editor: Dashboard) -> None:
    editor.open("users")
    editor.button("New user").click()
    editor.field("External id").fill("tim")
    editor.field("Attributes optional").fill("{")
    editor.button("Create user").click()
    expect(editor.drawer).to_contain_text("Write an object in JSON")
    editor.field("Attributes optional").fill('{"plan": "free"}')
    editor.field("First name optional").fill("Tim")
    editor.button("Create user").click()
    expect(editor.heading("Tim")).to_be_visible()
    editor.wait()
    editor.button("Send a test").click()
    editor.field("Title").fill("Hello Tim")
    editor.button("Send").click()
    editor.page.get_by_role("link", name="See what became of it").click()
    expect(editor.main.get_by_label("Verdict")).to_contain_text("Tim has it in the inbox")
    editor.main.get_by_label("Verdict").get_by_role("link", name="Tim", exact=True).click()
    editor.wait()
    menu = editor.button("Actions for “Hello Tim”")
    menu.click()
    editor.page.get_by_role("menuitem", name="Mark as read").click()
    expect(editor.main.get_by_text(", read")).to_have_count(1)
    editor.page.get_by_role("tab", name="Preferences").click()
    toggle = editor.page.get_by_role("switch", name="Email for Account")
    toggle.click()
    expect(toggle).not_to_be_checked()
    off = {"name": "email", "enabled": False}

    def saved() -> bool:
        found = editor.instance.request("GET", "/v2/channels/user_preferences", "tim").json()["categories"]
        return any(each["key"] == "account" and off in each["channels"] for each in found)

    wait_for(saved, "the preference to be saved", 20)


def test_users_are_imported_and_rows_that_are_refused_are_named(editor: Dashboard) -> None:
    editor.open("users")
    editor.button("Import").click()
    editor.field("Or paste it").fill("id,email,plan\nimp1,imp1@example.com,pro\nimp2,not an address,pro\nimp3,,")
    expect(editor.drawer).to_contain_text("3 users. The first:")
    editor.button("Import 3 users").click()
    expect(editor.drawer).to_contain_text("The import is done")
    expect(editor.drawer).to_contain_text("2 created")
    expect(editor.drawer.get_by_role("row").nth(1)).to_contain_text(re.compile(r"^2.*email"))
    editor.button("Done").click()
    editor.field("Search users").fill("imp1")
    editor.main.get_by_role("link", name="imp1").click()
    expect(editor.main).to_contain_text("pro")


def test_an_owner_revokes_tokens_and_deletes_a_user_after_typing_the_name(owner: Dashboard) -> None:
    instance = owner.instance
    user = instance.request("POST", "/v2/users", json={"external_id": "gone", "email": "gone@example.com"}).json()
    token = instance.request("POST", "/v2/jwt/user", json={"external_id": "gone", "name": "A phone"}).json()["token"]
    device = {"device_token": "c2f1" * 15 + "9876"}
    instance.request("POST", "/v2/channels/mobile_push/apns/tokens", "gone", json=device)
    owner.open(f"users/{user['id']}", tab="devices")
    expect(owner.main).to_contain_text("…9876")
    expect(owner.main).to_contain_text("A phone")
    owner.main.get_by_role("button", name="Discard").click()
    owner.drawer.get_by_role("button", name="Discard").click()
    expect(owner.main).to_contain_text("Discarded")
    owner.button("More actions").click()
    owner.page.get_by_role("menuitem", name="Revoke tokens").click()
    owner.drawer.get_by_role("button", name="Revoke tokens").click()
    expect(owner.toast("All tokens are revoked").last).to_be_visible()
    bearer = {"Authorization": f"Bearer {token}"}
    assert instance.backend.get("/notifications", headers=bearer).status_code == 401
    owner.button("More actions").click()
    owner.page.get_by_role("menuitem", name="Delete user").click()
    remove = owner.drawer.get_by_role("button", name="Delete user")
    expect(remove).to_be_disabled()
    owner.drawer.get_by_role("textbox").fill("gone")
    remove.click()
    expect(owner.heading("Users")).to_be_visible()
    owner.wait()
    assert instance.backend.get(f"/v2/users/{user['id']}", headers=ADMIN).status_code == 404
