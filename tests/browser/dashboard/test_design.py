"""Inbox design: a theme beside the live bell, with its contrasts, saved for all users of a project."""

from playwright.sync_api import expect

from tests.browser.dashboard.dashboard import Dashboard
from tests.browser.dashboard.instance import OWNER, Instance


def test_a_theme_is_seen_at_once_judged_and_saved(owner: Dashboard, instance: Instance) -> None:
    project = instance.api(OWNER, "POST", "projects", json={"name": "Designed"}).json()["id"]
    page = owner.page
    owner.goto(f"projects/{project}/design")
    expect(page.get_by_text("All texts have a contrast of 4.5 : 1 or more")).to_be_visible()
    title = page.locator("inbox-list .item-title").first
    expect(title).to_be_visible()

    owner.field("Text").fill("#bbbbbb")
    expect(title).to_have_css("color", "rgb(187, 187, 187)")
    expect(page.get_by_text("Text on the background, light look: 1.9 : 1")).to_be_visible()
    owner.field("Text").fill("#bbb bbb")
    expect(page.get_by_text("Not a colour")).to_be_visible()
    owner.field("Text").fill("")
    owner.field("Accent").fill("#0d6f5c")
    owner.field("Language").select_option("de")
    expect(page.locator("inbox-list").get_by_text("Benachrichtigungen")).to_be_visible()
    page.get_by_role("tab", name="Right to left").click()
    expect(page.locator("inbox-list").get_by_text("الإشعارات")).to_be_visible()

    owner.button("Save").click()
    expect(owner.toast("The design is saved").last).to_be_visible()
    expect(owner.button("Save")).to_have_count(0)
    (saved,) = instance.api(OWNER, "GET", f"projects/{project}/v2/integrations/inbox").json()["data"]
    assert saved["config"]["locale"] == "de"
    assert saved["config"]["theme"] == {
        "dialog": {"accentColor": "#0d6f5c", "backgroundColor": "inherit", "textColor": "inherit"}
    }
    page.reload()
    owner.wait()
    expect(owner.field("Accent")).to_have_value("#0d6f5c")


def test_a_viewer_sees_the_design_and_cannot_change_it(viewer: Dashboard) -> None:
    viewer.open("design")
    expect(viewer.page.locator("inbox-list .item-title").first).to_be_visible()
    expect(viewer.field("Accent")).to_be_disabled()
    expect(viewer.button("Forest")).to_be_disabled()
