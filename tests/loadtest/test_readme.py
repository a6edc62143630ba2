"""The tables and plots of the README are those of the stored result."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loadtest import readme
from loadtest.machine import ROOT

KEPT: dict[str, Any] = json.loads(readme.KEPT.read_text())


def test_the_readme_has_the_tables_of_the_stored_result() -> None:
    page = readme.README.read_text()
    assert readme.place(page, readme.block(KEPT)) == page, "run `.venv/bin/python -m loadtest readme`"


def test_the_page_has_all_figures_of_the_stored_result() -> None:
    assert readme.PAGE.read_text() == readme.page(KEPT), "run `.venv/bin/python -m loadtest readme`"


def test_the_plots_are_those_of_the_stored_result() -> None:
    drawn = readme.drawings(KEPT)
    assert {path.name for path in readme.DOCS.glob("loadtest-*.svg")} == {f"loadtest-{name}.svg" for name in drawn}
    for name, drawing in drawn.items():
        assert (readme.DOCS / f"loadtest-{name}.svg").read_text() == drawing, name


def test_the_readme_shows_latencies_cpu_and_memory() -> None:
    assert readme.drawings(KEPT).keys() == {"latency", "cpu", "memory"}


def test_the_stored_result_contains_only_what_is_needed() -> None:
    kept = readme.shortened(KEPT)
    assert kept == KEPT
    assert json.loads(readme.written(kept)) == kept


def test_the_stored_result_is_of_a_full_run_without_faults() -> None:
    assert KEPT["plan"]["name"] == "full"
    assert KEPT["errors"] == []
    assert not any(any(row["faults"].values()) for row in KEPT["rows"])


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(readme.MarkError):
        readme.place("# A page\n", "text")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"errors": ["fanout: a server ended"]}, "fanout: a server ended"),
        ({"plan": {"name": "quick"}}, "plan quick"),
        ({"rows": [{"scenario": "storm", "faults": {"lost": 1}}]}, "has faults: storm"),
    ],
)
def test_a_result_with_errors_or_faults_or_of_another_plan_is_refused(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    result = tmp_path / "result.json"
    result.write_text(json.dumps({**KEPT, **change}))
    before = readme.README.read_text()
    command = [sys.executable, "-m", "loadtest", "readme", str(result)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert reason in done.stderr
    assert readme.README.read_text() == before
