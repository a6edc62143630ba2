"""Try random inputs for a while: `make fuzz`, or `python -m tests.fuzz --seconds 900`.

A round tries some hundred inputs of one area. The gateway is replaced at intervals, because inputs fill it with users.
An input that fails is shrunk, is stored in the corpus, and fails the run. The same seed tries the same inputs.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.areas import AREAS, Area
from tests.fuzz.inputs import Input
from tests.fuzz.target import FuzzTarget, running_target
from tests.live.test_delivery import resident_bytes

ROUND = 250
"""Inputs in a round, unless one fails."""

GATEWAY_SECONDS = 120.0
"""The time after which the gateway is replaced."""


def main() -> int:
    """Fuzz until the time is over, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="the time to fuzz (default: 600)")
    parser.add_argument(
        "--area",
        choices=[area.name for area in AREAS],
        action="append",
        help="the area to fuzz, repeatable (default: all)",
    )
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats a run (default: random)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the gateway is stopped too
    areas = [area for area in AREAS if area.name in (arguments.area or [area.name])]
    print(f"seed {arguments.seed}, {arguments.seconds:g} s", flush=True)
    run = Run(areas, arguments.seed, time.monotonic() + arguments.seconds)
    while run.has_time:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as directory, running_target(Path(directory)) as target:
            run.use(target)
    print(f"{run.tried.total()} inputs tried, {len(run.found)} failed", *run.found, sep="\n")
    return 1 if run.found else 0


REPORT_SECONDS = 10.0
"""The seconds between lines of progress."""


class Run:
    """The rounds up to a time, and the inputs that failed."""

    def __init__(self, areas: list[Area], first_seed: int, ends_at: float):
        self.tried: Counter[str] = Counter()
        self.found: list[Path] = []
        self._areas = areas
        self._seed = first_seed
        self._started = self._reported = time.monotonic()
        self._ends_at = ends_at
        self._last: Input = {}
        self._broken = False

    @property
    def has_time(self) -> bool:
        """Whether there is time left."""
        return time.monotonic() < self._ends_at

    def use(self, target: FuzzTarget) -> None:
        """Try inputs on one gateway until it is to be replaced."""
        until = min(self._ends_at, time.monotonic() + GATEWAY_SECONDS)
        while time.monotonic() < until:
            area = self._areas[self._seed % len(self._areas)]
            self._round(area, target)
            self._seed += 1
            if time.monotonic() - self._reported >= REPORT_SECONDS:
                self._report(target)

    def _round(self, area: Area, target: FuzzTarget) -> None:
        @seed(self._seed)
        @settings(
            max_examples=ROUND,
            phases=(Phase.generate, Phase.shrink),
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(tried=area.inputs)
        def attempt(tried: Input) -> None:
            self._last = tried
            self.tried[area.name] += 1
            try:
                area.attempt(target, tried)
            except Exception:
                if not self._broken:
                    # Shrinking may take minutes.
                    print(f"{area.name}: an input failed; searching for the smallest one", flush=True)
                self._broken = True
                raise

        self._broken = False
        try:
            attempt()
        except Exception as problem:
            # Hypothesis tries the smallest failing input last.
            path = area.keep(self._last)
            if path not in self.found:
                self.found.append(path)
                print(f"{path}: {str(problem)[:1000]}", flush=True)

    def _report(self, target: FuzzTarget) -> None:
        self._reported = time.monotonic()
        (worker,) = target.gateway.children("worker")
        counts = ", ".join(f"{name} {count}" for name, count in self.tried.items())
        seconds = self._reported - self._started
        memory = resident_bytes(worker) / 1e6
        print(f"{seconds:6.0f} s: {counts}; failed {len(self.found)}; worker {memory:.0f} MB", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
