"""The README's table and plots, and a page with all figures: `python -m loadtest readme [RESULT]`.

What they are made of is kept in docs/loadtest.json, so that a test can make them again and find them as they are.
"""

import json
from typing import Any

from loadtest import goals, plots, report
from loadtest.journal import Row
from loadtest.machine import ROOT
from loadtest.report import Result

README = ROOT / "README.md"
DOCS = ROOT / "docs"
KEPT = DOCS / "loadtest.json"
PAGE = DOCS / "loadtest.md"

_BEGIN = "<!-- loadtest: by `python -m loadtest readme`, from docs/loadtest.json -->\n"
_END = "<!-- /loadtest -->\n"

_ALT = {
    "latency": "Publish-to-receive percentiles at half of each server's highest rate",
    "cpu": "CPU per delivery against connections",
    "memory": "Resident memory per idle connection against connections",
}

_DROPPED = {"settings", "samples", "rounds_cpu_us", "growth", "generator_lag_ms", "ratio_asyncio"}
"""Figures of rows that no table or plot here has."""


class MarkError(Exception):
    """The README has no place for the tables."""


def shortened(result: Result) -> dict[str, Any]:
    """Give the part of a result that tables and plots are made of."""
    names = ("machine", "plan", "workers", "ratios", "not_installed", "errors", "notes")
    return {**{name: result[name] for name in names}, "rows": [_shortened(row) for row in result["rows"]]}


def _shortened(row: Row) -> Row:
    kept = {name: value for name, value in row.items() if name not in _DROPPED}
    return {**kept, "faults": {name: count for name, count in row["faults"].items() if count}}


def written(result: Result) -> str:
    """Write a result with a row on each line: its changes are read in a diff."""
    head = json.dumps({name: value for name, value in result.items() if name != "rows"}, indent=1)
    rows = ",\n".join("  " + json.dumps(row) for row in result["rows"])
    return f'{head[:-2]},\n "rows": [\n{rows}\n ]\n}}\n'


def block(result: Result) -> str:
    """Write what stands between the marks of the README: what is aimed at, and one plot."""
    aimed_at = [verdict for verdict in goals.judge(result["rows"]) if verdict.is_met is not None]
    parts = [report.where(result), report.table(*goals.table(aimed_at)), _image("cpu", DOCS.name + "/")]
    return "\n\n".join(parts) + "\n"


def page(result: Result) -> str:
    """Write the page with all figures."""
    parts = [
        "# What it costs",
        "Written by `python -m loadtest readme`, as the README's table is.",
        report.where(result),
    ]
    parts += [report.table(*content) for _, content in report.summaries(result["rows"])]
    parts += [_image(name) for name in drawings(result)]
    parts.append("\n".join(f"- {line}" for line in report.how_to_read(result["machine"])))
    return "\n\n".join(parts) + "\n"


def _image(name: str, directory: str = "") -> str:
    return f"![{_ALT[name]}]({directory}loadtest-{name}.svg)"


def drawings(result: Result) -> dict[str, str]:
    """Draw the plots, by name."""
    return {name: chart.svg_file() for name, chart in plots.of_servers(result["rows"]).items()}


def place(page: str, text: str) -> str:
    """Put the block between the marks of a page. Raises MarkError."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise MarkError(f"there must be a line `{_BEGIN.strip()}`, and then one `{_END.strip()}`")
    return f"{before}{_BEGIN}\n{text}\n{_END}{after}"


def write(result: Result) -> None:
    """Write README, page, plots, and what they are made of. Raises MarkError."""
    kept = shortened(result)
    readme = place(README.read_text(), block(kept))
    KEPT.write_text(written(kept))
    PAGE.write_text(page(kept))
    for old in DOCS.glob("loadtest-*.svg"):
        old.unlink()
    for name, drawing in drawings(kept).items():
        (DOCS / f"loadtest-{name}.svg").write_text(drawing)
    README.write_text(readme)
