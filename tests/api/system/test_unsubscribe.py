"""Unsubscribing by a link in an email: one click of a mail program, and a page with a button."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import sync_playwright

from gateway.auth.unsubscribe_links import UnsubscribeLinks
from gateway.domain.ids import ProjectId, UserId
from tests.api.inbox import Inbox, notification
from tests.servers import ADMIN, Gateway, running_gateway

SECRET_KEY = "k" * 40
LINKS = UnsubscribeLinks(SECRET_KEY, "https://inbox.example.com")
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("unsubscribe") / "data", INBOX_SECRET_KEY=SECRET_KEY) as started:
        yield started


@pytest.fixture
def category() -> str:
    return f"c-{uuid4()}"


async def path_of(inbox: Inbox, category: str) -> str:
    """Return the path of the link of a user for a category."""
    _, project, _, user = (await inbox.get("/config"))["ws"]["channel"].split(":")
    return LINKS.url(ProjectId(project), UserId(user), category).removeprefix("https://inbox.example.com")


async def off(inbox: Inbox, category: str) -> set[str]:
    """Return the channels that are off for a category."""
    found = (await inbox.get("/notification_preferences"))["notification_preferences"]["categories"]
    (channels,) = [each["channels"] for each in found if each["slug"] == category]
    return {channel["slug"] for channel in channels if not channel["enabled"]}


async def test_one_click_of_a_mail_program_switches_off_the_emails_of_the_category(
    http: httpx.AsyncClient, inbox: Inbox, category: str
) -> None:
    await inbox.receive(category=category)
    await inbox.receive(category=f"{category}-other")
    path = await path_of(inbox, category)
    user = (await inbox.get("/config"))["ws"]["channel"].split(":")[3]
    for _ in range(2):  # mail programs may repeat it
        response = await http.post(path, data=ONE_CLICK)
        assert response.status_code == 200
        assert "Unsubscribed" in response.text
        assert f"“{category.capitalize().replace('-', ' ')}”" in response.text
    assert await off(inbox, category) == {"email"}
    assert await off(inbox, f"{category}-other") == set()
    events = (await http.get("/v2/events?type=preferences.changed", headers=ADMIN)).json()["data"]
    assert [each["context"]["categories"] for each in events if user in str(each)] == [1]


async def test_a_page_asks_first_and_neither_it_nor_a_scanner_changes_anything(
    http: httpx.AsyncClient, inbox: Inbox, category: str
) -> None:
    await inbox.receive(category=category)
    response = await http.get(await path_of(inbox, category))
    assert response.status_code == 200
    assert '<form method="post">' in response.text
    assert await off(inbox, category) == set()
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in response.headers


async def test_what_was_switched_off_by_mistake_is_undone(http: httpx.AsyncClient, inbox: Inbox, category: str) -> None:
    await inbox.receive(category=category)
    path = await path_of(inbox, category)
    page = (await http.post(path, data=ONE_CLICK)).text
    assert 'action="?undo=true"' in page
    assert await off(inbox, category) == {"email"}
    undone = await http.post(f"{path}?undo=true")
    assert "Subscribed again" in undone.text
    assert "<form" not in undone.text
    assert await off(inbox, category) == set()
    assert (await http.post(f"{path}?undo=perhaps")).status_code == 422


async def test_the_emails_of_a_required_category_stay_on(
    http: httpx.AsyncClient, inbox: Inbox, category: str
) -> None:  # complaint 13
    await inbox.receive(category=category)
    saved = {"key": category, "channels": [{"channel": "in_app"}, {"channel": "email"}], "required": True}
    assert (await http.put("/v2/channels/deliveryconfig", headers=ADMIN, json=saved)).json()["required"] is True
    path = await path_of(inbox, category)
    for response in (await http.get(path), await http.post(path, data=ONE_CLICK)):
        assert response.status_code == 403
        assert "stay on" in response.text
        assert "<form" not in response.text
    assert await off(inbox, category) == set()


async def test_a_link_that_the_gateway_has_not_made_is_unknown(
    http: httpx.AsyncClient, inbox: Inbox, category: str
) -> None:
    await inbox.receive(category=category)
    path = await path_of(inbox, category)
    elsewhere = LINKS.url(ProjectId("99"), UserId("x"), category).removeprefix("https://inbox.example.com")
    for wrong in (f"{path}x", "/unsubscribe/x", elsewhere):
        assert (await http.get(wrong)).status_code == 404
        assert (await http.post(wrong, data=ONE_CLICK)).status_code == 404
    assert await off(inbox, category) == set()


async def test_a_deleted_user_needs_no_link(http: httpx.AsyncClient, inbox: Inbox, category: str) -> None:
    await inbox.receive(category=category)
    path = await path_of(inbox, category)
    await http.delete(f"/users/external_id:{inbox.external_id}", headers=ADMIN)
    assert (await http.post(path, data=ONE_CLICK)).status_code == 404


async def test_emails_without_a_category_end_alone(http: httpx.AsyncClient, inbox: Inbox) -> None:
    await inbox.receive()
    await inbox.receive(category="kept")
    assert "no more emails of this kind from" in (await http.post(await path_of(inbox, ""), data=ONE_CLICK)).text
    assert await off(inbox, "uncategorized") == {"email"}
    assert await off(inbox, "kept") == set()


async def test_a_name_of_a_project_and_a_category_is_escaped(http: httpx.AsyncClient, inbox: Inbox) -> None:
    category = "<script>alert(1)</script>"
    await http.put("/v2/integrations/inbox", headers=ADMIN, json={"brand": {"name": "A <b>Shop</b>"}})
    page = (await http.get(await path_of(inbox, category))).text
    assert "<script" not in page
    assert "A &lt;b&gt;Shop&lt;/b&gt;" in page


async def test_a_user_with_too_many_preferences_is_told(http: httpx.AsyncClient, inbox: Inbox) -> None:
    channels = [{"name": "sms", "enabled": False}]
    many = {"categories": [{"key": f"many-{number}", "channels": channels} for number in range(250)]}
    assert (await inbox.request("PUT", "/v2/channels/user_preferences", json=many)).status_code == 200
    assert (await http.post(await path_of(inbox, "one-more"), data=ONE_CLICK)).status_code == 422


def test_a_browser_without_scripts_unsubscribes_by_the_button(gateway: Gateway) -> None:
    if not Path("/usr/bin/chromium").exists():
        pytest.skip("chromium is not installed: `apt-get install chromium`")
    headers = Inbox(httpx.AsyncClient(), "browser").headers
    body = notification("browser", category="clicks")
    httpx.post(f"{gateway.url}/notifications", headers=ADMIN, json=body)
    _, project, _, user = httpx.get(f"{gateway.url}/config", headers=headers).json()["ws"]["channel"].split(":")
    url = UnsubscribeLinks(SECRET_KEY, gateway.url).url(ProjectId(project), UserId(user), "clicks")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_context(java_script_enabled=False).new_page()
        page.goto(url)
        page.get_by_role("button", name="Unsubscribe").click()
        page.get_by_role("heading", name="Unsubscribed").wait_for()
        page.get_by_role("button", name="Undo").click()
        page.get_by_role("heading", name="Subscribed again").wait_for()
        page.goto(url)
        page.get_by_role("button", name="Unsubscribe").click()
        page.get_by_role("heading", name="Unsubscribed").wait_for()
        browser.close()
    found = httpx.get(f"{gateway.url}/v2/channels/user_preferences", headers=headers).json()["categories"]
    (channels,) = [each["channels"] for each in found if each["key"] == "clicks"]
    assert {"name": "email", "enabled": False} in channels
