"""Run everything that must hold, in order of speed; stop at the first that does not. `make test` runs this.

Arguments go to the last pytest run: `python -m tests -k resume`.
"""

import subprocess
import sys
import sysconfig
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
    ("promises under faults", ["python", "-m", "loadtest.check", "--quick"]),
    ("all the rest", ["pytest", "--ignore=tests/domain", "--durations=10"]),
]


def main() -> int:
    """Run the checks; give the exit code."""
    started = time.monotonic()
    for name, command in CHECKS:
        print(f"--- {name}: {' '.join(command)}", flush=True)  # noqa: T201
        arguments = sys.argv[1:] if command[0] == "pytest" else []
        code = subprocess.run([str(_BIN / command[0]), *command[1:], *arguments], check=False).returncode
        if code != 0:
            print(f"--- {name} failed", flush=True)  # noqa: T201
            return code
    print(f"--- everything holds, in {time.monotonic() - started:.0f} s", flush=True)  # noqa: T201
    return 0


sys.exit(main())
