"""Which sources of the client, the bell, the demo and the dashboard import which."""

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
        for path in (SOURCES / directory).rglob("*.*")
        if path.suffix in (".js", ".ts", ".tsx")
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


DASHBOARD_LAYERS = {
    "core": {"core"},
    "kit": {"kit", "core", "parts"},
    "shell": {"shell", "kit", "core", "parts", "screens.ts"},
}
"""What the folders of the dashboard import. Of another folder, they may import types as well."""

SHARED = {"core", "kit", "chart", "parts", "preview"}
"""What screens and parts import, beside their own folder."""


def dashboard_imports(expression: re.Pattern[str]) -> Iterator[tuple[str, str, str]]:
    """Return each import of the dashboard: the file, its place, and the place of what it imports.

    A place is a folder such as `core`, a screen such as `screens/users`, or a file.
    """
    for name, imported in imports(expression, "dashboard").items():
        for target in imported:
            if target.startswith("dashboard/"):
                yield name, place_of(name), place_of(target)


def place_of(name: str) -> str:
    _, folder, *rest = name.split("/")
    return f"screens/{rest[0].removesuffix('.tsx')}" if folder == "screens" else folder


def test_the_folders_of_the_dashboard_import_those_below_them() -> None:
    found = list(dashboard_imports(_IMPORT))
    assert {place for _, place, _ in found} >= set(DASHBOARD_LAYERS)
    wrong = [each for each in found if each[1] in DASHBOARD_LAYERS and each[2] not in DASHBOARD_LAYERS[each[1]]]
    assert wrong == []


def test_a_screen_imports_no_other_screen() -> None:
    for expression in (_IMPORT, _TYPES):
        allowed = SHARED | ({"screens.ts"} if expression is _TYPES else set())
        found = [each for each in dashboard_imports(expression) if each[1].startswith("screens/") or each[1] == "parts"]
        assert [each for each in found if each[2] not in allowed | {each[1]}] == []
