"""The wrappers in clients/ are built and checked, and the applications of the guide work in a browser."""

import json
import re

import pytest
from playwright.sync_api import Page, WebSocket, expect

from tests.browser.guide import snippets
from tests.browser.site import Site
from tests.browser.wrappers import CLIENTS, bundled, install, run, run_in_node
from tests.servers import API_KEY, user_hmac, wait_for

MAX_KB = {"react": 3.5, "vue": 3.5, "svelte": 1.0}
"""The largest size of a wrapper, gzipped. `tests/web/test_build.py` has that of the client."""

REACT = """
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { Header } from "./header.jsx";
import { App } from "./app.jsx";

function Page() {
  const [shown, show] = useState("header");
  const open = (url) => document.querySelector("#opened").textContent = url;
  return <>
    <button onClick={() => show("app")}>Draw my own</button>
    {shown === "header" ? <Header user={window.user} open={open} /> : <App user={window.user} />}
  </>;
}
createRoot(document.querySelector("#root")).render(<StrictMode><Page /></StrictMode>);
"""

VUE = """
import { createApp, h, ref } from "vue";
import Header from "./Header.vue";
import App from "./App.vue";

const shown = ref("header");
const open = (url) => { document.querySelector("#opened").textContent = url; };
createApp({
  render: () => [
    h("button", { onClick: () => { shown.value = "app"; } }, "Draw my own"),
    shown.value === "header" ? h(Header, { user: window.user, onOpen: open }) : h(App, { user: window.user }),
  ],
}).mount("#root");
"""

SVELTE = """
import { mount } from "svelte";
import Header from "./Header.svelte";

const open = (url) => { document.querySelector("#opened").textContent = url; };
mount(Header, { target: document.querySelector("#root"), props: { user: window.user, open } });
"""

REACT_NATIVE = """
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { InboxScreen } from "./react-native/InboxScreen.tsx";
import { InboxWebView } from "./react-native/InboxWebView.tsx";

const { id, inboxApiKey, inboxHmac, tokens } = window.user;
const url = "https://inbox.example.com";
const getToken = async () => tokens.shift();
createRoot(document.querySelector("#root")).render(<StrictMode>
  <InboxScreen url={url} apiKey={inboxApiKey} userExternalId={id} userHmac={inboxHmac} transports={["sse"]} />
  <InboxWebView url={url} getToken={getToken} />
</StrictMode>);
"""

STORES = """
import { InboxClient } from "inbox-gateway-client";
import { notifications, unreadCount } from "inbox-gateway-svelte";
import { get } from "svelte/store";

const client = new InboxClient({ url: "https://inbox.example.com", ...window.user });
const unread = notifications(client, { read: false });
const root = document.querySelector("#root");
const show = (state) => { root.textContent = state.notifications.map(({ title }) => title); };
window.seen = [];
window.read = () => client.read(get(unread).notifications[0].id);
unread.subscribe(show);
unreadCount(client).subscribe((count) => seen.push(count));
"""

USERS_IN_REACT = """
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { InboxBell, InboxProvider, useNotifications } from "inbox-gateway-react";

const List = () => useNotifications({ archived: false }).notifications.map(({ id, title }) => <p key={id}>{title}</p>);

function Page() {
  const [at, show] = useState(0);
  const user = window.users[at];
  return <>
    <button onClick={() => show(1)}>Next user</button>
    <button onClick={() => show(2)}>Sign out</button>
    {user && <InboxProvider url="https://inbox.example.com" {...user} shareConnection={false}>
      <InboxBell /><List /><List />
    </InboxProvider>}
  </>;
}
createRoot(document.querySelector("#root")).render(<StrictMode><Page /></StrictMode>);
"""

USERS_IN_VUE = """
import { createApp, defineComponent, h, ref } from "vue";
import { InboxBell, provideInbox, useNotifications } from "inbox-gateway-vue";

const at = ref(0);
const List = defineComponent(() => {
  const { state } = useNotifications({ archived: false });
  return () => state.value.notifications.map(({ id, title }) => h("p", { key: id }, title));
});
const Inbox = defineComponent(() => {
  const user = () => window.users[Math.min(at.value, 1)];
  provideInbox(() => ({ url: "https://inbox.example.com", shareConnection: false, ...user() }));
  return () => [h(InboxBell), h(List), h(List)];
});
createApp({
  render: () => [
    h("button", { onClick: () => { at.value = 1; } }, "Next user"),
    h("button", { onClick: () => { at.value = 2; } }, "Sign out"),
    at.value < 2 ? h(Inbox) : null,
  ],
}).mount("#root");
"""


def applications() -> dict[str, tuple[dict[str, str], str, str]]:
    """Return the files, the entry and the React of each application."""
    header, app = snippets("README", "jsx")
    react = {"header.jsx": header, "app.jsx": app, "main.jsx": REACT}
    vue = dict(zip(("Header.vue", "App.vue", "Inbox.vue"), snippets("README", "vue"), strict=True))
    (svelte,) = snippets("README", "svelte")
    return {
        "React 19": (react, "main.jsx", "react"),
        "React 18": (react, "main.jsx", "react-18"),
        "Vue": ({**vue, "main.js": VUE}, "main.js", ""),
        "Svelte": ({"Header.svelte": svelte, "main.js": SVELTE}, "main.js", ""),
    }


@pytest.fixture(scope="module")
def packages() -> str:
    """Build the packages, and return what the build printed."""
    install()
    return run("npm", "run", "--silent", "build")


def test_the_packages_are_small_and_have_the_names_of_the_guide(packages: str) -> None:
    sizes = re.findall(r"inbox-gateway-(\w+) [\d.]+: ([\d.]+) KB", packages)
    assert [name for name, _ in sizes] == ["client", *MAX_KB]
    assert [size for name, size in sizes[1:] if float(size) > MAX_KB[name]] == []
    named = re.findall(r"clients/dist/(\S+)-([\d.]+)\.tgz", snippets("README", "sh")[-1])
    assert named
    assert all((CLIENTS / "dist" / f"{name}-{version}.tgz").exists() for name, version in named)


def test_the_wrappers_and_examples_have_correct_types() -> None:
    install()
    run("npm", "run", "--silent", "types")


def test_the_lock_file_has_a_hash_of_every_package_and_names_no_registry() -> None:
    lock = json.loads((CLIENTS / "package-lock.json").read_text())["packages"]
    assert all("integrity" in package and "resolved" not in package for path, package in lock.items() if path)
    assert all(re.fullmatch(r"(npm:.+@)?\d+\.\d+\.\d+", version) for version in lock[""]["devDependencies"].values())


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("name", ["React 19", "Vue"])
def test_a_server_renders_the_elements_and_an_empty_inbox(name: str, site: Site) -> None:
    files, _, react = applications()[name]
    if react:
        library, app = "react-dom/server", "createElement(App, { user })"
        imports = 'import { App } from "./app.jsx"; import { createElement } from "react";'
    else:
        library, app = "vue/server-renderer", "createSSRApp(App, { user })"
        imports = 'import App from "./App.vue"; import { createSSRApp } from "vue";'
    server = f"""
{imports} import {{ renderToString }} from "{library}";
const user = {{ id: "ada", inboxApiKey: "key", inboxHmac: "hmac" }};
console.log(await renderToString({app}));
"""
    html = run_in_node(bundled(files | {"server.js": server}, "server.js", site.url, react, "node"))
    assert "<inbox-bell" in html
    assert "0 unread" in html.replace("<!-- -->", "")
    assert "Mark as read" not in html


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("name", applications())
def test_an_application_of_the_guide_works(name: str, site: Site, page: Page) -> None:
    files, entry, react = applications()[name]
    user = f"{name} guide"
    script = site.pages.add(f"/{name.replace(' ', '-')}.js", bundled(files, entry, site.url, react), "text/javascript")
    values = json.dumps({"id": user, "inboxApiKey": API_KEY, "inboxHmac": user_hmac(user)})
    body = f'<div id="root"></div><p id="opened"></p><script>window.user = {values}</script>'
    site.send("Your order has shipped", user, action_url="https://example.com/orders/7")

    page.goto(site.pages.add_page(body + f'<script type="module" src="{script}"></script>'))
    page.get_by_role("button", name="Notifications, 1 unread").click()
    page.get_by_role("dialog").get_by_text("Your order has shipped").click()
    expect(page.locator("#opened")).to_have_text("https://example.com/orders/7")
    expect(page.get_by_role("button", name="Notifications, 0 unread")).to_be_visible()

    if name == "Svelte":
        return
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Draw my own").click()
    expect(page.get_by_role("heading", name="0 unread")).to_be_visible()
    site.send("The next one", user)
    mine = page.locator("section")
    expect(mine.get_by_role("listitem").first).to_contain_text("The next one")
    expect(mine.get_by_role("heading", name="1 unread")).to_be_visible()
    expect(page.get_by_role("button", name="Notifications, 1 unread")).to_be_visible()
    mine.get_by_role("button", name="Mark as read").click()
    expect(mine.get_by_role("heading", name="0 unread")).to_be_visible()
    expect(page.get_by_role("button", name="Notifications, 0 unread")).to_be_visible()
    wait_for(lambda: site.inbox(user)["unread_count"] == 0, "the notification to be read")


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("react", ["react", "react-18", ""])
def test_components_share_one_connection_and_follow_a_change_of_the_user(react: str, site: Site, page: Page) -> None:
    users = [f"{number} user of {react or 'Vue'}" for number in ("first", "second")]
    for user in users:
        site.send(f"For the {user}", user)
    files = {"main.jsx": USERS_IN_REACT if react else USERS_IN_VUE}
    script = site.pages.add(f"/users-{react}.js", bundled(files, "main.jsx", site.url, react), "text/javascript")
    values = [{"apiKey": API_KEY, "userExternalId": user, "userHmac": user_hmac(user)} for user in users]
    sockets: list[WebSocket] = []
    page.on("websocket", lambda opened: sockets.append(opened))

    page.goto(
        site.pages.add_page(
            f'<div id="root"></div><script>window.users = {json.dumps(values)}</script>'
            f'<script type="module" src="{script}"></script>'
        )
    )
    expect(page.get_by_text(f"For the {users[0]}")).to_have_count(2)
    expect(page.get_by_role("button", name="Notifications, 1 unread")).to_be_visible()
    page.get_by_role("button", name="Next user").click()
    expect(page.get_by_text(f"For the {users[0]}")).to_have_count(0)
    expect(page.get_by_text(f"For the {users[1]}")).to_have_count(2)
    expect(page.get_by_role("button", name="Notifications, 1 unread")).to_be_visible()
    assert [socket.is_closed() for socket in sockets] == [True, False]
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("inbox-bell")).to_have_count(0)
    if not sockets[1].is_closed():
        sockets[1].wait_for_event("close")
    assert len(sockets) == 2


@pytest.mark.usefixtures("packages")
def test_stores_for_svelte_follow_the_inbox(site: Site, page: Page) -> None:
    user = "svelte-stores"
    script = site.pages.add("/stores.js", bundled({"main.js": STORES}, "main.js", site.url), "text/javascript")
    values = json.dumps({"apiKey": API_KEY, "userExternalId": user, "userHmac": user_hmac(user)})
    body = f'<p id="root"></p><script>window.user = {values}</script><script type="module" src="{script}"></script>'
    site.send("First", user)
    page.goto(site.pages.add_page(body))
    expect(page.locator("#root")).to_have_text("First")
    page.evaluate("read()")
    expect(page.locator("#root")).to_have_text("")
    site.send("Second", user)
    expect(page.locator("#root")).to_have_text("Second")
    assert page.evaluate("seen.slice(-3)") == [1, 0, 1]


@pytest.mark.usefixtures("packages")
def test_the_screens_for_react_native_work_with_its_views_made_of_html(site: Site, page: Page) -> None:
    user = "react native"
    bundle = bundled({"main.jsx": REACT_NATIVE}, "main.jsx", site.url)
    script = site.pages.add("/react-native.js", bundle, "text/javascript")
    values = json.dumps(
        {
            "id": user,
            "inboxApiKey": API_KEY,
            "inboxHmac": user_hmac(user),
            "tokens": [site.token(user), site.token(user)],
        }
    )
    body = f'<div id="root"></div><p id="opened"></p><script>window.user = {values}</script>'
    site.send("On the phone", user, action_url="https://example.com/phone")

    page.goto(site.pages.add_page(body + f'<script type="module" src="{script}"></script>'))
    webview = page.frame_locator("iframe")
    expect(page.locator("#root > div li").first).to_have_text("On the phone")
    expect(webview.get_by_text("On the phone")).to_be_visible()

    site.send("Over SSE", user)
    expect(page.locator("#root > div li").first).to_have_text("Over SSE")
    expect(webview.get_by_text("Over SSE")).to_be_visible()
    expect(page.get_by_text("Mark all 2 as read")).to_be_visible()

    webview.get_by_text("On the phone").click()
    expect(page.locator("#opened")).to_have_text("https://example.com/phone")
    expect(page.get_by_text("Mark all 1 as read")).to_be_visible()
    page.get_by_text("Mark all 1 as read").click()
    expect(page.get_by_text("Mark all 0 as read")).to_be_visible()
