"""Every key of a used store is named in keys.py with its type, and nothing else spells a key."""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.store import keys
from tests.golden.data import read_file

STORE = Path(keys.__file__).parent
SOURCE = Path(keys.__file__).read_text()

TYPES = {
    "hash": "hash",
    "string": "string",
    "set": "set",
    "sorted set": "zset",
    "stream": "stream",
    "list": "list",
    "HyperLogLog": "string",
}

LIFETIME = re.compile(
    r"(for ever|until|while|as long as|bounded|\d+ (s|h|days|months)\b|a (day|year)\b|an hour\b|seconds)", re.I
)

BASES: dict[str, list[str | Callable[..., str]]] = {
    "PROJECT_SUFFIXES": [keys.PROJECTS],
    "DIRECTORY_SUFFIXES": [keys.directory],
    "USER_SUFFIXES": [keys.user, keys.project, keys.admin_rate],
    "JOB_SUFFIXES": [keys.job, keys.JOB_QUEUE],
}
"""What the suffixes of each group follow."""

SPELLED = {"INBOX": r"\d", "TOPICS": r"\d", "CATEGORY": r"\d:.*"}
"""What follows a suffix, where that is more than anything or nothing."""


def pattern_of(base: str | Callable[..., str]) -> str:
    """Return an expression for the keys that a constant or a function names."""
    if isinstance(base, str):
        return re.escape(base)
    name = base(*["\1"] * len(inspect.signature(base).parameters))
    return re.escape(name).replace("\1", "[^{}:]+")


def suffixes_with_comments(group: str) -> Iterator[tuple[str, str]]:
    """Iterate over the names of a group of suffixes, each with the comment above it."""
    body = re.search(rf"^{group} = {{\n(.*?)^}}", SOURCE, re.MULTILINE | re.DOTALL)
    assert body is not None
    for comment, name in re.findall(r"((?:^    #.*\n)+)^    \"(\w+)\"", body[1], re.MULTILINE):
        yield name, re.sub(r"\s*#\s*", " ", comment).strip()


def described() -> Iterator[tuple[str, str, str]]:
    """Iterate over all entries: name, description, and an expression for its keys."""
    for group, bases in BASES.items():
        assert {name for name, _ in suffixes_with_comments(group)} == set(getattr(keys, group)), "each has a comment"
        for name, comment in suffixes_with_comments(group):
            suffix = re.escape(getattr(keys, group)[name]) + SPELLED.get(name, "" if name in keys.USER_KEYS else ".*")
            yield name, comment, "|".join(f"(?:{pattern_of(base)}{suffix})" for base in bases)
    for name, value in vars(keys).items():
        if inspect.isfunction(value) and value.__module__ == keys.__name__:
            yield name, inspect.getdoc(value) or "", pattern_of(value)
    for name, docstring in re.findall(r'^([A-Z_]+) = [^\n]*\n"""(.*?)"""', SOURCE, re.MULTILINE | re.DOTALL):
        if isinstance(getattr(keys, name), str):
            yield name, docstring, pattern_of(getattr(keys, name))


ENTRIES = [
    entry for entry in described() if re.match(r"[a-z ]+( \"1\")?(, beside[^:]*)?:|HyperLogLog:", entry[1], re.I)
]


def type_of(description: str) -> str:
    kind = re.match(r"(hash|string|set|sorted set|stream|list|HyperLogLog)\b", description)
    assert kind is not None, description
    return TYPES[kind[1]]


def test_there_are_entries_of_all_aggregates() -> None:
    assert len(ENTRIES) > 40
    assert {"STATES", "user", "PROJECTS", "CLAIMS", "GENERATION", "idempotency"} <= {name for name, _, _ in ENTRIES}


@pytest.mark.parametrize(("name", "description"), [entry[:2] for entry in ENTRIES], ids=[entry[0] for entry in ENTRIES])
def test_an_entry_says_type_and_lifetime(name: str, description: str) -> None:
    assert type_of(description)
    assert LIFETIME.search(description), description


@pytest.mark.parametrize("entry", read_file()["entries"], ids=lambda entry: entry["key"].encode().hex()[-16:])
def test_a_key_of_a_used_store_is_described_with_its_type(entry: dict[str, str]) -> None:
    found = {type_of(text) for _, text, keyed in ENTRIES if re.fullmatch(keyed, entry["key"], re.DOTALL)}
    assert found == {entry["type"]}, entry["key"]


@pytest.mark.parametrize("path", sorted(STORE.rglob("*.py")) + sorted(STORE.rglob("*.lua")), ids=lambda path: path.name)
def test_no_other_file_spells_a_key(path: Path) -> None:
    if path.name == "keys.py":
        return
    text = path.read_text()
    assert keys.PREFIX not in text
    suffixes = [*keys.USER_SUFFIXES.values(), *keys.DIRECTORY_SUFFIXES.values(), *keys.JOB_SUFFIXES.values()]
    for suffix in (*suffixes, *keys.PROJECT_SUFFIXES.values()):
        assert f"'{suffix}'" not in text
        assert f'"{suffix}"' not in text
