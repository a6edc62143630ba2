"""Texts fit, and nothing that a reader sees as one character is cut."""

import json
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.text import ELLIPSIS, cut, fitted, json_size, merged, plain_text, utf8_size

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, ""),
        ("", ""),
        ("  a < b && c > d, AT&T <3  ", "a < b && c > d, AT&T <3"),
        ("One\n\ntwo  three", "One\n\ntwo  three"),
        ("Fish &amp; chips &lt;3 &#8364;5 &#x1F600;", "Fish & chips <3 \u20ac5 \U0001f600"),
        ("<p>One <b>two</b>\n three</p><p>Four</p>", "One two three\n\nFour"),
        ("One<br>two<br/>three", "One\ntwo\nthree"),
        ("<ul><li>One</li><li>two</li></ul>", "\u2022 One\n\u2022 two"),
        ("<style>p{}</style><script>alert('<b>')</script>Hello<!-- not this -->", "Hello"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ('<a href="https://x.example">Open</a> <img src="x" alt="a cat">', "Open a cat"),
        ("<p>unclosed <b>tags", "unclosed tags"),
        ("</style>text", "text"),
        ("<div><div><p>deep</p></div></div>end", "deep\n\nend"),
        ("&nbsp;", ""),
        ("<b>a</b> <!-- never ends", "a <!-- never ends"),
        ("<b>5</b> <a and 6", "5 <a and 6"),
        ("<a href=it's>a</a><a title='>\"'>b</a>", "ab"),
        ('<SCRIPT>if (a < "</p>")</Script >b<style>c', "b"),
        ("<!doctype html><?xml?>a<img src=x ALT='a &amp; b'><img title='alt=c'>", "aa & b"),
    ],
)
def test_content_is_shown_as_plain_text(content: str | None, text: str) -> None:
    assert plain_text(content) == text


@pytest.mark.parametrize(
    "part", ["<!--", "<!-- >", "<a", "</", "</a", "<![x>", "<a x='", "<script>", "<", "<div>", "&a"]
)
def test_a_long_content_of_markup_without_an_end_is_read_in_no_time(part: str) -> None:
    began = time.process_time()
    plain_text("<p>" + part * (200_000 // len(part)))
    assert time.process_time() - began < 5


FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"


@pytest.mark.parametrize(
    "cluster",
    [
        "e\u0301",  # an accent
        "\U0001f44d\U0001f3fd",  # a skin tone
        FAMILY,
        "\u2764\ufe0f",  # a variation selector
        "\U0001f1e9\U0001f1ea",  # a flag
        SCOTLAND,
        "\u0928\u093f",  # a vowel sign of Devanagari
        "\u1112\u1161\u11ab",  # Hangul in parts
        "\r\n",
    ],
)
def test_no_cluster_is_cut(cluster: str) -> None:
    text = f"ab{cluster}{cluster}cd"
    for size in (len, utf8_size, json_size):
        for limit in range(size(text)):
            kept = cut(text, limit, size).removesuffix(ELLIPSIS)
            whole = [text[:end].rstrip() for end in (0, 1, 2, 2 + len(cluster), 2 + 2 * len(cluster), len(text) - 1)]
            assert kept in whole, (limit, kept)


def test_flags_are_kept_in_pairs() -> None:
    flags = "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7\U0001f1ee\U0001f1f9"
    assert cut(flags, 4) == flags[:2] + ELLIPSIS
    assert cut(flags, 5) == flags[:4] + ELLIPSIS


def test_an_endless_cluster_is_cut_somewhere() -> None:
    assert len(cut("a" + "\u0301" * 1000, 200)) == 200


@given(TEXTS, st.integers(0, 80))
def test_a_cut_text_is_never_longer_than_its_limit(text: str, limit: int) -> None:
    for size in (len, utf8_size, json_size):
        found = cut(text, limit, size)
        assert size(found) <= limit
        assert found == text if size(text) <= limit else text.startswith(found.removesuffix(ELLIPSIS))


@given(st.text("abc", min_size=12, max_size=40), st.integers(3, 11))
def test_as_much_as_fits_is_kept(text: str, limit: int) -> None:
    assert len(cut(text, limit)) == limit
    assert utf8_size(cut(text, limit, utf8_size)) == limit


def test_the_size_in_json_counts_what_is_escaped() -> None:
    assert json_size('a"\\\n\u20ac') == len(json.dumps('a"\\\n\u20ac', ensure_ascii=False).encode()) - 2


def test_objects_are_merged_at_every_level() -> None:
    base = {"aps": {"alert": {"title": "a", "body": "b"}, "sound": "default"}, "n": [1]}
    extra = {"aps": {"alert": {"title": "c"}, "badge": None}, "n": [2], "x": {}}
    assert merged(base, extra) == {
        "aps": {"alert": {"title": "c", "body": "b"}, "sound": "default", "badge": None},
        "n": [2],
        "x": {},
    }
    assert base["n"] == [1]


def compose(title: str, body: str) -> bytes:
    return msgspec.json.encode({"title": title, "body": body, "again": {"body": body}})


def test_a_payload_that_is_too_large_loses_the_end_of_its_body_first() -> None:
    whole = compose("Title", "x" * 100)
    assert fitted(compose, "Title", "x" * 100, len(whole)) == whole
    found = json.loads(fitted(compose, "Title", "x" * 100, len(whole) - 1) or b"")
    assert found["title"] == "Title"
    assert found["body"] == found["again"]["body"] == "x" * (97 - 1) + ELLIPSIS


def test_then_the_whole_body_and_the_end_of_its_title() -> None:
    found = json.loads(fitted(compose, "y" * 100, "x" * 100, 100) or b"")
    assert found["body"] == ""
    assert found["title"].startswith("yyy")
    assert found["title"].endswith(ELLIPSIS)


def test_a_payload_that_is_too_large_without_texts_does_not_fit() -> None:
    assert fitted(compose, "Title", "Body", 20) is None
    assert fitted(compose, "", "", 20) is None


@given(TEXTS, TEXTS, st.integers(40, 400))
def test_a_payload_is_never_larger_than_its_limit(title: str, body: str, limit: int) -> None:
    found = fitted(compose, title, body, limit)
    assert found is None or len(found) <= limit
