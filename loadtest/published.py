"""The tables and plots of docs/performance.md: `python -m loadtest docs [RESULT]`.

Their data is stored in docs/performance.json, so that a test can generate them again and compare.
"""

import json
from collections.abc import Sequence
from typing import Any

from loadtest import goals, plots, report
from loadtest.journal import Row
from loadtest.machine import ROOT
from loadtest.report import Result

PAGE = ROOT / "docs" / "performance.md"
KEPT = PAGE.with_suffix(".json")
PLOTS = PAGE.parent / "images"

_BEGIN = "<!-- loadtest: by `python -m loadtest docs`, from docs/performance.json -->\n"
_END = "<!-- /loadtest -->\n"

_ALT = {
    "latency": "Publish-to-receive percentiles at half of each server's highest rate",
    "cpu": "CPU per delivery against connections",
    "memory": "Resident memory per idle connection against connections",
}

_DROPPED = {"settings", "samples", "rounds_cpu_us", "growth", "generator_lag_ms", "ratio_asyncio"}
"""Figures of rows that no table or plot of the documentation needs."""


class MarkError(Exception):
    """The page lacks the marks between which tables are written."""


def shortened(result: Result) -> dict[str, Any]:
    """Return the part of a result that tables and plots need."""
    names = ("machine", "plan", "workers", "ratios", "not_installed", "errors", "notes")
    return {**{name: result[name] for name in names}, "rows": [_shortened(row) for row in result["rows"]]}


def _shortened(row: Row) -> Row:
    kept = {name: value for name, value in row.items() if name not in _DROPPED}
    return {**kept, "faults": {name: count for name, count in row["faults"].items() if count}}


def written(result: Result) -> str:
    """Return a result as JSON with each row on a line, so that a diff shows its changes."""
    head = json.dumps({name: value for name, value in result.items() if name != "rows"}, indent=1)
    rows = ",\n".join("  " + json.dumps(row) for row in result["rows"])
    return f'{head[:-2]},\n "rows": [\n{rows}\n ]\n}}\n'


def block(result: Result) -> str:
    """Return the text between the marks of the page: the goals, the plots, all figures and how to read them."""
    verdicts = goals.judge(result["rows"])
    aimed_at = [verdict for verdict in verdicts if verdict.is_met is not None]
    only_shown = [verdict for verdict in verdicts if verdict.is_met is None]
    parts = [report.where(result), "## Beside other servers", _table(aimed_at, compared=True)]
    parts += [f"![{_ALT[name]}](images/performance-{name}.svg)" for name in drawings(result)]
    parts += ["## Promises that others do not make", _table(aimed_at, compared=False)]
    parts += ["## Servers in detail", report.table(*report.servers(result["rows"]))]
    parts += ["## Without a goal", _table(only_shown, compared=True), _table(only_shown, compared=False)]
    parts += ["## How to read them", "\n".join(f"- {line}" for line in report.how_to_read(result["machine"]))]
    return "\n\n".join(parts) + "\n"


def _table(verdicts: Sequence[goals.Verdict], *, compared: bool) -> str:
    """Return the table of the verdicts at places where peers were measured, or were not."""
    return report.table(*goals.table([verdict for verdict in verdicts if bool(verdict.peers) == compared]))


def drawings(result: Result) -> dict[str, str]:
    """Return the plots as SVG files, by name."""
    return {name: chart.svg_file() for name, chart in plots.of_servers(result["rows"]).items()}


def place(page: str, text: str) -> str:
    """Return a page with a text between its marks. Raise MarkError."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise MarkError(f"there must be a line `{_BEGIN.strip()}`, and then one `{_END.strip()}`")
    return f"{before}{_BEGIN}\n{text}\n{_END}{after}"


def write(result: Result) -> None:
    """Write the page, the plots, and their data. Raise MarkError."""
    kept = shortened(result)
    page = place(PAGE.read_text(), block(kept))
    KEPT.write_text(written(kept))
    for old in PLOTS.glob("performance-*.svg"):
        old.unlink()
    for name, drawing in drawings(kept).items():
        (PLOTS / f"performance-{name}.svg").write_text(drawing)
    PAGE.write_text(page)
