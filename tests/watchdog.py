"""A pytest plugin that ends a stuck test run, and prints the stacks of all threads.

pytest-timeout interrupts a test once. A run that is stuck after that, in the teardown of a fixture or when the
interpreter ends, would never end. Reasons are a thread that is joined without a time limit, or an event loop with a
task that ignores its cancellation. faulthandler's timer needs neither the main thread nor the interpreter's lock.
"""

import faulthandler
import os
import sys
from collections.abc import Generator

import pytest

GRACE_SECONDS = 60
"""The time for the teardown of an interrupted test, and for the end of the interpreter."""


class Watchdog:
    """Ends the process when a test is stuck beyond its time limit, and reports each failure when it happens.

    pytest prints failures when a run ends by itself. After a forced end they would be missing.
    """

    def __init__(self, limit_seconds: float):
        self._limit_seconds = limit_seconds
        # During a test, pytest captures descriptor 2.
        self._stderr = os.dup(sys.__stderr__.fileno() if sys.__stderr__ is not None else 2)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        """Limit the time of a test, including set-up and teardown."""
        self._arm(self._limit_seconds + GRACE_SECONDS)
        try:
            return (yield)
        finally:
            faulthandler.cancel_dump_traceback_later()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Report a failure at once, in one line."""
        if report.failed:
            message = report.longreprtext.strip().rpartition("\n")[2]
            os.write(self._stderr, f"\n{report.nodeid} failed in {report.when}: {message}\n".encode())

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Limit the time in which the interpreter ends."""
        self._arm(GRACE_SECONDS)

    def _arm(self, seconds: float) -> None:
        faulthandler.dump_traceback_later(seconds, exit=True, file=self._stderr)
