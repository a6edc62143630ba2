"""Texts of notifications, made to fit: HTML as plain text, and cuts that never end within what a reader sees as one
character. Payloads of providers, with what the sender adds to them.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from html import unescape
from typing import Any

import msgspec

ELLIPSIS = "\u2026"

_MARKUP = re.compile(r"</?[A-Za-z][^<>]*>|<!--|&(#[0-9]+|#[xX][0-9A-Fa-f]+|[A-Za-z][A-Za-z0-9]*);")
"""A tag, a comment or a character reference. `a < b`, `AT&T` and `<3` are plain text."""

_BLOCKS = re.compile(
    "address|article|aside|blockquote|center|dd|div|dl|dt|fieldset|figure|footer|form|h[1-6]|header|hr|li|main|nav|ol|p|pre"
    "|section|table|tr|ul|br"
)

_UNSEEN = ("script", "style", "title")
"""Elements whose text is not shown. It ends with the end tag, and markup has no meaning in it."""

_TOKEN = re.compile(
    r"""<!--.*?(?:-->|\Z)
    |<(?P<end>/?)(?P<name>[A-Za-z][^\s/>]*)
        (?P<attributes>(?:[^>"'=]|=\s*(?:"[^"]*(?:"|\Z)|'[^']*(?:'|\Z))|[="'])*)(?:>|\Z)
    |<[!?/][^>]*(?:>|\Z)
    |[^<]+|<""",
    re.DOTALL | re.VERBOSE,
)
"""A comment, a tag, another declaration, or a text. One matches at each place, whatever follows there, so that reading
takes a time in proportion to the length. That of html.parser grows with the square of it: a content of 200 KB keeps it
busy for a minute."""

_ATTRIBUTE = re.compile(r"""([^\s=/>"']+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s>]*))?""")

MAX_READ = 200_000
"""How many characters of content are read. No channel but mail, which has code of its own, shows a tenth of them."""

_ZERO_WIDTH_JOINER = "\u200d"

MAX_CLUSTER = 64
"""How far back a cut moves at most. A longer cluster is no text that anybody reads."""


def plain_text(content: str | None) -> str:
    """Return content as plain text. Content that has no markup stays as it is, except for white space around it."""
    if not content:
        return ""
    content = content[:MAX_READ]
    if not _MARKUP.search(content):
        return content.strip()
    reader = _TextReader()
    reader.read(content)
    lines = (" ".join(line.split()) for line in "".join(reader.found).split("\n"))
    return re.sub("\n{3,}", "\n\n", "\n".join(lines)).strip()


class _TextReader:
    """Collects the text of HTML. Each block is a line of its own, and an image is its alternative text.

    Markup without an end is text.
    """

    def __init__(self) -> None:
        self.found: list[str] = []

    def read(self, content: str) -> None:
        """Read a whole content."""
        place, lower = 0, ""
        while token := _TOKEN.match(content, place):
            place, text = token.end(), token[0]
            name = (token["name"] or "").lower()
            if not text.startswith("<") or not text.endswith(">") or text == "<":
                self._add(text)
            elif token["end"]:
                self._end(name)
            elif name in _UNSEEN:
                lower = lower or content.lower()
                end = lower.find(f"</{name}", place)
                place = len(content) if end < 0 else end
            elif name:
                self._start(name, token["attributes"])

    def _start(self, tag: str, attributes: str) -> None:
        if _BLOCKS.fullmatch(tag):
            self._break(double=tag == "p")
        elif tag in ("td", "th"):
            self.found.append(" ")
        elif tag == "img":
            self._add(_value_of("alt", attributes))
        if tag == "li":
            self.found.append("\u2022 ")

    def _end(self, tag: str) -> None:
        if tag != "br" and _BLOCKS.fullmatch(tag):
            self._break(double=tag == "p")

    def _add(self, text: str) -> None:
        self.found.append(re.sub(r"\s+", " ", unescape(text)))

    def _break(self, *, double: bool) -> None:
        ending = "".join(self.found[-2:]).rstrip(" ")
        wanted = 2 if double else 1
        self.found.append("\n" * (wanted - (len(ending) - len(ending.rstrip("\n")))))


def _value_of(name: str, attributes: str) -> str:
    """Return the value of an attribute, still with character references, "" if it is absent."""
    for found in _ATTRIBUTE.finditer(attributes):
        if found[1].lower() == name:
            return (found[2] or "").strip("\"'")
    return ""


def utf8_size(text: str) -> int:
    """Return how many bytes a text has in UTF-8."""
    return len(text.encode())


def json_size(text: str) -> int:
    """Return how many bytes a text has in a JSON string in UTF-8, without the quotes."""
    return len(msgspec.json.encode(text)) - 2


def cut(text: str, limit: int, size: Callable[[str], int] = len) -> str:
    """Return a text whose size is `limit` at most. A longer one is cut, and ends with an ellipsis.

    `size` is `len` for a limit in characters, or `utf8_size`, or `json_size`. The text is never cut within a grapheme
    cluster, such as an emoji of several characters, a flag, or a letter with its accents (UAX #29, simplified). The
    result is "" if not even the ellipsis fits.
    """
    if size(text) <= limit:
        return text
    room = limit - size(ELLIPSIS)
    if room < 0:
        return ""
    fits, high = 0, min(len(text), room)  # each character has a size of 1 or more
    while fits < high:
        middle = (fits + high + 1) // 2
        if size(text[:middle]) <= room:
            fits = middle
        else:
            high = middle - 1
    return text[: _cluster_start(text, fits)].rstrip() + ELLIPSIS


def _cluster_start(text: str, index: int) -> int:
    """Return the last place up to `index` at which a grapheme cluster begins."""
    start = index
    while 0 < start < len(text) and _continues(text, start):
        start -= 1
        if index - start > MAX_CLUSTER:
            return index
    return start


def _continues(text: str, index: int) -> bool:
    """Return whether the character at `index` belongs to the cluster of the one before it."""
    before, after = text[index - 1], text[index]
    if before == _ZERO_WIDTH_JOINER or after == _ZERO_WIDTH_JOINER or before + after == "\r\n":
        return True
    if unicodedata.category(after) in ("Mn", "Me", "Mc") or "\U0001f3fb" <= after <= "\U0001f3ff":
        return True
    if "\U000e0020" <= after <= "\U000e007f":  # the tags of the flags of regions
        return True
    if _is_regional(after) and _is_regional(before):  # two of them are a flag
        begin = index
        while begin > 0 and _is_regional(text[begin - 1]):
            begin -= 1
        return (index - begin) % 2 == 1
    return "\u1160" <= after <= "\u11ff"  # vowels and finals of Hangul


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def merged(base: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with the fields of both. Where both have an object, these are merged; else `extra` counts."""
    found = dict(base)
    for name, value in extra.items():
        present = found.get(name)
        both = isinstance(present, Mapping) and isinstance(value, Mapping)
        found[name] = merged(present, value) if both else value  # type: ignore[arg-type] # `both` says so
    return found


Compose = Callable[[str, str], bytes]
"""Returns a payload with this title and this body."""


def fitted(compose: Compose, title: str, body: str, limit: int) -> bytes | None:
    """Return a payload of `limit` bytes at most, None if it is too large even with the shortest texts.

    The body is cut first. If that is not enough, it is left out, and the title is cut.
    """
    payload = compose(title, body)
    if len(payload) <= limit:
        return payload
    if body and (found := _longest(lambda text: compose(title, text), body, limit)):
        return found
    return _longest(lambda text: compose(text, ""), title, limit)


def _longest(compose: Callable[[str], bytes], text: str, limit: int) -> bytes | None:
    """Return the payload with as much of a text as fits, None if it is too large with the ellipsis alone."""
    found = None
    low, high = json_size(ELLIPSIS), json_size(text)
    while low <= high:
        middle = (low + high) // 2
        payload = compose(cut(text, middle, json_size))
        if len(payload) <= limit:
            found, low = payload, middle + 1
        else:
            high = middle - 1
    return found
