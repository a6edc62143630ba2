"""Colours: of any accent, of a saved theme, and of the page."""

import pytest
from playwright.sync_api import Page

from tests.browser.console import Messages
from tests.browser.site import Site
from tests.servers import wait_for

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
    page: Page, site: Site, errors: Messages
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
    wait_for(lambda: bell.evaluate(COLORS)["surface"] == [16, 32, 48], "the theme")
    colors = bell.evaluate(COLORS)
    assert colors["badge"] == [0, 170, 85]
    assert colors["header"] == colors["accent"] == [255, 214, 10]
    assert colors["text"] == [255, 255, 255]  # what can be read on the background
    assert colors["on-header"] == [0, 0, 0]
    bell.evaluate("(bell) => bell.style.setProperty('--inbox-badge', 'rgb(1 2 3)')")
    assert bell.evaluate(COLORS)["badge"] == [1, 2, 3]
