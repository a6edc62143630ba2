"""Runs of the load tests by the command line. A run waits most of the time, so several run concurrently."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.machine import ROOT

RUN_SECONDS = 110
AT_ONCE = 4


@dataclass
class Run:
    """The results of a run."""

    exit_code: int
    printed: str
    result: dict[str, Any]

    def rows(self, scenario: str, target: str = "") -> list[dict[str, Any]]:
        """Return the rows of a scenario, of one target or of all."""
        rows = [row for row in self.result["rows"] if row["scenario"] == scenario]
        return [row for row in rows if row["target"] == target or not target]

    @property
    def faults(self) -> dict[str, int]:
        """The sums of the faults of all rows, without zeros."""
        found: dict[str, int] = {}
        for row in self.result["rows"]:
            for name, count in row["faults"].items():
                if count:
                    found[name] = found.get(name, 0) + count
        return found


def run(out: Path, *arguments: str) -> Run:
    """Run the load tests with the smallest sizes."""
    command = [sys.executable, "-m", "loadtest", "run", "--plan", "tiny", "--out", str(out), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=RUN_SECONDS)
    printed = done.stdout + done.stderr
    assert (out / "result.json").exists(), printed
    return Run(done.returncode, printed, json.loads((out / "result.json").read_text()))


@contextmanager
def at_once(calls: Mapping[str, Callable[[], Run]]) -> Iterator[dict[str, Future[Run]]]:
    """Start several runs for a block, in order."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        yield {name: threads.submit(call) for name, call in calls.items()}
        threads.shutdown(cancel_futures=True)
