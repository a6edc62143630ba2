"""One connection a browser: the tabs of a user share that of their leader, which another tab replaces."""

import itertools
import json
import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.bell import open_bell
from tests.browser.chromium import CHROMIUM
from tests.browser.console import Messages
from tests.browser.site import Site
from tests.servers import API_KEY, user_hmac, wait_for

TABS = 20

NUMBERS = itertools.count(1)

LIVE = "client.state.status === 'live'"


@pytest.fixture
def address(site: Site, user: str) -> str:
    """Return the address of a page with a client of the user."""
    return client_page(site, userExternalId=user, userHmac=user_hmac(user))


def client_page(site: Site, more: str = "", **options: Any) -> str:
    """Add a page with a client, and return its address. `more` is the text of further options."""
    name = f"/client-{next(NUMBERS)}.js"
    text = f"""
        import {{ InboxClient }} from "{site.url}/client.js";
        window.client = new InboxClient({{ ...{json.dumps({"apiKey": API_KEY, **options})}, {more} }});
        window.titles = [];
        window.states = [];
        client.addEventListener("new", ({{ detail }}) => titles.push(detail.title));
        client.addEventListener("state", ({{ detail }}) => states.push(detail.status));
        client.connect();
    """
    site.pages.add(name, text, "text/javascript")
    return site.pages.add_page(f'<script type="module" src="{name}"></script>')


def open_tab(context: BrowserContext, address: str) -> Page:
    """Open a page, and wait until its client is live."""
    page = context.new_page()
    page.goto(address)
    page.wait_for_function(f"window.client && {LIVE}")
    return page


def transport(page: Page) -> str:
    """Return by what the events of a page arrive."""
    found: str = page.evaluate("client.state.transport")
    return found


def connections(site: Site) -> float:
    """Return how many live connections the gateway has, by its own metric."""
    metrics = httpx.get(f"{site.gateway.url}/metrics").text
    return sum(map(float, re.findall(r"^inbox_connections\{.*\} (.+)$", metrics, re.MULTILINE)))


def expect_connections(site: Site, count: int) -> None:
    wait_for(lambda: connections(site) == count, f"{count} connections")


def expect_titles(page: Page, *titles: str) -> None:
    page.wait_for_function("wanted => titles.join() === wanted", arg=",".join(titles))


def test_twenty_tabs_have_one_connection_and_all_events(
    context: BrowserContext, site: Site, user: str, address: str
) -> None:
    expect_connections(site, 0)
    tabs = [open_tab(context, address) for _ in range(TABS)]
    assert [transport(tab) for tab in tabs] == ["websocket"] + ["tab"] * (TABS - 1)
    assert connections(site) == 1
    for title in ("One", "Two"):
        site.send(title, user)
    for tab in tabs:
        expect_titles(tab, "One", "Two")
        assert tab.evaluate("client.counts") == {"unreadCount": 2, "unseenCount": 2}

    tabs[0].close()  # another tab leads
    site.send("Three", user)
    for tab in tabs[1:]:
        expect_titles(tab, "One", "Two", "Three")
    expect_connections(site, 1)
    assert sorted(map(transport, tabs[1:])) == ["tab"] * (TABS - 2) + ["websocket"]
    names = tabs[1].evaluate("navigator.locks.query().then(({ held }) => held.map(({ name }) => name))")
    assert re.fullmatch(r"inbox-[A-Za-z0-9+/]{43}=", names[0])


def test_other_credentials_share_no_connection(context: BrowserContext, site: Site, user: str, address: str) -> None:
    open_tab(context, address)
    other = f"other {user}"
    open_tab(context, client_page(site, userExternalId=other, userHmac=user_hmac(other)))
    open_tab(context, client_page(site, userExternalId=user, userHmac=user_hmac(user), shareConnection=False))
    expect_connections(site, 3)


def test_a_frozen_leader_is_replaced_and_follows_when_it_runs_again(
    context: BrowserContext, site: Site, user: str, address: str
) -> None:
    leader, follower = open_tab(context, address), open_tab(context, address)
    # Pages of a browser without windows are always visible, and a visible page cannot be frozen.
    leader.evaluate("document.dispatchEvent(new Event('freeze'))")
    follower.wait_for_function("client.state.transport === 'websocket'")
    site.send("While it is frozen", user)
    expect_titles(follower, "While it is frozen")
    assert leader.evaluate("titles") == []
    leader.evaluate("document.dispatchEvent(new Event('resume'))")
    expect_titles(leader, "While it is frozen")
    assert transport(leader) == "tab"
    expect_connections(site, 1)


def test_a_leader_that_hangs_loses_its_lock_to_a_visible_tab(
    context: BrowserContext, site: Site, user: str, address: str
) -> None:
    leader, follower = open_tab(context, address), open_tab(context, address)
    debugger = context.new_cdp_session(leader)
    debugger.send("Debugger.enable")
    debugger.send("Debugger.pause")
    follower.wait_for_function("client.state.transport === 'websocket'")
    debugger.send("Debugger.disable")
    leader.wait_for_function("client.state.transport === 'tab'")
    site.send("Again", user)
    expect_titles(leader, "Again")
    expect_connections(site, 1)


def test_a_page_that_comes_back_from_the_cache_of_the_browser_resumes(
    browser: Browser, site: Site, user: str, address: str
) -> None:
    # Playwright switches this cache off in other browsers.
    keeping = ["--disable-back-forward-cache"]
    with browser.browser_type.launch(
        executable_path=CHROMIUM, args=["--no-sandbox"], ignore_default_args=keeping
    ) as started:
        page = started.new_page()
        page.goto(address)
        page.wait_for_function(f"window.client && {LIVE}")
        page.evaluate("addEventListener('pageshow', ({ persisted }) => (window.persisted = persisted))")
        page.goto(site.pages.add_page(""))
        expect_connections(site, 0)
        sent = site.send("Meanwhile", user)
        page.go_back(wait_until="commit")
        expect_titles(page, "Meanwhile")
        assert page.evaluate("persisted")
        assert page.evaluate("client.state.resumed")
        expect_connections(site, 1)

        bell = open_bell(page, site, user)
        bell.open()
        bell.expect_titles("Meanwhile")
        page.evaluate("addEventListener('pageshow', ({ persisted }) => (window.persisted = persisted))")
        page.goto(site.pages.add_page(""))
        expect_connections(site, 0)
        site.request("POST", f"/notifications/{sent}/read", user)
        site.send("Later", user)
        page.go_back(wait_until="commit")
        bell.expect_titles("Later", "Meanwhile")
        bell.expect_unread(1)
        assert page.evaluate("persisted")


def test_a_browser_that_is_offline_is_shown_at_once_and_resumes_when_it_is_back(
    context: BrowserContext, site: Site, user: str, address: str, errors: Messages
) -> None:
    tabs = [open_tab(context, address) for _ in range(2)]
    context.set_offline(True)
    site.network.cut()
    for tab in tabs:
        tab.wait_for_function("client.state.status === 'offline'", timeout=2000)
    site.send("Meanwhile", user)
    site.network.restore()
    context.set_offline(False)
    for tab in tabs:
        expect_titles(tab, "Meanwhile")
        assert tab.evaluate("[client.state.status, client.state.resumed]") == ["live", True]
    errors.expect()


def test_a_tab_whose_token_is_good_takes_over_from_one_whose_token_ends(
    context: BrowserContext, site: Site, user: str
) -> None:
    leader = open_tab(context, client_page(site, apiKey=None, token=site.token(user, 4)))
    follower = open_tab(context, client_page(site, apiKey=None, token=site.token(user, 600)))
    assert transport(follower) == "tab"
    leader.wait_for_function("client.state.status === 'ended'")
    assert leader.evaluate("client.state.code") == 4504
    follower.wait_for_function("client.state.transport === 'websocket'")
    site.send("Later", user)
    expect_titles(follower, "Later")
    assert leader.evaluate("titles") == []
    expect_connections(site, 1)


def test_a_client_polls_where_no_websocket_and_no_stream_reaches_the_gateway(
    context: BrowserContext, site: Site, user: str, address: str, errors: Messages
) -> None:
    context.route_web_socket("**/realtime/ws", lambda socket: socket.close(code=1006))
    context.route("**/realtime/sse*", lambda route: route.abort())
    page = open_tab(context, address)
    assert transport(page) == "poll"
    for title in ("One", "Two"):
        site.send(title, user)
    expect_titles(page, "One", "Two")
    page.reload()
    page.wait_for_function(f"window.client && {LIVE}")
    assert page.evaluate("[states.length, client.state.transport]") == [2, "poll"]
    errors.expect()


def test_tabs_with_the_bell_share_a_connection(context: BrowserContext, site: Site, user: str) -> None:
    tabs = [context.new_page() for _ in range(3)]
    for tab in tabs:
        tab.goto(site.bell_page(user))
    site.send("For all tabs", user)
    for tab in tabs:
        expect(tab.get_by_role("button", name="Notifications, 1 unread")).to_be_visible()
    expect_connections(site, 1)


def test_the_tokens_of_all_tabs_are_renewed_on_the_open_connection(
    context: BrowserContext, site: Site, user: str
) -> None:
    context.expose_function("newToken", lambda: site.token(user, 3))
    renewing = "getToken: () => ((window.calls = (window.calls ?? 0) + 1), newToken())"
    tabs = [open_tab(context, client_page(site, renewing, apiKey=None)) for _ in range(2)]
    for tab in tabs:
        tab.wait_for_function("calls === 3")
    site.send("Still here", user)
    for tab in tabs:
        expect_titles(tab, "Still here")
        assert tab.evaluate("states") == ["connecting", "live"]
    assert list(map(transport, tabs)) == ["websocket", "tab"]
