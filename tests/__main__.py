"""Run everything that must hold, the fast checks first, and stop after the first that fails. `make test` runs this.

`python -m tests --check` runs the fast checks only, as `make check` does. Other arguments are passed to the two pytest
runs, and the checks after these are left out: `python -m tests -k resume`.
"""

import sys
import time

from tests.checks import Check, exit_on_sigterm, print_line, run_checks

FAST = [
    Check("style", ("ruff", "check", ".")),
    Check("format", ("ruff", "format", "--check", ".")),
    Check("types", ("mypy",)),
    Check("layers", ("lint-imports", "--no-cache")),
    Check("domain", ("coverage", "run", "--source=gateway.domain", "-m", "pytest", "-q", "tests/domain")),
    Check("domain's branches", ("coverage", "report", "--fail-under=100")),
]

NOTHING_SELECTED = 5
"""pytest's exit code when `-k` selects no test of one of the two runs."""

# Two runs for two cores: both wait for real servers half of the time.
FIRST = (
    *(
        "tests/api",
        "tests/fuzz",
        "tests/store",
        "tests/jobs",
        "tests/sending",
        "tests/clients",
        "tests/golden",
        "tests/live",
    ),
    *("tests/web", "tests/loadtest", "tests/loadtest_check"),
)
PYTEST_LIMIT_SECONDS = 2400.0


def pytest_run(number: int, name: str, *selection: str) -> Check:
    """Return a run of pytest with a cache of its own, so that `--lf` does not mix the two up."""
    command = ("pytest", "--durations=5", "-o", f"cache_dir=.pytest_cache/{number}", *selection)
    return Check(name, command, PYTEST_LIMIT_SECONDS, frozenset({0, NOTHING_SELECTED}))


def pytest_runs(arguments: list[str]) -> list[Check]:
    """Return the two runs that go side by side."""
    rest = ("--ignore=tests/domain", *(f"--ignore={path}" for path in FIRST))
    return [pytest_run(0, "first", *FIRST, *arguments), pytest_run(1, "second", *rest, *arguments)]


# Alone, because the second one measures: CPU and memory against the floors of the same run, compared with the baseline.
LAST = [
    Check("promises under faults", ("python", "-m", "loadtest", "check", "--quick")),
    Check("cost", ("python", "-m", "loadtest", "run", "--quick", "--only", "idle", "--only", "fanout"), 1200.0),
]


def main(arguments: list[str]) -> int:
    """Run the checks; return the exit code."""
    exit_on_sigterm()
    started = time.monotonic()
    steps = [[check] for check in FAST]
    if arguments != ["--check"]:
        steps.append(pytest_runs(arguments))
        steps += [[check] for check in LAST if not arguments]
    for checks in steps:
        if code := run_checks(checks):
            return 1 if code < 0 else code
    print_line(f"everything holds, in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
