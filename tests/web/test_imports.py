"""Which sources of the client, the bell and the demo import which."""

import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from tests.npm import WEB

SOURCES = WEB / "src"

_IMPORT = re.compile(
    r'^(?:import|export)\s+(?!type\b)[^"\';]*"(\.[^"]+)"|^\s.*[^f] import\("(\.[^"]+)"\)', re.MULTILINE
)
_TYPES = re.compile(r'(?:^import\s+type\s[^"]*|typeof import\()"(\.[^"]+)"', re.MULTILINE)


def imports(expression: re.Pattern[str], *directories: str) -> dict[str, set[str]]:
    """Return the names of files, with those of the files that they import."""
    return {
        name_of(path): {name_of(path.parent / found) for found in _found(expression, path.read_text())}
        for directory in directories
        for path in (SOURCES / directory).rglob("*.[jt]s")
    }


def _found(expression: re.Pattern[str], source: str) -> Iterator[str]:
    for match in expression.finditer(source):
        yield next(group for group in match.groups() if group)


def name_of(path: Path) -> str:
    return path.resolve().relative_to(SOURCES).as_posix()


def test_modules_import_each_other_without_a_circle() -> None:
    found = imports(_IMPORT, "client", "bell", "demo")
    assert "client/actions.ts" in found["client/inbox_client.ts"]
    assert list(TopologicalSorter(found).static_order())  # raises CycleError


def test_the_client_knows_nothing_of_the_bell() -> None:
    for expression in (_IMPORT, _TYPES):
        imported = set.union(*imports(expression, "client").values())
        assert all(name.startswith("client/") for name in imported)


def test_the_bell_knows_only_the_public_part_of_the_client() -> None:
    for expression, public in ((_IMPORT, "client/index.ts"), (_TYPES, "client/types.ts")):
        imported = set.union(*imports(expression, "bell").values())
        assert {name for name in imported if not name.startswith("bell/")} == {public}
        assert (SOURCES / public).exists()
