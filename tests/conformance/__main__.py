"""Run the Autobahn test suite against the gateway's WebSocket frames: `make conformance`.

Only the suite needs Python 2.7, which is searched for in `PYTHON2`, the path and pyenv. The suite is installed once, in
`build/conformance`, and writes its report there.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conformance.echo import ENVIRONMENT, MODULE
from tests.servers import Gateway

SUITE = "autobahntestsuite==25.10.1"
AGENT = "gateway"
DIRECTORY = Path("build/conformance").absolute()
LIBRARY = DIRECTORY / "autobahn"

# Not `-m autobahntestsuite`: the namespace packages need the .pth files that only `site` processes.
START = f"import site; site.addsitedir({str(LIBRARY)!r}); from autobahntestsuite import wstest; wstest.run()"

SUITE_SECONDS = 3600.0
"""The time limit of the whole suite, which takes five minutes."""

COMPRESSION = ["12.*", "13.*"]
"""Sections about an extension that the gateway does not offer."""

PASSED = ("OK", "INFORMATIONAL", "NON-STRICT")
"""The verdicts that are no failure. NON-STRICT: the gateway is correct, but detects a violation later than possible."""

SECTIONS = {
    1: "framing",
    2: "pings and pongs",
    3: "reserved bits",
    4: "opcodes",
    5: "fragmentation",
    6: "UTF-8",
    7: "closing",
    9: "limits, performance",
    10: "automatic fragmentation",
}

NO_PYTHON = """\
The Autobahn test suite runs on Python 2.7 with pip, which was not found. Do one of these and try again:

  pyenv install 2.7.18                     (found automatically)
  make conformance PYTHON2=/path/python2.7 (another Python 2.7 or PyPy 2.7)

`tests/live/test_websocket_frames.py` tests the most important cases without Python 2.7."""


def main() -> int:
    """Run the suite, print a summary of its report, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--cases", nargs="+", default=["*"], help="such as `5.*` or `7.1.5` (default: all)")
    cases = parser.parse_args().cases
    python = find_python()
    if python is None:
        print(NO_PYTHON, file=sys.stderr)
        return 2
    if not install(python):
        return 2
    report = DIRECTORY / "report"
    shutil.rmtree(report, ignore_errors=True)
    run_suite(python, report, cases)
    return summarize(report)


def find_python() -> str | None:
    """Return the command of a Python 2.7 that has pip, None if there is none."""
    for candidate in candidates():
        try:
            done = subprocess.run(
                [candidate, "-c", "import pip, sys; print(sys.version_info[:2] == (2, 7))"],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.stdout.strip() == "True":
            return candidate
    return None


def candidates() -> Iterator[str]:
    """Yield commands that may be a Python 2.7, the best first."""
    if chosen := os.environ.get("PYTHON2"):
        yield chosen
        return
    yield from ("python2.7", "python2", "pypy")
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    for version in sorted(pyenv.glob("versions/*2.7*"), reverse=True):
        yield str(version / "bin" / "python")


def install(python: str) -> bool:
    """Install the suite unless it is installed. Return whether it is installed."""
    done = LIBRARY / SUITE
    if done.exists():
        return True
    print(f"installing {SUITE} for {python} in {LIBRARY}", flush=True)
    shutil.rmtree(LIBRARY, ignore_errors=True)
    # These two are indirect dependencies, whose sources would need a compiler and OpenSSL's headers.
    command = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--target",
        str(LIBRARY),
        "--only-binary",
        "cryptography,cffi",
    ]
    installed = subprocess.run([*command, SUITE], capture_output=True, text=True, timeout=900, check=False)
    if installed.returncode == 0:
        done.touch()
        return True
    print(f"{installed.stdout}{installed.stderr}\nThe Autobahn test suite could not be installed.", file=sys.stderr)
    return False


def run_suite(python: str, report: Path, cases: list[str]) -> None:
    """Run cases against a gateway that echoes messages. The suite prints the progress."""
    gateway = Gateway(DIRECTORY / "data", ENVIRONMENT, command=(sys.executable, "-m", MODULE))
    try:
        gateway.start()
        server = {"agent": AGENT, "url": gateway.websocket_url}
        specification = {
            "outdir": str(report),
            "servers": [server],
            "cases": cases,
            "exclude-cases": COMPRESSION,
            "exclude-agent-cases": {},
        }
        path = DIRECTORY / "specification.json"
        path.write_text(json.dumps(specification))
        subprocess.run([python, "-c", START, "-m", "fuzzingclient", "-s", str(path)], timeout=SUITE_SECONDS, check=True)
    finally:
        if gateway.process is not None:
            gateway.stop()


def summarize(report: Path) -> int:
    """Print how many cases of each section passed, and every failure. Return the exit code."""
    index = report / "index.json"
    if not index.exists():
        print("The suite ended without a report.", file=sys.stderr)
        return 2
    results: dict[str, dict[str, Any]] = json.loads(index.read_text())[AGENT]
    cases = sorted(results.items(), key=lambda item: [int(part) for part in item[0].split(".")])
    sections: dict[int, Counter[str]] = {}
    failures = []
    for case, result in cases:
        verdicts = (result["behavior"], result["behaviorClose"])
        failed = [verdict for verdict in verdicts if verdict not in PASSED]
        if failed:
            failures.append(f"{case} failed ({', '.join(failed)}): {report / result['reportfile']}")
        verdict = "FAILED" if failed else verdicts[0]
        sections.setdefault(int(case.split(".")[0]), Counter())[verdict] += 1
    print(f"\n{'section':28}{'cases':>7}{'ok':>7}{'non-strict':>12}{'informational':>15}{'failed':>8}")
    sections_and_all = [(f"{number} {SECTIONS.get(number, '')}", counts) for number, counts in sections.items()]
    for name, counts in [*sections_and_all, ("all", sum(sections.values(), Counter()))]:
        row = [counts["OK"], counts["NON-STRICT"], counts["INFORMATIONAL"], counts["FAILED"]]
        print(f"{name:28}{sum(row):>7}{row[0]:>7}{row[1]:>12}{row[2]:>15}{row[3]:>8}")
    print(*failures, f"\nEach frame of each case: {report / 'index.html'}", sep="\n")
    return 1 if failures or not cases else 0


sys.exit(main())
