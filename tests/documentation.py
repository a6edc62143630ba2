"""The documentation site: `python -m tests.documentation` builds it into build/site, and checks it.

Zensical refuses links in Markdown to pages and headings that do not exist. The rest is checked in the built pages:
pictures and links in HTML, that no page of docs/ is missing in the navigation, and that no page loads anything from
another host.
"""

import html
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SITE = ROOT / "build" / "site"

DESCRIPTION_CHARACTERS = 200
"""What search engines show of a description."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LOADED = {
    "script": "src",
    "img": "src",
    "link": "href",
    "iframe": "src",
    "source": "srcset",
    "video": "src",
    "audio": "src",
}
_OTHER_HOST = re.compile(r"@import\s+[\"']?(?:https?:)?//|url\(\s*[\"']?(?:https?:)?//")


class SiteError(Exception):
    """The site could not be built, or has faults."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc] # it has no types
    """A loader that reads the tags of MkDocs, which name Python functions, as their texts."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: suffix)


def configuration() -> dict[str, Any]:
    """Return mkdocs.yml."""
    content: dict[str, Any] = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader=_Loader)  # noqa: S506 - a safe loader
    return content


def navigation() -> list[tuple[str, list[str]]]:
    """Return the sections of the navigation with the paths of their pages, in their order."""
    return [(title, list(_pages(part))) for entry in configuration()["nav"] for title, part in entry.items()]


def _pages(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, list):
        for each in part:
            yield from _pages(each)
    else:
        for each in part.values():
            yield from _pages(each)


def build() -> None:
    """Build the site and llms.txt. Raise SiteError with what Zensical has found."""
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        printed = _COLOURS.sub("", done.stdout + done.stderr)
        raise SiteError(printed.partition("Traceback (most recent call last)")[0])
    _describe_pages()
    (SITE / "llms.txt").write_text(index())
    (SITE / "llms-full.txt").write_text(whole())


def _describe_pages() -> None:
    """Write into the head of each page what it is about, for search engines and previews of links."""
    name = configuration()["site_name"]
    for page in (page for _, pages in navigation() for page in pages):
        path = SITE / _address(page)
        title = name if page == "index.md" else f"{_title(page).replace('`', '')} - {name}"
        values = {"og:title": title, "og:description": _description(page), "og:site_name": name}
        tags = [f'<meta property="{key}" content="{html.escape(value)}">' for key, value in values.items()]
        head = f'<meta name="description" content="{html.escape(values["og:description"])}">' + "".join(tags)
        text = re.sub(r'<meta name="description"[^>]*>', lambda _: head, path.read_text(), count=1)  # noqa: B023
        path.write_text(re.sub(r"<title>.*?</title>", f"<title>{html.escape(title)}</title>", text, count=1))


def index() -> str:
    """Return llms.txt (llmstxt.org): the title and first sentence of each page, by section."""
    settings = configuration()
    parts = [f"# {settings['site_name']}\n\n> {settings['site_description']}\n"]
    for title, pages in navigation():
        lines = [f"- [{_title(page)}]({_address(page)}): {_sentence(page)}" for page in pages]
        parts.append(f"## {title}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def whole() -> str:
    """Return all pages as one text, in the order of the navigation."""
    pages = [page for _, pages in navigation() for page in pages]
    return "\n".join(f"<!-- {_address(page)} -->\n\n{(DOCS / page).read_text()}" for page in pages)


def _address(page: str) -> str:
    return re.sub(r"README\.html$", "index.html", page.removesuffix(".md") + ".html")


def _title(page: str) -> str:
    found = re.search(r"^# (.*)$", (DOCS / page).read_text(), flags=re.MULTILINE)
    return found[1] if found else page


def _sentence(page: str) -> str:
    """Return the first sentence of a page's text as plain text."""
    return _sentences(page)[0]


def _description(page: str) -> str:
    """Return as many of the first sentences of a page's text as a search engine shows, without marks."""
    first, *others = _sentences(page)
    for each in others:
        if len(first) + len(each) > DESCRIPTION_CHARACTERS or each.endswith(":"):
            break
        first += f" {each}"
    return re.sub(r":$", ".", first.replace("`", ""))


def _sentences(page: str) -> list[str]:
    """Return the sentences of the first paragraph of a page."""
    text = (DOCS / page).read_text()
    prose = next((part for part in text.split("\n\n") if not re.match(r"(#|- |---|\* |\||<|```|!\[|\d\.|$)", part)), "")
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(prose.split())).replace("**", "")
    return re.split(r"(?<=[.:])\s", plain)


class _Links(HTMLParser):
    """What one page links to, what it loads, and the ids that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.linked: list[str] = []
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if "id" in values:
            self.ids.add(values["id"] or "")
        address = values.get(_LOADED.get(tag, ""))
        if address and not (tag == "link" and values.get("rel") in ("canonical", "prev", "next")):
            self.loaded.append(address.split()[0])
        if tag == "a" and values.get("href"):
            self.linked.append(str(values["href"]))


def faults() -> list[str]:
    """Return what is wrong with the built site, a line each."""
    pages = {path: _Links(path.read_text()) for path in SITE.rglob("*.html")}
    found = [f"{page} is not in nav of mkdocs.yml" for page in sorted(_written() - _listed())]
    for path, links in pages.items():
        name = path.relative_to(SITE)
        found += [f"{name} loads {address}" for address in links.loaded if _leaves(address)]
        if name.name != "404.html":  # its links are from the root of the site
            found += [f"{name} -> {link}" for link in links.linked + links.loaded if not _leads(path, link, pages)]
    for path in SITE.rglob("*.css"):
        if _OTHER_HOST.search(path.read_text()):
            found.append(f"{path.relative_to(SITE)} loads from another host")
    return sorted(set(found))


def _written() -> set[str]:
    return {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}


def _listed() -> set[str]:
    return {page for _, pages in navigation() for page in pages}


def _leaves(address: str) -> bool:
    return bool(urlsplit(address).netloc)


def _leads(path: Path, link: str, pages: dict[Path, _Links]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    target = target / "index.html" if target.is_dir() else target
    if not target.is_file():
        return False
    return not parts.fragment or target not in pages or unquote(parts.fragment) in pages[target].ids


def main() -> None:
    """Build the site. Exit with what is wrong with it."""
    try:
        build()
    except SiteError as error:
        sys.exit(str(error))
    if found := faults():
        sys.exit("\n".join(found))
    print(f"The documentation is in {SITE.relative_to(ROOT)}: open {SITE.relative_to(ROOT)}/index.html")  # noqa: T201


if __name__ == "__main__":
    main()
