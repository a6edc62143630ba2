"""The tables and plots of docs/performance.md are those of the stored result."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loadtest import published
from loadtest.machine import ROOT

KEPT: dict[str, Any] = json.loads(published.KEPT.read_text())


def test_the_page_has_the_tables_of_the_stored_result() -> None:
    page = published.PAGE.read_text()
    assert published.place(page, published.block(KEPT)) == page, "run `.venv/bin/python -m loadtest docs`"


def test_the_plots_are_those_of_the_stored_result() -> None:
    drawn = published.drawings(KEPT)
    stored = {path.name for path in published.PLOTS.glob("performance-*.svg")}
    assert stored == {f"performance-{name}.svg" for name in drawn}
    for name, drawing in drawn.items():
        assert (published.PLOTS / f"performance-{name}.svg").read_text() == drawing, name


def test_the_page_shows_latencies_cpu_and_memory() -> None:
    assert published.drawings(KEPT).keys() == {"latency", "cpu", "memory"}


def test_the_stored_result_contains_only_what_is_needed() -> None:
    kept = published.shortened(KEPT)
    assert kept == KEPT
    assert json.loads(published.written(kept)) == kept


def test_the_stored_result_is_of_a_full_run_without_faults() -> None:
    assert KEPT["plan"]["name"] == "full"
    assert KEPT["errors"] == []
    assert not any(any(row["faults"].values()) for row in KEPT["rows"])


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(published.MarkError):
        published.place("# A page\n", "text")


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
    before = published.PAGE.read_text()
    command = [sys.executable, "-m", "loadtest", "docs", str(result)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert reason in done.stderr
    assert published.PAGE.read_text() == before
