"""The content of a notification in a mail: a safe subset of its HTML, and the same as plain text.

A sender's content may be HTML. It is sanitized by nh3 (ammonia), which parses it as a browser does and writes it anew.
"""

import html
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from html.parser import HTMLParser
from typing import NamedTuple

from gateway.channels.text import cut, plain_text

MAX_CONTENT = 100_000
"""How many characters of a content a mail has. Gmail shows 102 KB of a mail and hides the rest."""

LINK_CLASS, QUOTE_CLASS, CODE_CLASS, ROW_CLASS = "link", "quote", "code", "row"
"""The classes of what has another colour in the dark look."""

_NAMES = (
    "a abbr b blockquote br caption cite code del div em figcaption figure h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark "
    "ol p pre q s samp small span strong sub sup table tbody td tfoot th thead tr u ul var"
)
_TAGS = frozenset(_NAMES.split())

_ACTIVE = "head iframe math noscript object script style svg template textarea title"
_DROPPED = frozenset(_ACTIVE.split())
"""Elements that are removed with what is in them."""

_ATTRIBUTES = {
    "*": {"dir", "lang", "title"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start"},
    "td": {"align", "colspan", "rowspan"},
    "th": {"align", "colspan", "rowspan"},
}
_SCHEMES = frozenset({"http", "https", "mailto", "tel"})

_MARKUP = re.compile(r"</?[A-Za-z][^<>]*>|&(?:[A-Za-z]{2,31}|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});")
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")

_MAX_DEPTH = 256
"""How deep elements may be nested. The time of a parser as that of browsers grows with the depth, for each element."""

_VOID = "area base br col embed hr img input link meta source track wbr"
_FLAT = frozenset([*_VOID.split(), "dd", "dt", "li", "option", "p", "tbody", "td", "tfoot", "th", "thead", "tr"])
"""Elements without an end tag, and those whose end tag may be left out."""

_IMAGE = re.compile(r'<img(?: [a-z]+="[^"]*")*>')
_ADDRESS = re.compile(r"(https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]])")
_BREAK = re.compile(r"\r\n?|\n")
_PARAGRAPH = "margin:0 0 16px"
_HEADING = "margin:24px 0 8px;line-height:1.3"


def is_html(content: str) -> bool:
    """Return whether a content is HTML: whether it has a tag, a comment or a character reference."""
    comment = content.find("<!--")
    return _MARKUP.search(content) is not None or (comment >= 0 and content.find("-->", comment + 4) >= 0)


def _is_deep(content: str) -> bool:
    """Return whether more than _MAX_DEPTH elements may be nested. Each end tag ends one element of its name."""
    open_elements, depth = dict[str, int](), 0
    for end, name in _TAG.findall(content):
        tag = name.lower()
        if tag in _FLAT:
            continue
        count = open_elements.get(tag, 0)
        step = (-1 if count else 0) if end else 1
        open_elements[tag], depth = count + step, depth + step
        if depth > _MAX_DEPTH:
            return True
    return False


class Content(NamedTuple):
    """A content as HTML that is safe within a mail, and as plain text."""

    html: str
    text: str


def content_of(content: str, link_color: str) -> Content:
    """Return a content for a mail. Plain text keeps its lines and paragraphs. Links have the given colour.

    Of HTML that is nested too deep, the text is left.
    """
    content = cut(content, MAX_CONTENT)
    if is_html(content) and _is_deep(content):
        content = plain_text(content)
    elif is_html(content):
        cleaned = _IMAGE.sub(_kept_image, _cleaner(link_color)(content))
        return Content(cleaned, _text_of(cleaned))
    text = _BREAK.sub("\n", content).strip()
    paragraphs = (each for each in re.split(r"\n\s*\n", text) if each)
    lines = (_linked(paragraph, link_color).replace("\n", "<br>") for paragraph in paragraphs)
    return Content("".join(f'<p style="{_PARAGRAPH}">{each}</p>' for each in lines), text)


def _linked(text: str, color: str) -> str:
    """Return an escaped text whose web addresses are links."""
    parts = _ADDRESS.split(text)
    for place, part in enumerate(parts):
        escaped = html.escape(part)
        link = f'<a href="{escaped}" class="{LINK_CLASS}" style="color:{color};text-decoration:underline">{escaped}</a>'
        parts[place] = link if place % 2 else escaped
    return "".join(parts)


@lru_cache(maxsize=64)
def _cleaner(link_color: str) -> Callable[[str], str]:
    """Return a function that sanitizes HTML, and gives the elements the styles that mail programs need inline."""
    import nh3  # imported by what sends mails alone: other processes shall not grow by it

    styles = {
        "a": f"color:{link_color};text-decoration:underline",
        "blockquote": "margin:0 0 16px;padding:0 16px;border-left:3px solid #d1d5db;border-right:0",
        "code": "font-family:ui-monospace,Menlo,Consolas,monospace;font-size:14px",
        "hr": "margin:24px 0;border:0;border-top:1px solid #d1d5db",
        "img": "max-width:100%;height:auto;border:0;border-radius:6px",
        "li": "margin:0 0 6px",
        "p": _PARAGRAPH,
        "pre": "margin:0 0 16px;padding:12px;border-radius:8px;background:#f3f4f6;font-family:ui-monospace,Menlo,"
        "Consolas,monospace;font-size:14px;line-height:1.5;white-space:pre-wrap;word-break:break-word",
        "table": "width:100%;margin:0 0 16px;border-collapse:collapse;font-size:15px",
        "td": "padding:8px 8px 8px 0;border-bottom:1px solid #d1d5db;vertical-align:top",
        "th": "padding:8px 8px 8px 0;border-bottom:2px solid #d1d5db;text-align:inherit",
        **{f"h{level}": f"{_HEADING};font-size:{max(22 - 2 * level, 15)}px" for level in range(1, 7)},
        **dict.fromkeys(("ol", "ul"), "margin:0 0 16px;padding:0 24px"),
    }
    values = {tag: {"style": style} for tag, style in styles.items()}
    classes = {"a": LINK_CLASS, "blockquote": QUOTE_CLASS, "pre": CODE_CLASS}
    for tag, name in {**classes, **dict.fromkeys(("hr", "td", "th"), ROW_CLASS)}.items():
        values[tag]["class"] = name
    cleaner = nh3.Cleaner(
        tags=set(_TAGS),
        clean_content_tags=set(_DROPPED),
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        attribute_filter=_filtered,
        url_schemes=set(_SCHEMES),
        set_tag_attribute_values=values,
        link_rel="noopener noreferrer",
    )
    return cleaner.clean


def _filtered(tag: str, name: str, value: str) -> str | None:
    """Return the value of an attribute, None to remove it. Images are loaded over TLS."""
    if tag == "img" and name == "src" and not value.lower().startswith("https://"):
        return None
    if name in ("width", "height", "colspan", "rowspan", "start") and not re.fullmatch(r"\d{1,4}", value):
        return None
    return value


def _kept_image(image: re.Match[str]) -> str:
    """Return an image that has an address; one without would be shown as broken."""
    return image[0] if ' src="' in image[0] else ""


_BLOCK_NAMES = "blockquote div figure h1 h2 h3 h4 h5 h6 hr ol p pre table ul"
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_LINES = frozenset(["br", "caption", "figcaption", "li", "tr"])


class _TextReader(HTMLParser):
    """Collects the text of sanitized HTML, with the addresses of links behind their texts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._links: list[tuple[str, int]] = []
        self._verbatim = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a line or a paragraph where a browser does."""
        values = dict(attrs)
        self._verbatim += tag == "pre"
        self._begin(tag)
        if tag == "li":
            self._parts.append("- ")
        elif tag == "a":
            self._links.append((values.get("href") or "", len(self._parts)))
        elif tag == "img" and (alt := values.get("alt")):
            self._parts.append(f"[{alt}]")

    def handle_endtag(self, tag: str) -> None:
        """End a line or a paragraph, and write the address of a link."""
        self._verbatim -= tag == "pre"
        if tag == "a":
            address, start = self._links.pop()
            label = "".join(self._parts[start:]).strip()
            if address and label not in (address, address.partition(":")[2]):
                self._parts.append(f" ({address})")
        elif tag in ("td", "th"):
            self._parts.append(" ")
        elif tag in _BLOCKS:
            self._begin(tag)

    def handle_data(self, data: str) -> None:
        """Collect a text. White space is one space, except in `pre`."""
        if not self._verbatim:
            data = re.sub(r"[\s\xa0]+", " ", data)
            data = data.lstrip(" ") if self._parts and self._parts[-1].endswith(("\n", " ")) else data
        self._parts.append(data)

    def _begin(self, tag: str) -> None:
        if tag in _BLOCKS:
            self._parts.append("\n\n")
        elif tag in _LINES:
            self._parts.append("\n")

    def text(self) -> str:
        """Return the text, with one empty line at most between paragraphs."""
        lines = "".join(self._parts).split("\n")
        return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip()


def _text_of(safe_html: str) -> str:
    reader = _TextReader()
    reader.feed(safe_html)
    reader.close()
    return reader.text()


def is_right_to_left(text: str) -> bool:
    """Return whether a text is written from right to left: whether its first letter is (UAX #9, P2 and P3)."""
    directions = (unicodedata.bidirectional(letter) for letter in text)
    return next((each for each in directions if each in ("L", "R", "AL")), "L") != "L"
