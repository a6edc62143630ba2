"""Run everything that must hold, the fast first; stop at the first that does not. `make test` runs this.

Arguments go to the two pytest runs that go side by side, and leave out the last check: `python -m tests -k resume`.
"""

import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

_BIN = Path(sysconfig.get_path("scripts"))

CHECKS = [
    ("style", ["ruff", "check", "."]),
    ("format", ["ruff", "format", "--check", "."]),
    ("types", ["mypy"]),
    ("layers", ["lint-imports", "--no-cache"]),
    ("domain", ["coverage", "run", "--source=gateway.domain", "-m", "pytest", "-q", "tests/domain"]),
    ("domain's branches", ["coverage", "report", "--fail-under=100"]),
]

# Two runs for two cores: both wait for real servers half of the time.
FIRST = (
    *("tests/api", "tests/fuzz", "tests/store", "tests/jobs", "tests/clients", "tests/golden", "tests/live"),
    *("tests/web", "tests/loadtest", "tests/loadtest_check"),
)
PYTEST = ["pytest", "--durations=5"]
SIDE_BY_SIDE = [
    ("API and store", [*PYTEST, *FIRST]),
    ("live and all the rest", [*PYTEST, "--ignore=tests/domain", *(f"--ignore={path}" for path in FIRST)]),
]

# Alone, because the second one measures: CPU and memory against the floors of the same run, compared with the baseline.
AT_LAST = [
    ("promises under faults", ["python", "-m", "loadtest", "check", "--quick"]),
    ("cost", ["python", "-m", "loadtest", "run", "--quick", "--only", "idle", "--only", "fanout"]),
]

NOTHING_SELECTED = 5
"""pytest's exit code when `-k` leaves none in one of the two."""


def main() -> int:
    """Run the checks; give the exit code."""
    started = time.monotonic()
    for name, command in CHECKS:
        if code := _run(name, command):
            return code
    code = _run_side_by_side(sys.argv[1:])
    for name, command in AT_LAST if code == 0 and not sys.argv[1:] else ():
        code = code or _run(name, command)
    if code == 0:
        _say(f"everything holds, in {time.monotonic() - started:.0f} s")
    return code


def _run(name: str, command: list[str]) -> int:
    """Run one check; give its exit code."""
    _say(f"{name}: {' '.join(command)}")
    code = subprocess.run([str(_BIN / command[0]), *command[1:]], check=False).returncode
    if code != 0:
        _say(f"{name} failed")
    return code


def _run_side_by_side(arguments: list[str]) -> int:
    """Run the two at once: the first one's output as it comes, the second one's when it is done."""
    running: list[tuple[str, subprocess.Popen[bytes]]] = []
    kept = Path(tempfile.mkstemp(prefix="tests-")[1])
    for number, (name, command) in enumerate(SIDE_BY_SIDE):
        _say(f"{name}: {' '.join(command)}")
        # Each has its own cache, so that `--lf` does not mix them up.
        own_cache = ["-o", f"cache_dir=.pytest_cache/{number}"]
        with kept.open("ab") as output:
            process = subprocess.Popen(
                [str(_BIN / command[0]), *command[1:], *own_cache, *arguments], stdout=output if number else None
            )
        running.append((name, process))
    worst = 0
    for number, (name, process) in enumerate(running):
        code = process.wait()
        if number:
            print(kept.read_text(), flush=True)  # noqa: T201
        if code not in (0, NOTHING_SELECTED):
            _say(f"{name} failed")
            worst = code
    kept.unlink()
    return worst


def _say(text: str) -> None:
    print(f"--- {text}", flush=True)  # noqa: T201


sys.exit(main())
