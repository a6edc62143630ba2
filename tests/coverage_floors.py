"""Compare the branch coverage of each package with its floor: `python -m tests.coverage_floors`.

The data is that of all processes that the tests started, such as gateways. Each writes a file when it ends, into the
directory that `COVERAGE_FILE` names. A process that a test kills writes none.
"""

import io
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from coverage import Coverage

ROOT = Path(__file__).parent.parent

OURS = str(ROOT / "gateway" / "*")
"""The files that count. Tests also start gateways of older commits, from other directories."""

FLOORS: Mapping[str, float] = {
    "gateway": 96,
    "gateway/api": 98,
    "gateway/api/admin": 96,
    "gateway/api/core": 98,
    "gateway/api/demo": 96,
    "gateway/api/system": 98,
    "gateway/api/v1": 98,
    "gateway/api/v2": 98,
    "gateway/auth": 98,
    "gateway/channels": 98,
    "gateway/cli": 97,
    "gateway/delivery": 96,
    "gateway/domain": 100,
    "gateway/jobs": 97,
    "gateway/live": 97,
    "gateway/runtime": 97,
    "gateway/sending": 98,
    "gateway/server": 96,
    "gateway/server/valkey": 96,
    "gateway/store": 98,
    "gateway/store/redis": 96,
    "gateway/telemetry": 96,
}
"""The least percentage of lines and branches by package: the measured one, less a point for random differences."""


def covered_by_package(files: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    """Return the percentage of lines and branches that were run, by package.

    `files` are the summaries of coverage.py's JSON report, by path.
    """
    total: dict[str, int] = defaultdict(int)
    covered: dict[str, int] = defaultdict(int)
    for path, summary in files.items():
        package = str(PurePosixPath(path).parent)
        total[package] += summary["num_statements"] + summary["num_branches"]
        covered[package] += summary["covered_lines"] + summary["covered_branches"]
    return {package: 100 * covered[package] / total[package] for package in sorted(total) if total[package]}


def below_floor(found: Mapping[str, float], packages: Iterable[str]) -> list[str]:
    """Return a line for each package that is below its floor, or that has no floor."""
    lines = []
    for package in packages:
        if package not in FLOORS:
            lines.append(f"{package} has no floor: add it to FLOORS in tests/coverage_floors.py")
        elif found.get(package, 0.0) < FLOORS[package]:
            lines.append(f"{package}: {found.get(package, 0.0):.1f} % is below its floor of {FLOORS[package]} %")
    return lines


def measured() -> dict[str, Mapping[str, int]]:
    """Combine the data files and return the summary of each file below gateway/, by path."""
    coverage = Coverage(config_file=str(ROOT / "pyproject.toml"))
    coverage.combine(keep=True)
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        coverage.json_report(outfile=file.name, include=[OURS])
        report = json.loads(Path(file.name).read_text())
    return {path: content["summary"] for path, content in report["files"].items()}


def show_missing(packages: Iterable[str]) -> None:
    """Print which lines and branches of some packages were not run."""
    coverage = Coverage(config_file=str(ROOT / "pyproject.toml"))
    coverage.load()
    output = io.StringIO()
    coverage.report(file=output, include=[str(ROOT / package / "*.py") for package in packages])
    print(output.getvalue())  # noqa: T201


def main(packages: list[str]) -> int:
    """Print the coverage of packages, by default of all. Return 1 if one is below its floor."""
    found = covered_by_package(measured())
    chosen = packages or sorted(found.keys() | FLOORS.keys())
    for package in chosen:
        floor = FLOORS.get(package)
        print(f"{package:24}{found.get(package, 0.0):7.1f} %   floor {'none' if floor is None else floor}")  # noqa: T201
    failures = below_floor(found, chosen)
    if failures:
        show_missing([line.split(":")[0].split(" ")[0] for line in failures])
        print(*failures, sep="\n")  # noqa: T201
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
