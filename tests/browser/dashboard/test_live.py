"""The live tail: events as they happen, paused, filtered, and after the end of a session."""

import re

from playwright.sync_api import Locator, expect

from tests.browser.dashboard.dashboard import Dashboard
from tests.browser.dashboard.instance import EDITOR, PASSWORD
from tests.servers import user_headers


def rows(page: Dashboard) -> Locator:
    """Return the rows of the tail."""
    return page.main.get_by_role("list", name="Events, the newest first").get_by_role("listitem")


def test_events_arrive_wait_while_paused_and_lead_to_what_they_are_about(owner: Dashboard) -> None:
    owner.open("live", type="notification.stored")
    expect(owner.main.get_by_text("Live", exact=True).last).to_be_visible()
    before = rows(owner).count()
    sent = owner.instance.send("Shown live", "ada")
    expect(rows(owner)).to_have_count(before + 1)
    expect(rows(owner).first).to_contain_text("Stored in the inbox")

    owner.button("Pause").click()
    owner.instance.send("Held back", "ada")
    owner.instance.send("Held back too", "grace")
    expect(owner.button("2 new events")).to_be_visible()
    expect(rows(owner)).to_have_count(before + 1)
    owner.page.keyboard.press(".")
    expect(rows(owner)).to_have_count(before + 3)
    expect(owner.button("Pause")).to_be_visible()

    rows(owner).first.locator("[data-row]").focus()
    owner.page.keyboard.press("ArrowDown")
    owner.page.keyboard.press("j")
    owner.page.keyboard.press("Enter")
    expect(owner.drawer).to_contain_text(sent)
    expect(owner.page).to_have_url(re.compile("event="))
    owner.page.keyboard.press("Escape")
    expect(owner.drawer).to_have_count(0)
    rows(owner).nth(2).get_by_role("link", name="Trace").click()
    expect(owner.page).to_have_url(re.compile(f"deliveries.*{sent}"))
    expect(owner.page.get_by_role("heading", level=1)).to_be_visible()


def test_the_filters_are_in_the_address(owner: Dashboard) -> None:
    owner.open("live")
    owner.main.get_by_label("Channel", exact=True).select_option("teams")
    expect(owner.main.get_by_role("heading", name="Nothing matches")).to_be_visible()
    owner.main.get_by_label("Channel", exact=True).select_option("email")
    expect(rows(owner).first).to_contain_text("Delivered by SendGrid")
    owner.main.get_by_label("User: id, external_id:… or email:…").fill("external_id:grace")
    expect(owner.page).to_have_url(re.compile(r"channel=email.*user=external_id"))
    owner.page.reload()
    expect(rows(owner).first).to_contain_text("Email")
    owner.button("Clear filters").click()
    owner.main.get_by_label("Type", exact=True).select_option("user.created")
    owner.instance.request("POST", "/users", json={"user": {"external_id": "new-in-the-tail"}})
    expect(rows(owner).first).to_contain_text("A user was created")


def test_a_tail_ends_with_its_session_and_leads_back_after_the_next_sign_in(guest: Dashboard) -> None:
    request, origin = guest.page.context.request, {"Origin": guest.instance.gateway.url}
    login = {"email": f"{EDITOR}@example.com", "password": PASSWORD}
    assert request.post(f"{guest.instance.url}api/login", data=login, headers=origin).ok
    guest.open("live")
    expect(rows(guest).first).to_be_visible()
    assert request.post(f"{guest.instance.url}api/logout", data={}, headers=origin).ok
    expect(guest.heading("Sign in")).to_be_visible()
    expect(guest.page).to_have_url(re.compile("next=.*live"))
    assert all(line.startswith("401 ") for line in guest.refused)
    guest.refused.expect("^401 ")
    guest.errors.expect()  # the browser logs each refusal


def test_connections_appear_as_they_open_close_and_are_refused(viewer: Dashboard) -> None:
    viewer.open("live", show="connections")
    expect(viewer.main.get_by_text("Waiting for connections")).to_be_visible()
    backend = viewer.instance.backend
    with backend.stream("GET", "/realtime/sse", headers=user_headers("ada")) as stream:
        assert stream.status_code == 200
        expect(rows(viewer).first).to_contain_text("Connected by SSE")
    expect(rows(viewer).first).to_contain_text("Closed by the page")
    backend.get("/realtime/sse", headers=user_headers("ada") | {"X-MAGICBELL-USER-HMAC": "bm90IGl0"})
    expect(rows(viewer).first).to_contain_text("Refused: user hmac is incorrect")
    viewer.main.get_by_label("Type", exact=True).select_option("refused")
    expect(viewer.page).to_have_url(re.compile("type=refused"))
    expect(viewer.main.get_by_role("heading", name="Nothing matches")).to_be_visible()
