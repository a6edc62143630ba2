"""The log of a process that has metrics."""

import subprocess
import sys


def test_dropped_log_lines_are_counted() -> None:
    program = """
import os
from gateway.telemetry.exposition import exposition
from gateway.telemetry.logs import log
from gateway.telemetry.metrics import configure_logging
configure_logging("info")
log.writer._max_bytes = log.writer._usual_bytes = 0
log.error("dropped")
print(exposition("", "gateway-1").body.decode(), flush=True)
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, timeout=60, capture_output=True, text=True)
    assert "inbox_log_lines_dropped_total 1.0" in done.stdout
