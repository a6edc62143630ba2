"""Why somebody did not get a notification: the question, the answer, a retry, and the ways to the user and back."""

import re

from playwright.sync_api import expect

from tests.browser.dashboard.dashboard import Dashboard
from tests.servers import wait_for
from tests.stubs.http_stub import Reply


def ask(page: Dashboard, user: str, notification: str) -> None:
    """Fill in the question, and wait for the answer."""
    page.field("User").fill(user)
    page.field("Notification").fill(notification)
    page.button("Explain").click()
    page.wait()


def allow_missing_item(page: Dashboard) -> None:
    """Forget that the notification was not found in the inbox: it never came there."""
    assert all(line.startswith("404 GET ") and "/v2/notifications/" in line for line in page.refused), page.refused
    page.refused.expect("^404 ")
    page.errors.expect()  # the browser logs each refusal


def test_the_verdict_names_the_preference_that_kept_a_notification_out(viewer: Dashboard) -> None:
    sent = viewer.instance.send("The card of Grace was declined", "grace", category="billing")
    viewer.open("deliveries")
    ask(viewer, "grace@example.com", sent)
    verdict = viewer.main.get_by_label("Verdict")
    expect(verdict).to_contain_text("because Grace has switched the inbox off for the category 'billing'")
    way = viewer.main.get_by_label("The way to the inbox")
    expect(way.get_by_role("listitem").filter(has_text="stopped here")).to_contain_text("Preference and topic")
    expect(viewer.main).to_contain_text("It was kept out of the inbox because of a preference or subscription.")
    allow_missing_item(viewer)
    verdict.get_by_role("link", name="Grace Hopper").click()
    expect(viewer.heading("Grace Hopper")).to_be_visible()
    viewer.page.go_back()
    expect(viewer.main.get_by_label("Verdict")).to_be_visible()
    viewer.wait()
    allow_missing_item(viewer)


def test_a_mail_that_failed_is_found_explained_and_sent_again(editor: Dashboard) -> None:
    instance = editor.instance
    refusal = {"errors": [{"message": "The subject is not allowed", "field": "subject", "help": None}]}
    instance.mail.faults.append(Reply(400, refusal))
    instance.send("Refused by the provider", "barbara", category="account")
    latest = "/v2/deliveries?outcome=failed&user=external_id:barbara"
    wait_for(lambda: instance.request("GET", latest).json()["data"], "the mail to fail", 60)
    editor.open("deliveries")
    editor.main.get_by_role("row").filter(has_text="Refused by the provider").get_by_role("link").first.click()
    expect(editor.heading("Did Barbara Liskov get “Refused by the provider”?")).to_be_visible()
    mail = editor.main.get_by_label("Email", exact=True)
    expect(mail).to_contain_text("Refused")
    expect(editor.main.get_by_label("Verdict")).to_contain_text("SendGrid refused the mail")
    before = len(instance.mail.mails)
    mail.get_by_role("button", name="Retry").click()
    expect(editor.toast("It is sent again").last).to_be_visible()
    wait_for(lambda: len(instance.mail.mails) > before, "the mail to be sent again", 60)
    expect(mail.get_by_text("Delivered", exact=True).first).to_be_visible()


def test_one_of_the_two_leads_to_what_can_be_chosen_for_the_other(viewer: Dashboard) -> None:
    sent = viewer.instance.send("Sent to two", "ada", "edsger", category="account")
    events = f"/v2/notifications/{sent}/deliveryplan"
    wait_for(lambda: len(viewer.instance.request("GET", events).json()["data"]) == 2, "the recipients to be known", 20)
    viewer.open("deliveries")
    ask(viewer, sent, "")  # the id of a notification in the wrong field
    expect(viewer.page).to_have_url(re.compile(rf"deliveries\?notification={sent}$"))
    assert [line[:4] for line in viewer.refused] == ["404 "]
    viewer.refused.expect("^404 ")
    viewer.errors.expect()
    viewer.main.get_by_role("link", name="edsger", exact=True).click()
    expect(viewer.main.get_by_label("Verdict")).to_contain_text("Edsger has it in the inbox since")
    viewer.open("deliveries", user="external_id:ada")
    viewer.main.get_by_role("link", name="Sent to two").first.click()
    expect(viewer.heading("Did Ada Lovelace get “Sent to two”?")).to_be_visible()
    expect(viewer.button("Retry")).to_have_count(0)  # a viewer sees no button that would fail


def test_what_does_not_exist_is_said_and_an_id_of_the_wrong_kind_is_explained(viewer: Dashboard) -> None:
    viewer.open("deliveries")
    viewer.field("Notification").fill("my notification")
    viewer.button("Explain").click()
    expect(viewer.main).to_contain_text("Paste the id of a notification")
    ask(viewer, "nobody@example.com", "0198c2f1-0000-7000-8000-000000000000")
    expect(viewer.main).to_contain_text("There is no such user")
    viewer.open("deliveries", outcome="skipped", channel="teams")
    viewer.button("Clear filters").first.click()
    viewer.wait()
    assert all(line.startswith("404 ") for line in viewer.refused)
    viewer.refused.expect("^404 ")
    viewer.errors.expect()
