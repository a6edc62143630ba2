"""Worker processes for tests of the supervisor: small programs that report that they serve, and end on SIGTERM."""

import sys

import pytest

from gateway.server import worker_process

SERVES = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
os.write(int(sys.argv[-1]), b"1")
time.sleep(60)
"""

DIES = "import sys; sys.exit(3)"

NEVER_SERVES = "import time; time.sleep(60)"

IGNORES_SIGTERM = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(int(sys.argv[-1]), b"1")
time.sleep(60)
"""


def run_as_worker(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Make the supervisor start this program as a worker. Its arguments are `--fd N --ready-fd N`."""
    monkeypatch.setattr(worker_process, "WORKER_COMMAND", [sys.executable, "-c", program])


def run_as_deliverer(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Make the supervisor start this program as a process that delivers. Its arguments are `--ready-fd N`."""
    monkeypatch.setattr(worker_process, "DELIVERY_COMMAND", [sys.executable, "-c", program])
