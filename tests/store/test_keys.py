"""Every key of a used store has an entry in keys.py with its type, and no other module contains a key's name."""

import ast
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
    "EVENT_SUFFIXES": [keys.project_events],
    "WEBHOOK_SUFFIXES": [keys.webhook_endpoint],
    "LANE_SUFFIXES": [keys.lanes],
    "HOLDER_SUFFIXES": [keys.token_holders],
}
"""The keys that the suffixes of each group follow."""

SPELLED = {"INBOX": r"\d", "TOPICS": r"\d", "CATEGORY": r"\d:.*"}
"""The patterns of the parts that follow some suffixes."""


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
        assert {name for name, _ in suffixes_with_comments(group)} == set(getattr(keys, group)), (
            f"each of {group} in gateway/store/keys.py needs a comment above it, with its type and lifetime"
        )
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
def test_an_entry_has_type_and_lifetime(name: str, description: str) -> None:
    assert type_of(description)
    assert LIFETIME.search(description), f"{name} in keys.py needs a lifetime, such as `For ever.`: {description}"


@pytest.mark.parametrize("entry", read_file()["entries"], ids=lambda entry: entry["key"].encode().hex()[-16:])
def test_a_key_of_a_used_store_is_described_with_its_type(entry: dict[str, str]) -> None:
    found = {type_of(text) for _, text, keyed in ENTRIES if re.fullmatch(keyed, entry["key"], re.DOTALL)}
    assert found == {entry["type"]}, entry["key"]


SUFFIXES = (
    *keys.PROJECT_SUFFIXES.values(),
    *keys.DIRECTORY_SUFFIXES.values(),
    *keys.USER_SUFFIXES.values(),
    *keys.JOB_SUFFIXES.values(),
    *keys.EVENT_SUFFIXES.values(),
    *keys.WEBHOOK_SUFFIXES.values(),
    *keys.LANE_SUFFIXES.values(),
    *keys.HOLDER_SUFFIXES.values(),
)
GATEWAY = STORE.parent
SOURCES = sorted(
    path
    for path in GATEWAY.rglob("*")
    if path.suffix in (".py", ".lua") and path != STORE / "keys.py" and GATEWAY / "web" not in path.parents
)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Iterate over the string literals of a file, and the literal parts of its f-strings, each with its line."""
    if path.suffix == ".lua":
        for line, text in enumerate(path.read_text().splitlines(), 1):
            yield from ((line, literal) for literal in re.findall(r"'([^']*)'", text.partition("--")[0]))
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            yield node.lineno, node.value if isinstance(node.value, str) else node.value.decode("latin-1")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(GATEWAY)))
def test_no_other_file_spells_a_key(path: Path) -> None:
    spelt = [
        f"{path.relative_to(GATEWAY)}:{line} spells a key, {text!r}: name it in gateway/store/keys.py instead"
        for line, text in texts(path)
        if keys.PREFIX in text
        or text.endswith(SUFFIXES)
        or (path.suffix == ".lua" and re.match(r":[a-z]", text, re.IGNORECASE))
    ]
    assert not spelt, "\n".join(spelt)
