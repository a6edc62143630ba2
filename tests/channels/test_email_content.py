"""The content of mails: what is left of HTML, and what plain text becomes."""

import time

import pytest

from gateway.channels.email_content import MAX_CONTENT, content_of, is_html, is_right_to_left


def html_of(content: str) -> str:
    return content_of(content, "#123456").html


def text_of(content: str) -> str:
    return content_of(content, "#123456").text


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<img src='data:image/svg+xml,<svg onload=alert(1)>'>",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href='java\nscript:alert(1)'>x</a>",
        "<svg><script>alert(1)</script></svg>",
        "<style>*{background:url(https://evil.example)}</style>",
        "<p style='position:fixed' onclick='alert(1)'>x</p>",
        "<form action='https://evil.example'><input name=password></form>",
        "<iframe src='https://evil.example'></iframe>",
        "<base href='https://evil.example'><meta http-equiv=refresh content=0>",
        "<!--[if mso]><script>alert(1)</script><![endif]-->",
        "<math><mi><style></math><img src=x onerror=alert(1)>",
        "</div></td></table><h1>Another mail</h1>",
    ],
)
def test_nothing_active_and_nothing_outside_of_the_content_is_left(evil: str) -> None:
    found = html_of(f"<p>before</p>{evil}<p>after</p>").lower()
    assert "before" in found
    for refused in (
        "<script",
        "onerror",
        "onclick",
        "javascript",
        "data:",
        "evil",
        "fixed",
        "<form",
        "<input",
        "alert",
    ):
        assert refused not in found.replace("alert(1)</p>", ""), found
    assert "</td>" not in found


def test_html_keeps_its_structure_and_gets_styles_inline() -> None:
    found = html_of('<p>Hi <b>Ada</b>, <a href="https://x.example/?a=1&b=2">look</a></p><ul><li>one</ul>')
    assert "<b>Ada</b>" in found
    assert 'href="https://x.example/?a=1&amp;b=2"' in found
    assert "color:#123456" in found
    assert 'rel="noopener noreferrer"' in found
    assert found.endswith("</li></ul>")


def test_images_are_shown_if_they_are_loaded_over_tls() -> None:
    found = html_of(
        '<img src="https://x.example/a.png" alt="A > B" width="100"><img src="http://x.example/b.png" alt="b">'
        '<img src="https://x.example/c.png" width="100%;position:fixed">'
    )
    assert "a.png" in found
    assert 'width="100"' in found
    assert "b.png" not in found
    assert found.count("<img") == 2
    assert "position" not in found


def test_plain_text_is_escaped_and_keeps_lines_and_paragraphs() -> None:
    found = html_of("a < b & c\r\nsecond\r\n\r\nSee https://x.example/?a=1&b=2.")
    assert found.count("<p ") == 2
    assert "a &lt; b &amp; c<br>second</p>" in found
    assert 'href="https://x.example/?a=1&amp;b=2"' in found
    assert found.endswith("</a>.</p>")
    assert html_of("") == html_of(" \n ") == ""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("1 < 2 > 0", False),
        ("AT&T <3", False),
        ("a<br>b", True),
        ("a &amp; b", True),
        ("&#8364;", True),
        ("</p>", True),
    ],
)
def test_html_is_told_from_text_by_its_markup(content: str, expected: bool) -> None:
    assert is_html(content) is expected


def test_the_text_of_html_has_its_paragraphs_lists_and_links() -> None:
    text = text_of(
        "<h1>News</h1><p>Hi   <b>Ada</b>,\n<a href='https://x.example'>look</a> or mail "
        "<a href='mailto:a@x.example'>a@x.example</a>.</p><ul><li>one<li>two</ul><table><tr><td>1<td>2</table>"
        "<p><img src='https://x.example/a.png' alt='A tree'></p><pre>a\n  b</pre><style>p{}</style>"
    )
    assert text == (
        "News\n\nHi Ada, look (https://x.example) or mail a@x.example.\n\n- one\n- two\n\n1 2\n\n[A tree]\n\na\n  b"
    )
    assert text_of("a &lt; b &amp; c") == "a < b & c"
    assert text_of("<a>x</a></a>") == "x"


@pytest.mark.parametrize("part", ["<!--", "<div>", "<ul><li>", "<dl><dd>", "<b>a</p>"])
def test_a_long_content_of_markup_without_an_end_is_cleaned_in_no_time(part: str) -> None:
    began = time.process_time()
    html_of(part * (MAX_CONTENT // len(part)))
    assert time.process_time() - began < 5


def test_html_that_is_nested_too_deep_becomes_text() -> None:
    assert "<b>x</b>" in html_of("<div>" * 200 + "<b>x</b>")
    assert "<div" not in html_of("<div>" * 300 + "<b>x</b>")
    assert text_of("<div>" * 300 + "<b>x</b> &lt; y") == "x < y"
    assert "<b>end</b>" in html_of("<div><p>x<br><img></div>" * 1000 + "<b>end</b>")


def test_a_long_content_is_cut() -> None:
    assert text_of("x" * (MAX_CONTENT + 1)) == "x" * (MAX_CONTENT - 1) + "…"
    assert html_of("<p>" + "x" * MAX_CONTENT).endswith("…</p>")


@pytest.mark.parametrize(
    ("text", "expected"), [("Hello", False), ("שלום Ada", True), ("12: مرحبا", True), ("123 !", False), ("", False)]
)
def test_the_first_letter_gives_the_direction(text: str, expected: bool) -> None:
    assert is_right_to_left(text) is expected
