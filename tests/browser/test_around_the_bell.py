"""What is around the bell: languages, themes, HTML contents, notification settings, web push and toasts."""

import json
import re

import pytest
from playwright.sync_api import Locator, Page, expect

from gateway import __version__
from tests.browser.site import Site
from tests.npm import web_modules
from tests.servers import wait_for


def wait_until_live(page: Page) -> None:
    """Wait for the bell's connection."""
    status = "document.querySelector('inbox-bell').using?.state.status"  # without polling in the page, which needs eval
    wait_for(lambda: page.evaluate(status) == "live", "the connection")


# ---- notification settings


def settings_page(site: Site, page: Page, user: str, **attributes: str) -> Locator:
    """Open a page with the settings of a user who has got notifications of two categories. Return the element."""
    for category in ("orders", "new_message"):
        site.send("Hello", user, category=category)
    site.request("POST", "/v2/channels/teams/tokens", user, json={"webhook": {"url": f"https://a.example/{user}"}})
    page.goto(site.page(main=site.element(user, "inbox-preferences", **attributes), strict=True))
    return page.locator("inbox-preferences")


def channels(site: Site, user: str, category: str) -> dict[str, bool]:
    """Return whether each channel of a category is enabled."""
    found = site.request("GET", "/v2/channels/user_preferences", user).json()["categories"]
    [each] = [each for each in found if each["key"] == category]
    return {channel["name"]: channel["enabled"] for channel in each["channels"]}


def test_a_user_turns_channels_off_and_on_again_by_switches(page: Page, site: Site, user: str) -> None:
    settings = settings_page(site, page, user)
    switch = settings.get_by_role("switch", name="Inbox for New message")
    expect(switch).to_be_checked()
    expect(settings.get_by_role("switch", name="Teams for Orders")).to_be_checked()
    expect(settings.get_by_role("switch", name=re.compile("SMS"))).to_have_count(0)
    switch.focus()
    page.keyboard.press("Space")
    expect(switch).not_to_be_checked()
    expect(settings.get_by_role("rowheader", name="New ones won’t appear in this inbox.")).to_be_visible()
    wait_for(lambda: not channels(site, user, "new_message")["in_app"], "the change")
    assert channels(site, user, "orders")["in_app"]
    page.reload()
    expect(switch).not_to_be_checked()
    switch.click()
    wait_for(lambda: channels(site, user, "new_message")["in_app"], "the change")
    # The other categories of the project, which other tests use, may be listed too.
    rows = settings.get_by_role("table", name="Notification settings").get_by_role("row")
    expect(rows.filter(has_text=re.compile("Orders|New message"))).to_have_count(2)


def test_a_change_that_cannot_be_saved_is_taken_back_and_explained(
    page: Page, site: Site, user: str, errors: list[str]
) -> None:
    settings = settings_page(site, page, user)
    switch = settings.get_by_role("switch", name="Inbox for Orders")
    expect(switch).to_be_checked()
    page.route("**/user_preferences", lambda route: route.abort())
    switch.click()
    expect(settings.get_by_role("alert")).to_contain_text("“Orders” couldn’t be changed")
    expect(switch).to_be_checked()
    page.unroute_all()
    switch.click()
    wait_for(lambda: not channels(site, user, "orders")["in_app"], "the change")
    expect(settings.get_by_role("alert")).to_have_count(0)
    errors.clear()


def test_settings_that_cannot_be_fetched_are_fetched_again_by_a_button(
    page: Page, site: Site, user: str, errors: list[str]
) -> None:
    page.route("**/user_preferences", lambda route: route.abort())
    settings = settings_page(site, page, user)
    expect(settings.get_by_role("alert").first).to_contain_text("Settings couldn’t be loaded")
    page.unroute_all()
    settings.get_by_role("button", name="Try again").click()
    expect(settings.get_by_role("switch").first).to_be_visible()
    errors.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_settings_and_toasts_are_accessible(page: Page, site: Site, user: str, scheme: str) -> None:
    settings = settings_page(site, page, user)
    bell = site.element(user, theme=scheme, toasts="")
    element = site.element(user, "inbox-preferences", theme=scheme, push_worker="/push.js")
    page.goto(site.page(bell, main=f"<h1>Settings</h1>{element}"))
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    settings.get_by_role("switch", name="Teams for Orders").click()
    wait_until_live(page)
    site.send("Hello", user, content="It arrived")
    expect(page.get_by_role("group", name="Hello")).to_be_visible()
    page.evaluate((web_modules() / "axe-core" / "axe.min.js").read_text())
    for width in (900, 320):
        page.set_viewport_size({"width": width, "height": 700})
        found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        problems = [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found["violations"]]
        assert problems == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


# ---- contents

HOSTILE = (
    "<script>window.ran = 1</script>text",
    "<img src=x onerror='window.ran = 1'>",
    "<svg onload='window.ran = 1'><circle/></svg>",
    "<svg><script>window.ran = 1</script></svg>",
    "<iframe srcdoc='<script>parent.ran = 1</script>'></iframe>",
    "<a href='javascript:window.ran = 1'>link</a>",
    "<a href='java\tscript:window.ran = 1'>link</a>",
    "<a href=' &#106;avascript:window.ran = 1'>link</a>",
    "<a href='data:text/html,<script>window.ran = 1</script>'>link</a>",
    "<a href='vbscript:x' target=_top ping=/x>link</a>",
    "<form action='javascript:window.ran = 1'><input name=attributes><button>go</button></form>",
    "<form id=x><img name=removeAttribute><input name=getAttributeNames></form>",
    "<div id=location name=body class=item part=item style='position:fixed;inset:0' onclick='window.ran = 1'>x</div>",
    "<style>* { display: none }</style>text",
    "<link rel=stylesheet href=/style.css><meta http-equiv=refresh content='0;url=/x'><base href=//evil.example>text",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=window.ran=1&gt;'>",
    "<svg></p><style><a id='</style><img src=1 onerror=window.ran=1>'>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=window.ran=1>",
    "<noscript><p title='</noscript><img src=x onerror=window.ran=1>'>text",
    "<template><img src=x onerror=window.ran=1></template>text",
    "<select><style></select><img src=x onerror=window.ran=1></style>",
    "<xmp><p title='</xmp><img src=x onerror=window.ran=1>'>",
    "<textarea></textarea><img src=x onerror=window.ran=1>",
    "<custom-element is=x><slot name=header>text</slot></custom-element>",
    "<inbox-bell api-key=x></inbox-bell>text",
    "<video src=x onerror='window.ran = 1'></video><audio src=x><object data=x></object><embed src=x>",
    "<button popovertarget=x onclick='window.ran = 1'>go</button><dialog open>x</dialog>",
    "<div>" * 20_000 + "deep",
    "<b>" * 200_000,
    "<" * 300_000,
    "&" * 300_000,
    "<p>a</p>" * 500_000,
)

SAFE = re.compile(r"<(?!/)(\w+)((?: [\w-]+=\"[^\"<>]*\")*)>")
ELEMENTS = set(re.findall(r"\w+", """
    a b blockquote br code dd del div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre s
    small span strong sub sup table tbody td tfoot th thead tr u ul
"""))  # fmt: skip
ATTRIBUTES = set(
    re.findall(r"\w+", "alt colspan dir href lang loading referrerpolicy rel role rowspan src start title")
)

SHOW = """async ([gateway, version, html]) => {
  const { nodesOf } = await import(`${gateway}/inbox-assets/${version}/html.js`);
  const target = document.createElement("div");
  target.attachShadow({ mode: "open" }).append(...await nodesOf(html));
  document.body.append(target);
  await new Promise((resolve) => setTimeout(resolve));
  const { innerHTML } = target.shadowRoot;
  target.remove();
  return [innerHTML, window.ran ?? null];
}"""


@pytest.fixture(params=["setHTML", "DOMPurify"])
def reader(request: pytest.FixtureRequest, page: Page, site: Site) -> Page:
    """Return a page with a strict policy that shows contents with the browser's sanitizer, or with DOMPurify."""
    if request.param == "DOMPurify":
        page.add_init_script("delete Element.prototype.setHTML")
    page.goto(site.pages.add_page("<p>A page</p>", policy=f"{site.policy}; trusted-types inbox-html"))
    assert page.evaluate("'setHTML' in Element.prototype") == (request.param == "setHTML")
    return page


def shown(page: Page, site: Site, content: str) -> str:
    """Return what is shown of a content, as HTML."""
    html, ran = page.evaluate(SHOW, [site.url, __version__, content])
    assert ran is None, content[:200]
    return str(html)


def test_a_hostile_content_runs_nothing_and_leaves_only_what_is_known(
    reader: Page, site: Site, errors: list[str]
) -> None:
    for content in HOSTILE:
        html = shown(reader, site, content[:16_384])
        for element, attributes in SAFE.findall(html):
            assert element in ELEMENTS, content[:200]
            assert set(re.findall(r" ([\w-]+)=", attributes)) <= ATTRIBUTES, content[:200]
        assert not re.search(r"javascript:|data:text|vbscript:|evil", html), content[:200]
        assert len(re.findall("<(?!/)", html)) == len(SAFE.findall(html)), html[:200]
    errors.clear()  # images that do not exist


def test_a_content_keeps_its_text_its_links_and_its_images(reader: Page, site: Site, errors: list[str]) -> None:
    origin = site.pages.url
    for content, expected in (
        ("<article><h1>Hi</h1>there</article>", '<div><h1 role="none">Hi</h1>there</div>'),
        ("<a href='/x?a=1' class=c>link</a>", f'<a href="{origin}/x?a=1" rel="noopener">link</a>'),
        ("<a href='mailto:a@b.example'>mail</a>", '<a href="mailto:a@b.example" rel="noopener">mail</a>'),
        ("<a href='javascript:1'>link</a>", "<a>link</a>"),
        ("5 &lt; 7 &amp; <b>more</b>", "5 &lt; 7 &amp; <b>more</b>"),
        ("<font color=red>text</font> <unknown>kept</unknown>", "text kept"),
        ("<img src='javascript:1' alt='A lamp'>", "A lamp"),
        (
            "<img src='/icon.svg' alt=icon onload=x>",
            f'<img src="{origin}/icon.svg" alt="icon" loading="lazy" referrerpolicy="no-referrer">',
        ),
        ("<img src='data:image/svg+xml,x' alt=''>", ""),
    ):
        assert shown(reader, site, content) == expected
    errors.clear()


def test_a_page_that_forbids_the_policy_of_dompurify_shows_the_text(
    page: Page, site: Site, user: str, errors: list[str]
) -> None:
    site.send("Hello", user, content="<p>5 &lt; 7 is <b>true</b></p><script>1</script>")
    page.add_init_script("delete Element.prototype.setHTML")
    policy = f"{site.policy}; trusted-types 'none'"
    page.goto(site.pages.add_page(site.script() + site.element(user, "inbox-list"), policy=policy))
    expect(page.get_by_role("article").get_by_text("5 < 7 is true")).to_be_visible()
    wait_for(lambda: len(page.evaluate("violations")) == 1, "the violation")
    assert page.evaluate("violations.splice(0)")[0]["violatedDirective"] == "trusted-types"
    wait_for(lambda: bool(site.pages.reports), "the report")
    site.pages.reports.clear()
    errors.clear()


def test_contents_of_megabytes_are_shown_in_part_at_once(page: Page, site: Site, user: str, errors: list[str]) -> None:
    site.send("Deep", user, content="<div>" * 200_000 + "the end")
    site.send("Long", user, content="<p>word </p>" * 250_000)
    site.send("Plain", user, content="word " * 500_000)
    page.goto(site.page(main=site.element(user, "inbox-list"), strict=True))
    expect(page.get_by_role("article")).to_have_count(3)
    expect(page.get_by_role("article", name="Plain").locator(".content")).to_contain_text("word word")
    expect(page.get_by_role("article", name="Long").locator(".content p")).to_have_count(1366)
    longest = page.get_by_role("article").evaluate_all("rows => Math.max(...rows.map((row) => row.textContent.length))")
    assert longest < 20_000
    assert page.get_by_role("article").evaluate_all("rows => Math.max(...rows.map((row) => row.offsetHeight))") < 120


# ---- toasts


def test_the_latest_three_notifications_appear_at_the_edge_of_a_page_that_wants_them(
    page: Page, site: Site, user: str
) -> None:
    page.goto(site.page(site.element(user, toasts=""), strict=True))
    bell = page.locator("inbox-bell")
    toasts = bell.get_by_role("group")
    wait_until_live(page)
    for number in range(1, 5):
        site.send(f"Number {number}", user, content="<b>5</b> &lt; 7", action_url=f"{site.pages.url}/icon.svg")
        expect(bell.get_by_role("group", name=f"Number {number}")).to_be_visible()
    expect(toasts).to_have_count(3)
    expect(toasts.first).to_contain_text("Number 25 < 7")
    toasts.first.get_by_role("button", name="Dismiss").focus()
    page.keyboard.press("Escape")
    expect(toasts).to_have_count(2)
    expect(toasts.first.get_by_role("button", name="Dismiss")).to_be_focused()
    page.evaluate("addEventListener('inbox-item-click', (event) => (window.clicked = event.detail.notification.title))")
    page.evaluate("addEventListener('inbox-item-click', (event) => event.preventDefault())")
    toasts.last.get_by_role("link", name="Number 4").click()
    expect(toasts).to_have_count(1)
    assert page.evaluate("clicked") == "Number 4"
    wait_for(lambda: site.inbox(user)["notifications"][0]["read_at"] is not None, "the notification to be read")
    bell.get_by_role("button", name="Notifications, 3 unread").click()
    site.send("Number 5", user)
    expect(bell.get_by_role("article", name="Number 5")).to_be_visible()
    expect(bell.get_by_role("group", name="Number 5")).to_have_count(0)
    page.mouse.move(1, 1)
    expect(toasts).to_have_count(0)  # the time is over


def test_a_page_that_does_not_want_them_shows_no_toasts(page: Page, site: Site, user: str) -> None:
    page.goto(site.page(site.element(user)))
    bell = page.locator("inbox-bell")
    wait_until_live(page)
    site.send("Hello", user)
    expect(bell.get_by_role("button", name="Notifications, 1 unread")).to_be_visible()
    expect(bell.get_by_role("group")).to_have_count(0)


# ---- languages and themes


def test_the_language_is_that_of_the_attribute_the_project_or_the_page(page: Page, site: Site) -> None:
    # Other users have no language of their own, so this test saves it for this user and not for the project.
    user = "speaks-spanish"
    site.send("Hello", user)
    page.goto(site.page(site.element(user), attributes='lang="fr-CA"', strict=True))
    bell = page.locator("inbox-bell")
    expect(bell.get_by_role("button", name="Notifications, 1 non lue")).to_be_visible()
    look = {"locale": "es", "images": None, "theme": None}
    site.request("PUT", "/v2/integrations/inbox/installations", user, json=look)
    page.reload()
    expect(bell.get_by_role("button", name="Notificaciones, 1 sin leer")).to_be_visible()
    bell.evaluate("(bell) => { bell.locale = 'de'; bell.messages = { title: 'Neuigkeiten' }; }")
    bell.get_by_role("button", name="Benachrichtigungen, 1 ungelesen").click()
    expect(bell.get_by_role("dialog", name="Neuigkeiten").get_by_role("tab", name="Archiviert")).to_be_visible()


def test_arabic_is_written_from_right_to_left(page: Page, site: Site, user: str) -> None:
    site.send("مرحبا", user)
    page.goto(site.page(site.element(user, locale="ar"), strict=True))
    page.locator("inbox-bell").get_by_role("button", name="الإشعارات، 1 غير مقروء").click()
    dialog = page.get_by_role("dialog", name="الإشعارات")
    expect(dialog.get_by_role("article")).to_be_visible()
    assert dialog.evaluate("(element) => getComputedStyle(element).direction") == "rtl"


def test_a_language_whose_file_is_missing_is_english(page: Page, site: Site, user: str, errors: list[str]) -> None:
    page.route("**/locale-de.js", lambda route: route.abort())
    page.goto(site.page(site.element(user, locale="de")))
    expect(page.get_by_role("button", name="Notifications, 0 unread")).to_be_visible()
    errors.clear()


COLORS = """(element) => {
  const probe = element.shadowRoot.appendChild(document.createElement("i"));
  const read = (name) => {
    probe.style.color = `var(--i-${name})`;
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    canvas.fillStyle = getComputedStyle(probe).color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const names = ["accent", "on-accent", "badge", "on-badge", "surface", "text", "quiet", "link", "header", "on-header"];
  const found = Object.fromEntries(names.map((name) => [name, read(name)]));
  probe.remove();
  return found;
}"""


def contrast(one: list[int], other: list[int]) -> float:
    """Return the contrast of two colours (WCAG 2.2)."""

    def luminance(color: list[int]) -> float:
        parts = [part / 255 for part in color]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("accent", ["", "#ffd60a", "#0a7", "black", "white", "oklch(0.6 0.2 30)"])
def test_texts_can_be_read_on_any_accent(page: Page, site: Site, user: str, scheme: str, accent: str) -> None:
    page.goto(site.page(site.element(user, theme=scheme)))
    bell = page.locator("inbox-bell")
    if accent:
        bell.evaluate("(bell, accent) => bell.style.setProperty('--inbox-accent', accent)", accent)
    colors = bell.evaluate(COLORS)
    for text, ground in (("on-accent", "accent"), ("on-badge", "badge"), ("link", "surface"), ("quiet", "surface")):
        assert contrast(colors[text], colors[ground]) >= 4.5, (text, colors)
    assert (sum(colors["surface"]) > 600) == (scheme == "light")


def test_the_page_wins_over_the_theme_of_the_user_and_a_theme_injects_nothing(
    page: Page, site: Site, errors: list[str]
) -> None:
    user = "has-a-theme"
    unread = {"backgroundColor": "red;} * { display: none } {", "textColor": "url(//evil.example/x)"}
    default = {"backgroundColor": "#102030", "borderRadius": "0", "fontFamily": "url(x)", "fontSize": "99px"}
    theme = {
        "header": dict.fromkeys(("borderRadius", "fontFamily", "fontSize"), "var(--x)")
        | {"backgroundColor": "#ffd60a", "textColor": "expression(1)"},
        "notification": {
            "default": {**default, "margin": "0", "textColor": "image-set('x')", "hover": None, "state": None},
            "unread": {**unread, "hover": None, "state": None},
            "unseen": {**unread, "hover": None, "state": None},
        },
        "unseenBadge": {"backgroundColor": "#00aa55"},
    }
    look = {"locale": None, "images": None, "theme": theme}
    site.request("PUT", "/v2/integrations/inbox/installations", user, json=look)
    page.goto(site.page(site.element(user), strict=True))
    bell = page.locator("inbox-bell")
    sheets = "document.querySelector('inbox-bell').shadowRoot.adoptedStyleSheets.length"
    wait_for(lambda: page.evaluate(sheets) > 1, "the theme")
    colors = bell.evaluate(COLORS)
    assert colors["surface"] == [16, 32, 48]
    assert colors["badge"] == [0, 170, 85]
    assert colors["header"] == colors["accent"] == [255, 214, 10]
    assert colors["text"] == [255, 255, 255]  # what can be read on the background
    assert colors["on-header"] == [0, 0, 0]
    bell.evaluate("(bell) => bell.style.setProperty('--inbox-badge', 'rgb(1 2 3)')")
    assert bell.evaluate(COLORS)["badge"] == [1, 2, 3]


# ---- web push. Subscriptions are of the page's own making, because Chromium's push service cannot be replaced. Those
# of tests/providers/test_firefox.py are real.

FAKE_SUBSCRIPTIONS = """
window.read = () => JSON.parse(localStorage.getItem("fake") ?? "null");
const base64 = (text) => text.replaceAll("-", "+").replaceAll("_", "/");
const bytes = (text) => Uint8Array.from(atob(base64(text)), (one) => one.charCodeAt(0));
const keys = {
  auth: "BTBZMqHH6r4Tts7J_aSIgg",
  p256dh: "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
};
window.subscription = (made) => made && {
  endpoint: made.endpoint,
  options: { applicationServerKey: bytes(made.key).buffer },
  toJSON: () => ({ endpoint: made.endpoint, keys }),
  unsubscribe: async () => { localStorage.removeItem("fake"); return true; },
};
PushManager.prototype.getSubscription = async () => subscription(read());
PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey: key }) => {
  if (!userVisibleOnly) throw new Error("not visible");
  const endpoint = `https://fcm.googleapis.com/fcm/send/${crypto.randomUUID()}`;
  localStorage.setItem("fake", JSON.stringify({ key, endpoint }));
  return subscription(read());
};
"""


def push_page(site: Site, page: Page, user: str) -> Locator:
    """Open a page with a bell and the settings of a user, both with a service worker. Return the settings."""
    worker = f'importScripts("{site.url}/push-worker.js");'
    site.pages.add("/push.js", worker, "text/javascript")
    attributes = {"push_worker": "/push.js"}
    elements = site.element(user, **attributes), site.element(user, "inbox-preferences", **attributes)
    page.goto(site.page(elements[0], main=elements[1]))
    return page.locator("inbox-preferences")


def tokens(site: Site, user: str) -> list[str]:
    """Return the endpoints at which a user gets web push."""
    return [token["endpoint"] for token in site.request("GET", "/v2/channels/web_push/tokens", user).json()["data"]]


def test_a_user_turns_web_push_on_and_off(page: Page, site: Site, user: str) -> None:
    page.context.grant_permissions(["notifications"], origin=site.pages.url)
    page.add_init_script(FAKE_SUBSCRIPTIONS)
    settings = push_page(site, page, user)
    settings.get_by_role("button", name="Turn on").click()
    expect(settings.get_by_text("On in this browser.")).to_be_visible()
    assert page.evaluate("read().endpoint") == tokens(site, user)[0]
    assert page.evaluate("localStorage.getItem('inbox-push')").find("googleapis") == -1
    page.reload()
    expect(settings.get_by_text("On in this browser.")).to_be_visible()
    settings.get_by_role("button", name="Turn off").click()
    expect(settings.get_by_role("button", name="Turn on")).to_be_visible()
    assert tokens(site, user) == []
    assert page.evaluate("read()") is None


def test_the_subscription_follows_the_browser_and_ends_with_another_user(page: Page, site: Site, user: str) -> None:
    page.context.grant_permissions(["notifications"], origin=site.pages.url)
    page.add_init_script(FAKE_SUBSCRIPTIONS)
    settings = push_page(site, page, user)
    settings.get_by_role("button", name="Turn on").click()
    expect(settings.get_by_text("On in this browser.")).to_be_visible()
    first = tokens(site, user)
    page.evaluate("subscription(read()).unsubscribe()")
    page.reload()
    wait_for(lambda: len(tokens(site, user)) == 2, "the new subscription")
    assert tokens(site, user)[1:] == first
    push_page(site, page, f"other-{user}")
    page.wait_for_function("read() === null && localStorage.getItem('inbox-push') === null")
    expect(settings.get_by_role("button", name="Turn on")).to_be_visible()


def test_a_refusal_and_a_failure_are_explained(page: Page, site: Site, user: str, errors: list[str]) -> None:
    page.add_init_script("PushManager.prototype.subscribe = async () => { throw new Error('no push service'); }")
    page.add_init_script("if (location.search) Object.defineProperty(Notification, 'permission', { value: 'denied' })")
    settings = push_page(site, page, user)
    page.goto(f"{page.url}?denied")
    expect(settings.get_by_text("Blocked by your browser.")).to_be_visible()
    expect(settings.get_by_role("button")).to_have_count(0)
    page.context.grant_permissions(["notifications"], origin=site.pages.url)
    page.goto(page.url.removesuffix("?denied"))
    settings.get_by_role("button", name="Turn on").click()
    expect(settings.get_by_text("That didn’t work. Try again later.")).to_be_visible()
    assert tokens(site, user) == []
    page.add_init_script("delete window.PushManager")
    page.reload()
    expect(settings.get_by_text("This browser doesn’t support notifications.")).to_be_visible()
    errors.clear()


def test_the_worker_shows_a_message_and_a_click_marks_it_as_read(page: Page, site: Site, user: str) -> None:
    page.context.grant_permissions(["notifications"], origin=site.pages.url)
    page.add_init_script(FAKE_SUBSCRIPTIONS)
    registrations: list[str] = []
    devtools = page.context.new_cdp_session(page)
    devtools.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda event: registrations.extend(each["registrationId"] for each in event["registrations"]),
    )
    devtools.send("ServiceWorker.enable")
    settings = push_page(site, page, user)
    settings.get_by_role("button", name="Turn on").click()
    expect(settings.get_by_text("On in this browser.")).to_be_visible()
    page.reload()  # so that the bell listens to the worker
    expect(settings.get_by_text("On in this browser.")).to_be_visible()
    sent = site.send("Hello", user)

    def deliver(message: object) -> None:
        arguments = {"origin": site.pages.url, "registrationId": registrations[-1], "data": json.dumps(message)}
        devtools.send("ServiceWorker.deliverPushMessage", arguments)

    deliver({"another": "message"})
    notification = {"title": "Hello", "body": "5 < 7", "navigate": page.url, "tag": "a", "data": {"id": sent}}
    deliver({"notification": notification, "app_badge": 1})
    worker = page.context.service_workers[0]
    [shown] = page.wait_for_function(
        """async () => {
          const [registration] = await navigator.serviceWorker.getRegistrations();
          const found = await registration.getNotifications();
          return found.length && found.map(({ title, body, tag, data }) => ({ title, body, tag, data }));
        }"""
    ).json_value()
    data = {"id": sent, "navigate": page.url, "inbox": True}
    assert shown == {"title": "Hello", "body": "5 < 7", "tag": "a", "data": data}
    worker.evaluate(
        """async () => {
          const focus = async function () { self.focused = this.url; return this; }; // a real one needs a real click
          Object.assign(WindowClient.prototype, { focus });
          const [notification] = await registration.getNotifications();
          self.dispatchEvent(new NotificationEvent("notificationclick", { notification }));
        }"""
    )
    wait_for(lambda: site.inbox(user)["notifications"][0]["read_at"] is not None, "the notification to be read")
    assert worker.evaluate("self.focused") == page.url
