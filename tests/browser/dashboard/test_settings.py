"""The settings of the instance: admins, sessions, projects, workspaces and the audit log."""

import re

from playwright.sync_api import Browser, expect

from tests.browser.dashboard.dashboard import Dashboard, dashboard_of
from tests.browser.dashboard.instance import PASSWORD, Instance


def test_an_owner_invites_a_viewer_who_chooses_a_password_once_and_may_change_nothing(
    browser: Browser, instance: Instance, owner: Dashboard
) -> None:
    owner.goto("settings/admins")
    owner.button("Invite").click()
    owner.drawer.get_by_label("Email").fill("hedy@example.com")
    owner.drawer.get_by_role("button", name="Invite").click()
    expect(owner.drawer).to_contain_text("It works once")
    link = owner.drawer.locator("pre").inner_text()
    owner.button("Done").click()
    owner.page.get_by_role("link", name="hedy@example.com").click()
    expect(owner.drawer.get_by_role("link", name="Show in the audit log")).to_be_visible()

    with dashboard_of(browser, instance, None) as hedy:
        hedy.page.goto(link)
        hedy.field("Name").fill("Hedy Lamarr")
        assert hedy.page.url == f"{instance.url}setup"  # the token is not in the address any more
        hedy.field("Password").fill(PASSWORD)
        hedy.button("Save and sign in").click()
        expect(hedy.heading("Overview")).to_be_visible()
        hedy.follow("Projects")
        expect(hedy.button("New project")).to_have_count(0)
        hedy.main.locator("tbody a").first.click()
        expect(hedy.main).to_contain_text("Users must prove who they are")
        expect(hedy.main.get_by_role("button", name=re.compile("Save|Rename|Delete"))).to_have_count(0)
        expect(hedy.page.get_by_role("link", name="Audit log")).to_have_count(0)
        hedy.goto("settings/audit")
        expect(hedy.main).to_contain_text("Your role does not allow this")

    owner.goto("settings/audit", actor="hedy@example.com")
    owner.main.get_by_role("link", name="Choose a password by a link").click()
    expect(owner.drawer).to_contain_text("post_admin_api_setup")
    owner.page.reload()  # the drawer has a deep link
    expect(owner.drawer).to_contain_text("post_admin_api_setup")
    assert PASSWORD not in owner.page.content()


def test_an_owner_creates_a_project_changes_it_and_deletes_it_by_its_name(owner: Dashboard) -> None:
    owner.goto("settings/audit")
    owner.page.get_by_role("button", name=re.compile("^Project: ")).click()
    owner.page.get_by_role("menuitem", name="New project").click()
    owner.drawer.get_by_label("Name").fill("Short-lived")
    owner.button("Create project").click()
    expect(owner.heading("Short-lived")).to_be_visible()
    created = owner.page.url
    owner.main.get_by_role("link", name="Open").click()
    expect(owner.heading("Overview")).to_be_visible()
    owner.follow("Audit log")
    expect(owner.button("Project: Short-lived")).to_be_visible()  # the settings lead back to where one was
    owner.page.goto(created)
    owner.wait()
    origins = owner.field("Allowed origins")
    origins.fill("https://a.example.com nonsense")
    save = owner.main.get_by_role("button", name="Save").first
    save.click()
    expect(owner.main.get_by_text("Must be an origin such as")).to_be_visible()
    expect(origins).to_be_focused()
    origins.fill("https://a.example.com")
    save.click()
    expect(owner.toast("The project is saved")).to_be_visible()
    owner.button("Delete project").click()
    agree = owner.drawer.get_by_role("button", name="Delete project")
    expect(agree).to_be_disabled()
    owner.drawer.get_by_role("textbox").fill("Short-lived")
    agree.click()
    expect(owner.heading("Projects")).to_be_visible()
    owner.wait()
    expect(owner.main.get_by_text("Short-lived")).to_have_count(0)
    assert [line[:4] for line in owner.refused] == ["422 "]
    owner.refused.expect("^422 ")
    owner.errors.expect()


def test_everything_is_found_with_the_keyboard_alone(owner: Dashboard) -> None:
    owner.open("overview")
    press = owner.page.keyboard.press
    press("Control+k")
    expect(owner.page.get_by_role("combobox", name="Search and commands")).to_be_focused()
    owner.page.keyboard.type("ada@example.com")
    expect(owner.page.get_by_role("option", name=re.compile("Ada Lovelace"))).to_be_visible()
    press("Enter")
    expect(owner.heading("Ada Lovelace")).to_be_focused()
    press("g")
    press("d")
    expect(owner.heading("Deliveries")).to_be_focused()
    press("?")
    expect(owner.drawer).to_contain_text("Search in a list")
    press("Escape")
    expect(owner.drawer).to_have_count(0)
    owner.goto("settings/admins")
    press("/")
    owner.page.keyboard.type("viewer")
    expect(owner.page).to_have_url(re.compile(r"query=viewer"))
    row = owner.page.get_by_role("link", name=re.compile("viewer@example.com"))
    row.focus()
    press("Enter")
    expect(owner.drawer).to_contain_text("Last sign-in")
    press("Escape")
    expect(row).to_be_focused()
