"""Run all checks and tests, the fast checks first, and stop after the first step that fails: `make test`.

`python -m tests --check` runs the fast checks only: `make check`. Other arguments are passed to the pytest runs, and
the steps after them are skipped: `python -m tests -k resume`.
"""

import os
import shutil
import sys
import time
from pathlib import Path

from tests.checks import Check, exit_on_sigterm, print_line, run_checks

ROOT = Path(__file__).parent.parent
COVERAGE = ROOT / "build" / "coverage"
COVERAGE_FILE = {"COVERAGE_FILE": str(COVERAGE / "data")}
"""The environment variable with the path of the coverage data."""

NOTHING_SELECTED = 5
"""pytest's exit code when `-k` selects no test of a run."""

PYTEST_LIMIT_SECONDS = 2400.0


def pytest_run(name: str, *selection: str, measured: bool = True) -> Check:
    """Return a run of pytest, with the branch coverage of itself and of the processes that its tests start.

    It has a cache of its own, so that `--lf` selects the failures of that run.
    """
    command = ("pytest", "-q", "--durations=5", "-o", f"cache_dir=.pytest_cache/{name}", *selection)
    variables = {"COVERAGE_PROCESS_START": str(ROOT / "pyproject.toml"), **COVERAGE_FILE} if measured else {}
    return Check(name, command, PYTEST_LIMIT_SECONDS, frozenset({0, NOTHING_SELECTED}), variables)


STYLE = [
    Check("style", ("ruff", "check", ".")),
    Check("format", ("ruff", "format", "--check", ".")),
]

DOMAIN = ("coverage", "run", "--source=gateway.domain", "-m", "pytest", "-q", "tests/domain")
FAST = [
    Check("domain", DOMAIN, variables=COVERAGE_FILE),
    Check("types", ("mypy",)),
    Check("layers", ("lint-imports", "--no-cache")),
    Check("words", ("pytest", "-q", "-p", "no:cacheprovider", "tests/test_words.py")),
]
DOMAIN_FLOOR = Check(
    "domain's coverage",
    ("python", "-m", "tests.coverage_floors", "gateway/domain"),
    60.0,
    variables=COVERAGE_FILE,
)

# Tests wait for real servers half of the time, so three runs keep two cores busy.
AT_ONCE = (os.cpu_count() or 1) + 1
PROCESSES = tuple(
    f"tests/end_to_end/test_{name}.py" for name in ("process", "faults", "rolling_restart", "cli", "garbage", "cluster")
)
"""About half of the end-to-end tests by time: those that start and kill the most processes."""

DELIVERY = (
    "tests/channels",
    "tests/delivery",
    "tests/sending",
    *(f"tests/end_to_end/test_{name}.py" for name in ("delivery", "chat_delivery", "mobile_push", "traces")),
    *(f"tests/end_to_end/test_{name}.py" for name in ("webhooks", "webhooks_guide")),
)
"""Delivery: its parts, and from a request to stubs of the providers."""

V2 = ("tests/api/v2", "tests/api/core/test_openapi.py")
"""About half of the tests of the API by time."""

MEASURED = {
    "end-to-end": ("tests/end_to_end", *(f"--ignore={path}" for path in (*PROCESSES, *DELIVERY))),
    "processes": PROCESSES,
    "api": ("tests/api", "tests/fuzz", "tests/golden", *(f"--ignore={path}" for path in V2)),
    "v2": V2,
    "delivery": DELIVERY,
    "store": ("tests/store", "tests/jobs", "tests/web"),
    "live": ("tests/live",),
}
UNMEASURED = ("tests/clients", "tests/conformance", "tests/deploy", "tests/loadtest", "tests/loadtest_check")
"""Tests of other code than the gateway, or that measure its cost."""

BROWSER = ("tests/browser",)
"""Tests of the client and of the bell in Chromium, which measure what the browser does."""

REAL_PROVIDERS = "tests/providers"
"""What `make channels` runs, because it installs other programs."""

PROGRAMS_OF_PACKAGES = "tests/packages"
"""What `make image-test`, `make charts` and `make installers` run, for the same reason."""

REAL_PROMETHEUS = "tests/prometheus"
"""What `make prometheus` runs, for the same reason."""

OWN_RUNS = (
    "tests/domain",
    REAL_PROVIDERS,
    PROGRAMS_OF_PACKAGES,
    REAL_PROMETHEUS,
    "tests/test_words.py",
    *UNMEASURED,
    *BROWSER,
    *(path for paths in MEASURED.values() for path in paths if not path.startswith("--")),
)


ASYNCIO_DEBUG = ("-o", "asyncio_debug=true")
"""Has event loops refuse calls of other threads. It doubles the CPU time of a run, so one run has it."""

ORDER = ("end-to-end", "processes", "unmeasured", "api", "browser", "v2", "delivery", "store", "live", "rest")
"""The longest runs start first, so that both cores are busy up to the end."""


def pytest_runs(arguments: list[str]) -> list[Check]:
    """Return the runs of all tests except those of the domain."""
    runs = [
        *(pytest_run(name, *paths, *arguments) for name, paths in MEASURED.items()),
        pytest_run("rest", *ASYNCIO_DEBUG, *(f"--ignore={path}" for path in OWN_RUNS), *arguments),
        pytest_run("browser", *BROWSER, *arguments, measured=False),
        pytest_run("unmeasured", *UNMEASURED, *arguments, measured=False),
    ]
    return sorted(runs, key=lambda run: ORDER.index(run.name))


FLOORS = Check("coverage", ("python", "-m", "tests.coverage_floors"), 300.0, variables=COVERAGE_FILE)

PROMISES = Check("promises under faults", ("python", "-m", "loadtest", "check", "--quick"), 1800.0)

# Alone, because it measures: CPU and memory relative to the floors of the same run, compared with the baseline.
MEASURED_COSTS = ("--only", "idle", "--only", "fanout", "--only", "request")
COST = Check("cost", ("python", "-m", "loadtest", "run", "--quick", *MEASURED_COSTS), 1200.0)


def main(arguments: list[str]) -> int:
    """Run the steps, and return the exit code."""
    exit_on_sigterm()
    started = time.monotonic()
    shutil.rmtree(COVERAGE, ignore_errors=True)
    steps = [STYLE, FAST, [DOMAIN_FLOOR]]
    if not arguments:
        *longest, live, rest = pytest_runs([])
        steps += [[*longest, PROMISES, live, rest], [FLOORS], [COST]]
    elif arguments != ["--check"]:
        steps.append(pytest_runs(arguments))
    for checks in steps:
        if code := run_checks(checks, AT_ONCE):
            return 1 if code < 0 else code
    print_line(f"all passed in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
