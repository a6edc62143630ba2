"""The HTML part of mails, in a browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.channels.email_gallery import CHROMIUM, SAMPLES, WIDTHS, message, rendered

_LOOKS = """() => {
  const style = name => getComputedStyle(document.querySelector(name));
  return {
    width: document.documentElement.scrollWidth,
    page: style('body').backgroundColor, card: style('.card').backgroundColor, title: style('.title').color,
    preview: document.querySelector('body > div').getBoundingClientRect().height,
    scripts: document.scripts.length,
  };
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: `apt-get install chromium`")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_no_mail_is_wider_than_a_telephone_or_a_window(browser: Browser, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 400})
    for name, sample in SAMPLES.items():
        page.set_content(rendered(sample).html)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    page.close()


def test_a_mail_has_a_light_and_a_dark_look_and_no_script(browser: Browser) -> None:
    seen = {}
    page = browser.new_page()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.set_content(rendered(message(content="<p>Hi</p><script>document.title = 'x'</script>")).html)
        seen[scheme] = page.evaluate(_LOOKS)
    page.close()
    assert seen["light"]["card"] == "rgb(255, 255, 255)"
    assert seen["dark"]["card"] == "rgb(27, 30, 37)"
    assert seen["light"]["title"] != seen["dark"]["title"]
    assert seen["dark"]["preview"] == seen["dark"]["scripts"] == 0


def test_the_direction_of_a_mail_is_that_of_its_text() -> None:
    assert '<html dir="rtl">' in rendered(SAMPLES["rtl"]).html
    assert '<html dir="ltr">' in rendered(SAMPLES["plain"]).html


def test_the_preview_is_the_text_and_what_is_absent_leaves_no_gap() -> None:
    assert 'aria-hidden="true">It left the warehouse this morning. Expect it' in rendered(message()).html
    short = rendered(SAMPLES["short"]).html
    assert "aria-hidden" not in short
    assert 'class="text"' not in short


def test_a_mail_shows_its_logo_or_the_first_letter_of_the_name_and_its_image() -> None:
    assert 'class="logo"' in rendered(SAMPLES["logo"]).html
    assert ">O</div>" in rendered(SAMPLES["plain"]).html
    assert 'src="https://x.example/a.png"' in rendered(message(image_url="https://x.example/a.png")).html
