"""Channels: a provider is configured, tested and removed, and its secrets are never shown."""

from playwright.sync_api import expect

from tests.browser.dashboard.dashboard import Dashboard


def test_a_provider_is_changed_without_its_secret_and_tested(owner: Dashboard) -> None:
    instance = owner.instance
    owner.open("channels")
    card = owner.main.get_by_role("article").filter(has_text="SendGrid")
    expect(card).to_contain_text("Configured")
    card.get_by_role("link", name="SendGrid").click()
    expect(owner.field("API key")).to_have_value("")
    expect(owner.drawer).to_contain_text("It is saved. Leave it empty to keep it.")
    expect(owner.drawer).to_contain_text("/v2/integrations/sendgrid/webhooks/incoming/")
    owner.field("From: name optional").fill("The shop")
    owner.button("Save").click()
    expect(owner.toast("SendGrid is saved").last).to_be_visible()
    saved = instance.request("GET", "/v2/integrations/sendgrid").json()["data"][0]["config"]
    assert saved["from"] == {"email": "shop@example.com", "name": "The shop"}
    owner.field("User").fill("ada@example.com")
    owner.button("Send a test").click()
    expect(owner.drawer.get_by_role("status").last).to_contain_text("Delivered")
    assert "Test message" in str(instance.mail.mails[-1])
    assert instance.mail.key not in owner.page.content()


def test_a_configuration_is_refused_at_its_fields_saved_and_removed(owner: Dashboard) -> None:
    owner.open("channels", integration="github")
    secret = owner.field("Webhook signing secret")
    secret.fill("a-secret-of-github")
    owner.field("Notifications optional").fill("[{}")
    owner.button("Save").click()
    expect(owner.drawer).to_contain_text("This is not valid JSON")
    owner.field("Notifications optional").fill("")
    owner.button("Save").click()
    expect(owner.drawer).to_contain_text("/v2/integrations/github/webhooks/incoming/")
    assert "a-secret-of-github" not in owner.page.content()
    owner.button("Remove").click()
    owner.page.get_by_role("dialog", name="Remove GitHub?").get_by_role("button", name="Remove").click()
    expect(owner.drawer).to_have_count(0)
    owner.wait()
    assert owner.instance.request("GET", "/v2/integrations/github").json()["data"] == []


def test_a_viewer_reads_a_configuration_and_has_no_form(viewer: Dashboard) -> None:
    viewer.open("channels", integration="sendgrid")
    expect(viewer.drawer).to_contain_text("shop@example.com")
    expect(viewer.drawer).to_contain_text("saved")
    for name in ("Save", "Remove", "Send a test"):
        expect(viewer.button(name)).to_have_count(0)
    viewer.open("channels", integration="smtp")
    expect(viewer.drawer).to_contain_text("An admin can configure it.")


def test_the_secret_of_an_endpoint_is_shown_once(owner: Dashboard) -> None:
    owner.open("channels", endpoint="new")
    owner.field("Address").fill("https://example.com/hooks/inbox")
    owner.field("Event types optional").fill("user.* nothing.at.all")
    owner.button("Create").click()
    expect(owner.drawer).to_contain_text("Must be one of")
    owner.refused.expect("^422 ")
    owner.errors.expect()  # the browser logs each refusal
    owner.field("Event types optional").fill("user.*")
    owner.button("Create").click()
    secret = owner.drawer.get_by_label("Signing secret").inner_text()
    assert secret.startswith("whsec_")
    owner.button("Done").click()
    owner.main.get_by_role("link", name="https://example.com/hooks/inbox").click()
    expect(owner.drawer).to_contain_text("None in the last seven days.")
    assert secret not in owner.page.content()
    owner.button("Delete").click()
    owner.page.get_by_role("dialog", name="Delete this endpoint?").get_by_role("button", name="Delete").click()
    expect(owner.main).to_contain_text("No endpoints")
