"""CONTRIBUTING.md lists words that were retired, and no text of ours uses one again."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

EXEMPT = {"CONTRIBUTING.md", "CHANGELOG.md", "tests/test_words.py", "tests/golden/record.py"}
"""The table itself, and what was written about earlier versions or runs in one."""

TEXTS = {".py", ".lua", ".md", ".js", ".mjs", ".ts", ".html", ".toml", ".sh", ".yml", ".yaml"}

AT_THE_START = " at the start of a docstring"


def retired_words() -> tuple[dict[str, str], dict[str, str]]:
    """Return the words that may stand nowhere and those that may not begin a docstring, each with what replaces it."""
    section = (ROOT / "CONTRIBUTING.md").read_text().split("### Retired words")[1]
    anywhere: dict[str, str] = {}
    first: dict[str, str] = {}
    for words, instead in re.findall(r"^\| (`.+?) \| (.+) \|$", section, re.MULTILINE):
        found = dict.fromkeys(re.findall(r"`(.+?)`", words), instead)
        (first if words.endswith(AT_THE_START) else anywhere).update(found)
    return anywhere, first


def stored_names() -> re.Pattern[str]:
    """Return a pattern of the names in stored data, which may contain retired words."""
    text = (ROOT / "CONTRIBUTING.md").read_text().split("Stored names keep their spelling")[1].split("\n\n")[0]
    return re.compile("|".join(map(re.escape, re.findall(r"`(.+?)`", text))))


ANYWHERE, FIRST = retired_words()
STORED = stored_names()


def files(*suffixes: str) -> Iterator[Path]:
    """Return the files that we wrote, those that are not added to version control yet as well."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        path = ROOT / name
        written = name not in EXEMPT and "/dist/" not in name and "/corpus/" not in name
        if written and path.suffix in suffixes and path.is_file():
            yield path


@cache
def lines() -> list[tuple[str, str]]:
    """Return the place and text of every line that we wrote."""
    return [
        (f"{path.relative_to(ROOT)}:{number}", STORED.sub("", line).strip())
        for path in files(*TEXTS)
        for number, line in enumerate(path.read_text().splitlines(), 1)
    ]


def test_the_tables_are_read() -> None:
    assert ANYWHERE["homeless"] == "orphaned"
    assert FIRST["Give"].startswith("Return")


@pytest.mark.parametrize("word", ANYWHERE)
def test_a_retired_word_stays_away(word: str) -> None:
    # An underscore separates words of a name as a space does in a text.
    found = re.compile(rf"(?<![A-Za-z]){re.escape(word)}(?![A-Za-z])", re.IGNORECASE)
    places = [f"{place}: {line[:100]}" for place, line in lines() if found.search(line)]
    retired = f"`{word}` is retired (see Language in CONTRIBUTING.md): write {ANYWHERE[word]}"
    assert not places, "\n".join([retired, *places])


def docstrings() -> Iterator[tuple[str, str]]:
    """Return the place and text of every docstring."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for path in files(".py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, documented) and (text := ast.get_docstring(node)):
                yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}", text


def test_docstrings_begin_with_a_standard_verb() -> None:
    instead = ", ".join(dict.fromkeys(FIRST.values()))
    begins = re.compile(rf"(?:{'|'.join(FIRST)})\b")
    places = [f"{place}: {text.splitlines()[0]}" for place, text in docstrings() if begins.match(text)]
    assert not places, "\n".join([f"Begin these docstrings with a verb, such as {instead}:", *places])
