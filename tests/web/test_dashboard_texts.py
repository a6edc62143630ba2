"""The texts of the dashboard can be found in its sources, so that they can be translated."""

import re
from collections.abc import Iterator

from tests.npm import WEB

SOURCES = WEB / "src" / "dashboard"

_CALL = re.compile(r"(?<![\w.$])(t|plural)\(")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|[()\[\]{},]|[^"`()\[\]{},]+')


def arguments(text: str, begin: int) -> list[str]:
    """Return the arguments of a call, which begin at a position of its source."""
    found, depth = [""], 0
    for match in _TOKEN.finditer(text, begin):
        token = match[0]
        if depth == 0 and token in (")", ","):
            if token == ")":
                break
            found.append("")
            continue
        depth += (token in "([{") - (token in ")]}")
        found[-1] += token
    return [each.strip() for each in found if each.strip()]


def calls() -> Iterator[tuple[str, str, list[str]]]:
    """Return each call of `t` and `plural`: its file, its name, and the arguments that are texts."""
    for path in sorted(SOURCES.rglob("*.ts*")):
        if path.name == "text.ts" or path.name.endswith(".d.ts"):
            continue
        source = path.read_text()
        for match in _CALL.finditer(source):
            given = arguments(source, match.end())
            yield str(path.relative_to(SOURCES)), match[0], given[:1] if match[1] == "t" else given[1:3]


def test_every_text_is_a_literal() -> None:
    found = list(calls())
    assert len(found) > 800
    assert [each for each in found if not each[2] or not all(_TEXT.fullmatch(text) for text in each[2])] == []


def test_the_numbers_of_a_plural_are_in_its_text_for_more() -> None:
    assert [(file, texts) for file, call, texts in calls() if call == "plural(" and "{n}" not in texts[-1]] == []
