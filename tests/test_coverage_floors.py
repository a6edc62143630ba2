"""The comparison of each package's coverage with its floor."""

import pytest

from tests import coverage_floors
from tests.coverage_floors import below_floor, covered_by_package


def summary(statements: int, covered_lines: int, branches: int = 0, covered_branches: int = 0) -> dict[str, int]:
    return {
        "num_statements": statements,
        "covered_lines": covered_lines,
        "num_branches": branches,
        "covered_branches": covered_branches,
    }


def test_lines_and_branches_of_all_modules_of_a_package_count() -> None:
    files = {
        "gateway/live/a.py": summary(10, 9, 4, 2),
        "gateway/live/b.py": summary(6, 5),
        "gateway/api/v1/c.py": summary(5, 5),
        "gateway/empty/__init__.py": summary(0, 0),
    }
    assert covered_by_package(files) == {"gateway/api/v1": 100.0, "gateway/live": 80.0}


def test_a_package_below_its_floor_fails_and_one_at_its_floor_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage_floors, "FLOORS", {"gateway/a": 90, "gateway/b": 90})
    (line,) = below_floor({"gateway/a": 89.9, "gateway/b": 90.0}, ["gateway/a", "gateway/b"])
    assert line == "gateway/a: 89.9 % is below its floor of 90 %"


def test_a_package_without_a_floor_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage_floors, "FLOORS", {})
    (line,) = below_floor({"gateway/new": 100.0}, ["gateway/new"])
    assert line.startswith("gateway/new has no floor")


def test_a_package_that_was_not_run_at_all_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage_floors, "FLOORS", {"gateway/a": 50})
    assert below_floor({}, ["gateway/a"]) == ["gateway/a: 0.0 % is below its floor of 50 %"]
