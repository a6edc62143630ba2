"""What was sent, and broadcasts, as people look at them, send them again, and stop them."""

import time
from uuid import uuid4

import pytest
from playwright.sync_api import expect
from redis import Redis

from gateway.domain.ids import ProjectId
from gateway.settings import Settings
from gateway.store import keys
from tests.browser.dashboard.dashboard import Dashboard
from tests.browser.dashboard.instance import Instance
from tests.servers import wait_for


def sent(instance: Instance, **query: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = instance.request("GET", "/v2/sent", params=query).json()["data"]
    return found


@pytest.fixture
def invoice(instance: Instance) -> str:
    """Send a notification that ada has read and grace has not. Return its id."""
    category = f"c{uuid4().hex[:8]}"
    found = instance.send("Invoice 77", "ada", "grace", category=category, content="Due on <b>Friday</b>.")
    instance.request("POST", f"/notifications/{found}/read", "ada")
    wait_for(lambda: bool(sent(instance, category=category)), "the list", 20)
    return found


def test_what_was_sent_is_listed_and_explained(viewer: Dashboard, invoice: str) -> None:
    viewer.open("notifications")
    row = viewer.main.get_by_role("row", name="Invoice 77").first
    expect(row).to_contain_text("2 / 2")
    expect(row).to_contain_text("50%")
    row.get_by_role("link").first.click()
    expect(viewer.drawer).to_contain_text("Due on Friday.")
    assert viewer.page.url.endswith(f"/notifications/{invoice}")
    viewer.drawer.get_by_role("tab", name="Recipients").click()
    expect(viewer.drawer.get_by_role("row", name="ada")).to_contain_text("Read")
    expect(viewer.drawer.get_by_role("row", name="grace")).to_contain_text("Not seen")
    expect(viewer.button("Send again")).to_have_count(0)
    viewer.drawer.get_by_role("row", name="grace").get_by_role("link", name="Why?").click()
    expect(viewer.main).to_contain_text("Grace")
    viewer.wait()


def test_filters_are_in_the_address_and_can_be_cleared(viewer: Dashboard, invoice: str) -> None:
    viewer.open("notifications", user="ada", kind="direct")
    expect(viewer.main.get_by_role("row", name="Invoice 77").first).to_be_visible()
    viewer.field("Category").fill("nothing of this kind")
    expect(viewer.main.get_by_role("heading", name="Nothing matches")).to_be_visible()
    assert "category=nothing" in viewer.page.url
    viewer.wait()
    viewer.button("Clear filters").last.click()
    expect(viewer.main.get_by_role("row", name="Invoice 77").first).to_be_visible()
    assert "?" not in viewer.page.url
    viewer.wait()


def test_a_rare_category_is_found_although_many_notifications_lie_before_it(
    viewer: Dashboard, instance: Instance
) -> None:
    category = f"rare{uuid4().hex[:8]}"
    instance.send("A rare one", "ada", category=category)
    for _ in range(110):  # more than one request of a page examines
        instance.send("A usual one", "grace")
    wait_for(lambda: bool(sent(instance, broadcast="false", limit="100")), "the list", 20)
    viewer.open("notifications", category=category)
    expect(viewer.main.get_by_role("row", name="A rare one")).to_be_visible()
    viewer.wait()


def test_a_notification_is_sent_again_to_the_same_users(editor: Dashboard, instance: Instance, invoice: str) -> None:
    editor.open(f"notifications/{invoice}")
    editor.button("Send again").click()
    expect(editor.drawer.last).to_contain_text("“Invoice 77” goes to 2 users.")
    editor.button("Send to 2 users").click()
    expect(editor.toast("It is sent again").last).to_be_visible()
    editor.wait()
    assert invoice not in editor.page.url
    again = editor.page.url.rpartition("/")[2]
    found = instance.request("GET", f"/v2/sent/{again}").json()
    assert (found["recipients"], found["notification"]["title"]) == (2, "Invoice 77")


def waiting_broadcast(instance: Instance, title: str) -> str:
    """Store a broadcast that no worker will ever claim: a copy of a sent one. Return its id."""
    body = {"title": title, "recipients": [{"external_id": "ada"}]}
    done = instance.request("POST", "/v2/broadcasts", json=body).json()["id"]
    read = f"/v2/broadcasts/{done}"
    wait_for(lambda: instance.request("GET", read).json()["status"]["status"] == "processed", "a broadcast", 20)
    project, copied = ProjectId(instance.project_id), str(uuid4())
    with Redis(unix_socket_path=str(Settings(data_dir=instance.gateway.data_dir).valkey_socket)) as store:
        key = keys.job(project, copied)
        store.copy(keys.job(project, done), key)
        payload = store.hget(key, "payload")
        assert isinstance(payload, bytes)
        changes = {
            "status": "enqueued",
            "cursor": "",
            "total": 0,
            "payload": payload.replace(done.encode(), copied.encode()),
        }
        store.hset(key, mapping=changes)
        store.zadd(keys.jobs(project, "broadcast"), {copied: time.time() * 1000})
    return copied


def test_a_broadcast_is_cancelled_after_a_question(editor: Dashboard, viewer: Dashboard, instance: Instance) -> None:
    broadcast = waiting_broadcast(instance, "To the crowd")
    for page in (viewer, editor):
        page.open("broadcasts")
        expect(page.main.get_by_role("row", name="To the crowd").first).to_contain_text("Waiting")
        page.main.get_by_role("row", name="To the crowd").first.get_by_role("link").first.click()
        expect(page.drawer.get_by_role("progressbar")).to_be_visible()
        assert page.page.url.endswith(f"/broadcasts/{broadcast}")
    expect(viewer.button("Cancel broadcast")).to_have_count(0)
    editor.button("Cancel broadcast").click()
    editor.button("Cancel").click()  # the question is answered with no
    expect(editor.button("Cancel broadcast")).to_be_visible()
    editor.button("Cancel broadcast").click()
    editor.button("Stop sending").click()
    expect(editor.toast("The broadcast is cancelled").last).to_be_visible()
    expect(editor.drawer).to_contain_text("Cancelled")
    expect(editor.button("Cancel broadcast")).to_have_count(0)
    for page in (viewer, editor):
        page.wait()


def test_errors_of_a_broadcast_are_read_and_downloaded(viewer: Dashboard, instance: Instance) -> None:
    recipients = [{"external_id": "ada", "email": "grace@example.com"}]
    body = {"title": "To whom?", "recipients": recipients}
    broadcast = instance.request("POST", "/v2/broadcasts", json=body).json()["id"]
    read = f"/v2/broadcasts/{broadcast}"
    wait_for(lambda: bool(instance.request("GET", read).json()["status"]["errors"]), "the errors", 20)
    viewer.open(f"broadcasts/{broadcast}", tab="errors")
    expect(viewer.drawer.get_by_role("table")).to_contain_text("the external_id of one user and the email of another")
    with viewer.page.expect_download() as download:
        viewer.drawer.get_by_role("link", name="Download as CSV").click()
    assert download.value.suggested_filename == f"broadcast-{broadcast}-errors.csv"
    assert "recipients[0]" in download.value.path().read_text()
