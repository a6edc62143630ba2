"""CONTRIBUTING.md lists words that were retired, and no text of ours uses one again."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

EXEMPT = {"CONTRIBUTING.md", "CHANGELOG.md", "tests/test_words.py", "tests/golden/record.py"}
"""The table itself, and what was written about earlier versions or runs in one."""

STORED = re.compile(r"settled_until|roster_size|:(roster|newcomers|settled):")
"""Names in stored data, which every version reads."""

TEXTS = {".py", ".lua", ".md", ".js", ".mjs", ".ts", ".html", ".toml", ".sh", ".yml", ".yaml"}

AT_THE_START = " at the start of a docstring"


def retired_words() -> tuple[list[str], list[str]]:
    """Return the words that may stand nowhere, and those that may not begin a docstring."""
    section = (ROOT / "CONTRIBUTING.md").read_text().split("### Retired words")[1]
    anywhere: list[str] = []
    first: list[str] = []
    for row in re.findall(r"^\| (`.+?) \| ", section, re.MULTILINE):
        (first if row.endswith(AT_THE_START) else anywhere).extend(re.findall(r"`(.+?)`", row))
    return anywhere, first


ANYWHERE, FIRST = retired_words()


def files(*suffixes: str) -> Iterator[Path]:
    """Return the files under version control that we wrote."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        path = ROOT / name
        written = name not in EXEMPT and "/dist/" not in name and "/corpus/" not in name
        if written and path.suffix in suffixes and path.is_file():
            yield path


def test_the_tables_are_read() -> None:
    assert "homeless" in ANYWHERE
    assert "Give" in FIRST


@pytest.mark.parametrize("word", ANYWHERE)
def test_a_retired_word_stays_away(word: str) -> None:
    # An underscore separates words of a name as a space does in a text.
    found = re.compile(rf"(?<![A-Za-z]){re.escape(word)}(?![A-Za-z])", re.IGNORECASE)
    places = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in files(*TEXTS)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if found.search(STORED.sub("", line))
    ]
    assert not places, "\n".join(places)


def docstrings() -> Iterator[tuple[str, str]]:
    """Return the place and text of every docstring."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for path in files(".py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, documented) and (text := ast.get_docstring(node)):
                yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}", text


def test_docstrings_begin_with_a_standard_verb() -> None:
    begins = re.compile(rf"(?:{'|'.join(FIRST)})\b")
    places = [f"{place}: {text.splitlines()[0]}" for place, text in docstrings() if begins.match(text)]
    assert not places, "\n".join(places)
