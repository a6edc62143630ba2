"""The snippets of the documentation.

A block of code whose language is `text`, `json` or none shows output, or a file of somebody else. Each other one is a
snippet: a test runs it, or a comment on the line before it says why none does, `<!-- not run: it needs a cluster -->`.
A page of which no test runs any has one comment, `<!-- snippets not run: they need a cluster -->`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]

SHOWN = {"", "text", "json"}

_BLOCK = re.compile(
    r"^(?:[ ]*<!-- not run: (?P<reason>[^\n]+) -->\n+)?(?P<indent>[ ]*)```(?P<language>\w*)[^\n]*\n"
    r"(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


_PAGE = re.compile(r"^<!-- snippets not run: (.+) -->$", re.MULTILINE)


@dataclass(frozen=True)
class Snippet:
    """A block of code of a page. `not_run` is the reason why no test runs it, if there is one."""

    language: str
    text: str
    not_run: str


def snippets_of(page: Path) -> list[Snippet]:
    """Return the snippets of a page, those that no test runs as well."""
    content = page.read_text()
    whole = _PAGE.search(content)
    reason = whole[1] if whole else ""
    found = (
        Snippet(
            block["language"], re.sub(rf"^{block['indent']}", "", block["text"], flags=re.M), block["reason"] or reason
        )
        for block in _BLOCK.finditer(content)
    )
    return [each for each in found if each.language not in SHOWN]
