"""Contents of notifications that are HTML, and may be hostile."""

import re

import pytest
from playwright.sync_api import Page, expect

from gateway import __version__
from tests.browser.console import Messages
from tests.browser.site import Site
from tests.servers import wait_for

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
    reader: Page, site: Site, errors: Messages
) -> None:
    for content in HOSTILE:
        html = shown(reader, site, content[:16_384])
        for element, attributes in SAFE.findall(html):
            assert element in ELEMENTS, content[:200]
            assert set(re.findall(r" ([\w-]+)=", attributes)) <= ATTRIBUTES, content[:200]
        assert not re.search(r"javascript:|data:text|vbscript:|evil", html), content[:200]
        assert len(re.findall("<(?!/)", html)) == len(SAFE.findall(html)), html[:200]
    errors.expect()  # images that do not exist


def test_a_content_keeps_its_text_its_links_and_its_images(reader: Page, site: Site, errors: Messages) -> None:
    origin = site.pages.url
    for content, expected in (
        ("<article><h1>Hi</h1>there</article>", '<div><h1 role="none">Hi</h1>there</div>'),
        ("<a href='/x?a=1' class=c>link</a>", f'<a href="{origin}/x?a=1" rel="noopener">link</a>'),
        ("<a href='mailto:a@b.example'>mail</a>", '<a href="mailto:a@b.example" rel="noopener">mail</a>'),
        ("<a href='javascript:1'>link</a>", "<a>link</a>"),
        ("<table href='vbscript:x' src=x dir=rtl></table>", '<table dir="rtl"></table>'),
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
    errors.expect()


def test_a_page_that_forbids_the_policy_of_dompurify_shows_the_text(
    page: Page, site: Site, user: str, errors: Messages
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
    errors.expect("trusted-types")


def test_contents_of_megabytes_are_shown_in_part_at_once(page: Page, site: Site, user: str, errors: Messages) -> None:
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
