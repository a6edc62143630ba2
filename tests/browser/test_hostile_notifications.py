"""Notifications with markup, scripts, huge words and control characters harm neither the page nor the list."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.bell import Bell
from tests.browser.console import Messages
from tests.browser.site import Site

SCRIPT = "window.harmed = true"
MARKUP = f"""<h1>Heading</h1><script>{SCRIPT}</script><img src="x" onerror="{SCRIPT}"><svg onload="{SCRIPT}"></svg>
<iframe srcdoc="<script>parent.harmed = true</script>"></iframe><object data="javascript:{SCRIPT}"></object>
<a href="javascript:{SCRIPT}">Link</a> <a href="https://example.com/safe" onclick="{SCRIPT}">Safe</a>
<style>* {{ display: none !important }}</style><base href="https://evil.example/">
<meta http-equiv="refresh" content="0;url=/">
<p style="position: fixed; inset: 0">Styled</p>
<form action="https://evil.example/"><input name="password" autofocus onfocus="{SCRIPT}"></form>
<math><mtext><table><mglyph><style><img src=x onerror="{SCRIPT}"></style></mglyph></table></mtext></math>"""
LINKS = [f"javascript:{SCRIPT}", f"JavaScript:{SCRIPT}", f"data:text/html,<script>{SCRIPT}</script>", "vbscript:x"]

ACTIONS = [{"label": "Go", "url": LINKS[1]}, {"label": {"a": 1}, "url": None}, None, 7]
NOTIFICATIONS: list[tuple[str, dict[str, Any]]] = [
    (f'<img src=x onerror="{SCRIPT}">', {"content": MARKUP, "category": "<b>category"}),
    *((f"Link {link[:9]}", {"action_url": link, "custom_attributes": {"actions": ACTIONS}}) for link in LINKS),
    ("W" * 255, {"content": "w" * 5000, "category": "c" * 100}),
    ("👩‍👩‍👧‍👦🏳️‍🌈" * 10, {"content": "e" + "\u0301" * 500}),
    ("\u202eright to left\u2066 and never ended", {"content": "\u202e" * 20 + "text"}),
    ("__proto__", {"custom_attributes": {"__proto__": {"harmed": True}, "actions": "no list"}}),
    ("Object as label", {"custom_attributes": {"actions": [{"label": {"toString": 1}, "url": "/"}, *ACTIONS]}}),
    ("Tall table", {"content": "<table>" + "<tr><td rowspan=65534 colspan=1000>x" * 400}),
    ("Four megabytes", {"content": "<p>paragraph</p>" * (4_000_000 // 16)}),
]

OVERFLOWING = """rows => rows
    .filter((row) => row.scrollWidth > row.clientWidth || row.offsetHeight > 260)
    .map((row) => [row.scrollWidth, row.offsetHeight, row.ariaLabel.slice(0, 30)])"""


@pytest.mark.parametrize("strict", [True, False], ids=["strict policy", "no policy"])
def test_hostile_notifications_harm_nothing(page: Page, site: Site, user: str, errors: Messages, strict: bool) -> None:
    for title, fields in NOTIFICATIONS:
        site.send(title, user, **fields)
    address = site.page(site.element(user), strict=strict)
    page.goto(address)
    bell = Bell(page)
    bell.expect_unread(len(NOTIFICATIONS))
    bell.open()
    expect(bell.items).to_have_count(len(NOTIFICATIONS))
    site.send("Afterwards", user)
    expect(bell.item("Afterwards")).to_be_visible()

    links = bell.panel.locator("a[href]").evaluate_all("links => links.map((link) => link.href)")
    assert set(links) == {"https://example.com/safe"}
    forbidden = "script, iframe, object, embed, form, input, base, meta, style, link, [style], [onload], [onclick]"
    expect(bell.items.locator(forbidden)).to_have_count(0)
    expect(bell.items.get_by_text(NOTIFICATIONS[0][0], exact=True)).to_be_visible()
    assert bell.items.evaluate_all(OVERFLOWING) == []
    for item in bell.items.all():
        item.click(position={"x": 80, "y": 8})
    bell.expect_unread(0)
    assert page.evaluate("[window.harmed, document.title, location.href]") == [None, "A page", address]
    errors.expect()  # the image


SITE_ELEMENTS = """
window.created = [];
class Link extends HTMLAnchorElement { connectedCallback() { created.push(this.outerHTML); } }
class Other extends HTMLElement { connectedCallback() { created.push(this.outerHTML); } }
customElements.define("site-link", Link, { extends: "a" });
customElements.define("site-other", Other);
"""


@pytest.mark.parametrize("sanitizer", ["", "delete Element.prototype.setHTML;"], ids=["the browser's", "DOMPurify"])
def test_a_content_creates_no_custom_elements_of_the_page(page: Page, site: Site, user: str, sanitizer: str) -> None:
    content = '<b>Bold</b> <a is="site-link" href="https://example.com/">Link</a> <site-other>Other</site-other>'
    site.send("Elements", user, content=content)
    site.pages.add("/elements.js", sanitizer + SITE_ELEMENTS, "text/javascript")
    page.goto(site.page(site.element(user), head='<script src="/elements.js"></script>'))
    bell = Bell(page)
    bell.open()
    expect(bell.items.locator("b")).to_be_visible()
    expect(bell.items.get_by_text("Other")).to_be_visible()
    assert page.evaluate("created") == []
