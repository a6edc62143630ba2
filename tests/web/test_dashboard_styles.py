"""The stylesheets of the dashboard's screens.

Those of parts stay on the page once they are loaded, and those of screens may be there together with them.
So a rule must concern its own part or screen alone.
"""

import re
from pathlib import Path

from tests.npm import WEB

DASHBOARD = WEB / "src" / "dashboard"
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
SELECTORS = re.compile(r"([^{}]+)\{")
CLASS = re.compile(r"\.([A-Za-z_][\w-]*)")


def selectors(sheet: Path) -> list[str]:
    text = COMMENT.sub("", sheet.read_text())
    groups = [group.strip() for group in SELECTORS.findall(text) if not group.strip().startswith("@")]
    # What is within a rule of @keyframes is no selector.
    every = [selector.strip() for group in groups for selector in re.split(r",(?![^(]*\))", group)]
    return [selector for selector in every if not re.fullmatch(r"from|to|[\d.]+%", selector)]


def test_each_rule_of_a_screen_names_a_class_that_no_other_stylesheet_has() -> None:
    sheets = {sheet: selectors(sheet) for sheet in sorted(DASHBOARD.rglob("*.css"))}
    classes = {
        sheet: {name for selector in every for name in CLASS.findall(selector)} for sheet, every in sheets.items()
    }
    leaks = []
    for sheet, every in sheets.items():
        if sheet.parent.name == "styles":
            continue
        elsewhere = set().union(*(names for other, names in classes.items() if other != sheet))
        leaks += [
            f"{sheet.relative_to(DASHBOARD)}: {selector}"
            for selector in every
            if not set(CLASS.findall(selector)) - elsewhere
        ]
    assert not leaks, "\n".join(leaks)
