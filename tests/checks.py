"""Running the commands that must succeed, several at a time, each for a limited time.

A command that exceeds its time limit receives SIGABRT, at which Python's faulthandler prints the stacks of all threads
(pytest and `PYTHONFAULTHANDLER` enable it). Then its process group is killed. Output is printed line by line as it is
written, so that none is lost when this process is terminated.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import sysconfig
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import NoReturn

_PROGRAMS = Path(sysconfig.get_path("scripts"))

_POLL_SECONDS = 0.5

_STOP_SECONDS = 15.0
"""The time for a command to end after SIGINT: pytest stops the servers that its fixtures started."""

_STACKS_SECONDS = 5.0
"""The time for a command to print its stacks after SIGABRT."""

_SUMMARY_LINES = 15
_SUMMARY_CHARACTERS = 240
"""The length of a failed check's summary, and of a line of it: a record of CI may have the last lines only."""

_FAILURE = ("FAILED ", "ERROR ")
"""How the lines of pytest's short summary begin that name a test."""


@dataclass(frozen=True)
class Check:
    """A command that must succeed."""

    name: str
    command: tuple[str, ...]
    """A program of the virtual environment and its arguments."""
    limit_seconds: float = 600.0
    succeeds_with: frozenset[int] = frozenset({0})
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables beside those of this process."""


def run_checks(checks: Sequence[Check], at_once: int = 2) -> int:
    """Run checks, `at_once` at the same time. Return the first exit code that is not a success, or 0.

    They are started in order. If an exception (KeyboardInterrupt, SystemExit) ends this function, running checks are
    stopped. The last lines that are printed are a summary of the checks that failed.
    """
    waiting, runs = list(checks), list[_Run]()
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or any(not run.ended for run in runs):
                while waiting and sum(not run.ended for run in runs) < at_once:
                    check = waiting.pop(0)
                    print_line(f"{check.name}: {' '.join(check.command)}")
                    runs.append(_Run(check, selector, prefix=f"{check.name}: " if len(checks) > 1 else ""))
                _read_ready(selector)
                for run in runs:
                    run.poll()
        finally:
            for run in runs:
                run.interrupt()
            for run in runs:
                run.stop()
            failed = [run for run in runs if run.code not in run.check.succeeds_with]
            _print_summary(failed)
    return failed[0].code if failed else 0


def exit_on_sigterm() -> None:
    """Raise SystemExit at SIGTERM, so that running checks are stopped and their output is printed."""

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)


def print_line(text: str) -> None:
    """Print a line about the checks themselves."""
    print(f"--- {text}", flush=True)  # noqa: T201


def _print_summary(failed: "Sequence[_Run]") -> None:
    """Print the tests that failed, or the last lines, of each failed check, and then the names of these checks."""
    for run in failed:
        print_line(f"{run.check.name}: FAILED with exit code {run.code}:")
        for line in run.summary():
            print(line[:_SUMMARY_CHARACTERS], flush=True)  # noqa: T201
    if failed:
        print_line(f"FAILED: {', '.join(run.check.name for run in failed)}")


def _read_ready(selector: selectors.BaseSelector) -> None:
    """Wait until a check has written something, or for half a second, and print what was written."""
    if not selector.get_map():
        time.sleep(_POLL_SECONDS)  # every check has closed its output
    for key, _ in selector.select(_POLL_SECONDS):
        key.data.read()


class _Run:
    """A check that was started."""

    def __init__(self, check: Check, selector: selectors.BaseSelector, prefix: str):
        self.check = check
        self.code = 0
        self.ended = False
        self._selector = selector
        self._prefix = prefix
        self._partial = b""
        self._last_lines = deque[str](maxlen=_SUMMARY_LINES)
        self._failures = list[str]()
        self._started = time.monotonic()
        self._output, writing = os.pipe()
        os.set_blocking(self._output, False)
        try:
            self._process = subprocess.Popen(
                [str(_PROGRAMS / check.command[0]), *check.command[1:]],
                stdout=writing,
                stderr=subprocess.STDOUT if prefix else None,
                env={**os.environ, "PYTHONFAULTHANDLER": "1", "PYTHONUNBUFFERED": "1", **check.variables},
                process_group=0,
            )
        finally:
            os.close(writing)
        selector.register(self._output, selectors.EVENT_READ, self)

    def read(self) -> None:
        """Print the complete lines among what the check has written since the last call."""
        try:
            data = os.read(self._output, 1 << 16)
        except BlockingIOError:
            return
        if not data:
            self._close_output()
            return
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._print(line)

    def poll(self) -> None:
        """Record the end of the process. Kill it when it has exceeded its time limit."""
        if self.ended:
            return
        if self._process.poll() is None:
            seconds = time.monotonic() - self._started
            if seconds > self.check.limit_seconds:
                print_line(
                    f"{self.check.name}: killed after {seconds:.0f} s, its time limit. The stacks of its threads:"
                )
                self._kill()
                self._end(self._process.returncode)
            return
        self._end(self._process.returncode)

    def summary(self) -> list[str]:
        """Return the lines that name a failed test, or the last lines if there is none."""
        left_out = len(self._failures) - _SUMMARY_LINES
        more = [f"and {left_out} more"] if left_out > 0 else []
        return [*self._failures[:_SUMMARY_LINES], *more] or list(self._last_lines)

    def interrupt(self) -> None:
        """Send SIGINT to a check that is still running."""
        if not self.ended:
            self._process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """Wait for an interrupted check to end, and kill it if it does not."""
        if not self.ended:
            self._read_until_end(_STOP_SECONDS)
            self._kill()
            self._end(self._process.returncode)

    def _kill(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGABRT)
            self._read_until_end(_STACKS_SECONDS)
        with contextlib.suppress(ProcessLookupError):  # the whole group may have ended
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(_STACKS_SECONDS)

    def _read_until_end(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._process.poll() is None and time.monotonic() < deadline:
            _read_ready(self._selector)

    def _end(self, code: int) -> None:
        """Print the rest of the output, and whether the check succeeded.

        The output is not read up to its end, because a process that outlives the check may keep it open.
        """
        self.ended = True
        self.code = code
        while self._output in self._selector.get_map() and self._selector_has_data():
            self.read()
        self._close_output()
        verdict = "done" if code in self.check.succeeds_with else f"FAILED with exit code {code}"
        print_line(f"{self.check.name}: {verdict} after {time.monotonic() - self._started:.0f} s")

    def _selector_has_data(self) -> bool:
        return any(key.data is self for key, _ in self._selector.select(0))

    def _close_output(self) -> None:
        if self._output in self._selector.get_map():
            self._selector.unregister(self._output)
            os.close(self._output)
        if self._partial:
            self._print(self._partial)
            self._partial = b""

    def _print(self, line: bytes) -> None:
        text = line.decode(errors="replace")
        self._last_lines.append(text)
        if text.startswith(_FAILURE):
            self._failures.append(text)
        print(f"{self._prefix}{text}", flush=True)  # noqa: T201
