"""Comparing a run with the baseline."""

import json
from pathlib import Path

import pytest

from loadtest import baseline
from loadtest.sizes import QUICK
from loadtest.targets.base import SSE, WEBSOCKET
from loadtest.targets.floor import AsyncioFloorTarget

BEFORE = {"websocket cpu": 2.0, "sse cpu": 2.0, "websocket memory": 4.0, "rest create": 7.0, "rest mark": 5.0}


def test_a_third_worse_is_a_regression_and_a_quarter_is_not() -> None:
    now = {"websocket cpu": 2.5, "sse cpu": 2.7, "websocket memory": 1.0}
    assert baseline.regressions(now, BEFORE) == {"sse cpu": 0.35}


@pytest.mark.parametrize(
    ("scenarios", "transports", "expected"),
    [
        (("idle", "fanout", "request"), (WEBSOCKET, SSE), BEFORE.keys()),
        (("fanout",), (WEBSOCKET, SSE), {"websocket cpu", "sse cpu"}),
        (("idle",), (WEBSOCKET,), {"websocket memory"}),
        (("storm",), (WEBSOCKET, SSE), set()),
        (("request",), (SSE,), {"rest create", "rest mark"}),
    ],
)
def test_a_run_must_find_the_ratios_of_its_scenarios(
    scenarios: tuple[str, ...], transports: tuple[str, ...], expected: set[str]
) -> None:
    assert baseline.covered(BEFORE, scenarios, transports).keys() == expected


def test_memory_is_compared_with_the_floor_at_the_same_number_of_connections() -> None:
    ours = {"scenario": "idle", "ours": True, "target": "x", "transport": WEBSOCKET, "connections": 10, "kb_server": 6}
    floor = {"scenario": "idle", "ours": False, "target": AsyncioFloorTarget.name, "transport": "raw"}
    rows = [ours, {**floor, "connections": 5, "kb": 1.0}, {**floor, "connections": 10, "kb": 2.0}]
    assert baseline.ratios(rows) == {"websocket memory": 3.0}


def test_a_creation_is_compared_with_the_bare_path_in_the_gateway_and_in_redis() -> None:
    row = {"scenario": "request", "ours": True, "target": "x", "transport": "rest", "kind": "create"}
    rows = [{**row, "ratio": 7.0, "ratio_redis": 2.0}, {**row, "ours": False}]
    assert baseline.ratios(rows) == {"rest create": 7.0, "rest create_redis": 2.0}


def test_a_baseline_is_read_as_it_was_written_and_keeps_other_plans(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    file.write_text(json.dumps({"full": {"ratios": {"sse cpu": 9.0}}}))
    baseline.write(file, "quick", BEFORE, {"commit": "x"})
    assert baseline.load(file, "quick") == BEFORE
    assert baseline.load(file, "full") == {"sse cpu": 9.0}
    assert baseline.load(file, "tiny") == {}


def test_a_result_can_be_the_baseline_for_runs_of_its_plan(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_text(json.dumps({"plan": {"name": "full"}, "ratios": BEFORE, "rows": []}))
    assert baseline.load(file, "full") == BEFORE
    assert baseline.load(file, "quick") == {}


def test_the_committed_baseline_has_every_ratio_of_a_quick_run() -> None:
    names = {f"{transport} {figure}" for transport in (WEBSOCKET, SSE) for figure in ("cpu", "memory")}
    names |= {f"rest {figure}" for figure in baseline.REQUEST_FIGURES}
    assert baseline.load(baseline.FILE, QUICK.name).keys() == names
