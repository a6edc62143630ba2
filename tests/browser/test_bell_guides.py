"""The guides to the bell work as they are written."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.console import Messages
from tests.browser.guide import EXAMPLE, filled, run_in_shell, snippet, snippets
from tests.browser.site import Site
from tests.servers import wait_for


@pytest.fixture(autouse=True)
def icon(site: Site) -> None:
    """Add the icon that Chromium asks for, because pages of the guides do not name one."""
    site.pages.add("/favicon.ico", "", "image/x-icon")


def bell(page: Page, unread: int) -> object:
    """Wait until the bell has a number of unread notifications."""
    button = page.get_by_role("button", name=f"Notifications, {unread} unread")
    expect(button).to_be_visible()
    return button


def serve_tokens(page: Page, site: Site, user: str) -> None:
    """Have the site respond to `POST /inbox-token` as the guide describes it."""

    def respond(route: Route) -> None:
        assert route.request.method == "POST"
        route.fulfill(body=site.token(user))

    page.route("**/inbox-token", respond)


def test_three_lines_are_a_page_with_a_bell(site: Site, page: Page, tmp_path: Path) -> None:
    user = "three-lines"
    writes, sends, adds_buttons = (text.replace("ada", user) for text in snippets("README", "sh")[:3])
    run_in_shell(site, tmp_path, writes)
    written = (tmp_path / "page.html").read_text()
    page.goto(site.pages.add("/page.html", written, "text/html"))
    bell(page, 0)
    assert '"title":"Your order has shipped"' in run_in_shell(site, tmp_path, sends)
    bell(page, 1)
    page.get_by_role("button", name="Notifications, 1 unread").click()
    expect(page.get_by_role("dialog").get_by_text("Your order has shipped")).to_be_visible()
    run_in_shell(site, tmp_path, adds_buttons)
    expect(page.get_by_role("dialog").get_by_role("link", name="Review")).to_be_visible()


def test_the_three_lines_work_in_a_file(site: Site, page: Page, tmp_path: Path) -> None:
    run_in_shell(site, tmp_path, snippets("README", "sh")[0].replace("ada", "a-file"))
    site.send("Into a file", "a-file")
    page.goto((tmp_path / "page.html").as_uri())
    bell(page, 1)


@pytest.mark.parametrize("name", ["../../README", "../quickstart"])
def test_the_first_notification_is_in_the_bell(site: Site, page: Page, tmp_path: Path, name: str) -> None:
    user = "first-of-" + Path(name).stem
    writes, sends = (text.replace("ada", user) for text in snippets(name, "sh") if "ada" in text)
    run_in_shell(site, tmp_path, writes)
    page.goto(site.pages.add(f"/{Path(name).stem}.html", (tmp_path / "page.html").read_text(), "text/html"))
    bell(page, 0)
    run_in_shell(site, tmp_path, sends)
    bell(page, 1)


@pytest.mark.parametrize("name", ["README", "signing"])
def test_a_bell_fetches_its_token(site: Site, page: Page, name: str) -> None:
    user = f"token of {name}"
    serve_tokens(page, site, user)
    page.goto(site.page(snippet(name, "html", "getToken =")))
    site.send("With a token", user)
    bell(page, 1)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"user_hmac": "bm90IHRoZSBzaWduYXR1cmU="}, "User HMAC is incorrect"),
        ({"user_hmac": None}, "Neither user HMAC nor API secret provided"),
        ({"api_key": "another-gateways-key"}, "API Key is incorrect"),
        ({"token": "abc", "api_key": None, "user_external_id": None, "user_hmac": None}, "The token is incorrect"),
    ],
)
def test_the_console_says_why_credentials_are_refused(
    site: Site, page: Page, errors: Messages, attributes: dict[str, str | None], reason: str
) -> None:
    with page.expect_console_message(lambda message: message.text.startswith("Inbox: ")) as logged:
        page.goto(site.page(site.element("refused", **attributes)))
    assert reason in logged.value.text
    assert not any(value and value in logged.value.text for value in attributes.values())
    page.close()  # or another request that is refused would be logged after the list is cleared
    errors.expect()


def test_the_console_says_that_an_element_names_no_user(site: Site, page: Page) -> None:
    misspelt = site.element("ada").replace("user-external-id", "user-externalid")
    with page.expect_console_message(lambda message: message.text.startswith("Inbox: ")) as logged:
        page.goto(site.page(misspelt, site.element("ada", "inbox-list")))
    assert logged.value.text.startswith("Inbox: <inbox-bell> names no user. Set token or getToken, or api-key")
    assert logged.value.text.endswith("It has api-key, user-externalid, user-hmac.")


def test_an_error_page_in_place_of_a_token_is_named_and_not_shown_as_a_change(site: Site, page: Page) -> None:
    page.add_init_script("window.fetchToken = async () => '<h1>Sign in</h1>'")
    script = "document.querySelector('inbox-bell').getToken = () => fetchToken()"
    with page.expect_console_message(lambda message: message.text.startswith("Inbox: ")) as logged:
        page.goto(site.page("<inbox-bell></inbox-bell>", head=f"<script type=module>{script}</script>"))
    assert (
        logged.value.text == "Inbox: getToken failed: getToken returned a text that is no token, such as an error page"
    )
    page.get_by_role("button", name="Notifications", exact=True).click()
    expect(page.get_by_role("dialog").get_by_role("status", name="Loading")).to_be_visible()
    with page.expect_console_message(lambda message: message.text.startswith("Inbox: ")):
        page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.get_by_role("dialog")).not_to_contain_text("taken back")
    page.evaluate("token => { fetchToken = async () => token + '\\n' }", site.token("ada token"))
    expect(page.get_by_role("dialog")).to_contain_text("Nothing here yet")


def test_a_page_follows_links_itself(site: Site, page: Page) -> None:
    user = "own router"
    page.goto(site.page(site.element(user), snippet("README", "html", "pushState")))
    site.send("Order 7", user, action_url=f"{site.pages.url}/orders/7")
    bell(page, 1)
    page.get_by_role("button", name="Notifications, 1 unread").click()
    page.get_by_role("dialog").get_by_text("Order 7").click()
    page.wait_for_url("**/orders/7")
    wait_for(lambda: site.inbox(user)["unread_count"] == 0, "the notification to be read")


def test_the_elements_work_without_the_bell(site: Site, page: Page) -> None:
    user = "whole page"
    site.send("On the page", user, category="orders")
    page.goto(site.page(main=filled(snippet("README", "html", "<inbox-list"), site, user)))
    expect(page.locator("inbox-list").get_by_text("On the page")).to_be_visible()
    expect(page.locator("inbox-preferences").get_by_text("orders", exact=False)).to_be_visible()


def test_the_policy_of_the_guide_is_enough(site: Site, page: Page) -> None:
    user = "policy"
    (policy,) = snippets("content-security-policy", "text")
    policy = policy.replace(f"wss://{EXAMPLE[8:]}", f"ws://127.0.0.1:{site.network.port}").replace(EXAMPLE, site.url)
    site.send("Under a policy", user, content="<p>With <b>markup</b></p>")
    page.goto(
        site.pages.add_page(
            site.element(user, locale="de"),
            head=site.script(),
            policy=f"{' '.join(policy.split())}; report-uri /reports",
        )
    )
    page.get_by_role("button", name="Benachrichtigungen").click()
    expect(page.get_by_role("dialog").locator("b", has_text="markup")).to_be_visible()


def test_a_pinned_version_has_the_hash_of_the_gateway(site: Site, page: Page, tmp_path: Path) -> None:
    hashes = json.loads(run_in_shell(site, tmp_path, *snippets("content-security-policy", "sh")))
    (script,) = snippets("content-security-policy", "html")
    (name,) = re.findall(r"[\w-]+@[\d.]+\.js", script)
    assert name == f"inbox-bell@{hashes['version']}.js"
    script = filled(script, site, "pinned").replace("sha384-…", hashes["files"][name])
    page.goto(site.pages.add_page(script + site.element("pinned")))
    bell(page, 0)


def test_a_slot_replaces_the_empty_inbox_and_css_reaches_the_parts(site: Site, page: Page) -> None:
    style = site.pages.add("/guide.css", "".join(snippets("theming", "css")), "text/css")
    element = filled(snippet("theming", "html", 'slot="empty"'), site, "theming")
    page.goto(site.page(element, head=f'<link rel="stylesheet" href="{style}">'))
    bell(page, 0)
    page.get_by_role("button", name="Notifications, 0 unread").click()
    expect(page.get_by_text("No news is good news.")).to_be_visible()
    site.send("Serif", "theming", custom_attributes={"sender": "The shop"})
    title = page.get_by_role("dialog").get_by_text("Serif")
    expect(title).to_be_visible()
    assert title.evaluate("element => getComputedStyle(element).fontFamily") == "Georgia, serif"
    expect(page.get_by_text("The shop")).to_be_visible()


def test_a_page_brings_its_own_language_and_texts(site: Site, page: Page) -> None:
    user = "languages"
    element = filled(snippet("translations", "html", 'locale="pt-BR"'), site, user)
    page.goto(site.page(element))
    page.get_by_role("button", name="Notificações").click()
    page.goto(site.page(site.element(user) + snippet("translations", "html", "messages =")))
    page.get_by_role("button", name="Notifications, 0 unread").click()
    expect(page.get_by_role("heading", name="What’s new")).to_be_visible()


def test_the_page_for_a_webview_asks_the_app(site: Site, page: Page) -> None:
    user = "webview"
    page.add_init_script(
        "window.posted = []; window.ReactNativeWebView = { postMessage: (text) => posted.push(text) };"
    )
    page.goto(site.pages.add("/webview", filled(snippets("webview", "html")[0], site, user), "text/html"))
    page.wait_for_function("posted.length === 1")
    page.evaluate("token => receiveToken(token)", site.token(user))
    site.send("In the app", user, action_url="https://example.com/app")
    page.get_by_text("In the app").click()
    page.wait_for_function("posted.length === 2")
    assert [json.loads(text) for text in page.evaluate("posted")] == [
        {"type": "token"},
        {"type": "open", "url": "https://example.com/app"},
    ]


def test_event_source_alone_shows_what_arrives_and_resumes_with_a_new_token(
    site: Site, page: Page, errors: Messages
) -> None:
    user = "event source"
    script = filled(snippets("webview", "html")[1], site, user)
    tokens = json.dumps([site.token(user, 3), site.token(user)])
    # The second token comes when the test has sent something that the first stream cannot have shown.
    access = f"""<script>
        const tokens = {tokens}, renewed = new Promise((resolve) => (window.renew = resolve));
        window.asked = 0;
        window.getToken = async () => {{ if (asked++) await renewed; return tokens.shift() }};
    </script>"""
    page.goto(site.pages.add_page(access + script))
    expect(page.locator("#unread")).to_have_text("0")
    sent = site.send("By EventSource", user)
    expect(page.locator("#titles")).to_have_text("By EventSource")
    expect(page.locator("#unread")).to_have_text("1")
    page.wait_for_function("asked > 1")
    assert ["401" in error for error in errors] == [True], "the token has ended"
    errors.expect()
    site.request("POST", f"/notifications/{sent}/read", user)
    site.send("Meanwhile", user)
    page.evaluate("renew()")
    expect(page.locator("#titles li")).to_have_text(["Meanwhile", "By EventSource"])
    site.send("Later", user)
    expect(page.locator("#titles li")).to_have_text(["Later", "Meanwhile", "By EventSource"])
    expect(page.locator("#unread")).to_have_text("2")


def test_an_inbox_is_drawn_with_the_client(site: Site, page: Page) -> None:
    user = "own inbox"
    for number in range(21):
        site.send(f"Number {number}", user)
    page.goto(site.pages.add_page(filled(snippets("client", "html")[0], site, user)))
    expect(page.locator("#unread")).to_have_text("21")
    expect(page.locator("#list li")).to_have_count(20)
    page.locator("#more").click()
    expect(page.locator("#list li")).to_have_count(21)
    expect(page.locator("#more")).to_be_hidden()
    page.get_by_text("• Number 20").click()
    expect(page.locator("#unread")).to_have_text("20")
    expect(page.get_by_text("Number 20", exact=True)).to_be_visible()
